# The way to the database's private address. Functions and jobs are put into the
# network themselves (direct VPC egress): no connector, nothing that idles.

locals {
  network    = var.network == null ? google_compute_network.followup[0].id : var.network
  subnetwork = var.subnetwork == null ? google_compute_subnetwork.followup[0].id : var.subnetwork

  # An instance takes up to two addresses while revisions change, and five of a
  # subnetwork's belong to Google.
  # https://cloud.google.com/run/docs/configuring/vpc-direct-vpc
  addresses_needed = 2 * (var.schedule.max_instances + var.execute.max_instances + length(local.job_names)) + 5
}

resource "google_compute_network" "followup" {
  count = var.network == null ? 1 : 0

  name                    = var.name
  auto_create_subnetworks = false

  depends_on = [google_project_service.used]
}

resource "google_compute_subnetwork" "followup" {
  count = var.network == null ? 1 : 0

  name          = var.name
  region        = var.region
  network       = google_compute_network.followup[0].id
  ip_cidr_range = var.subnetwork_range
  # The job doctor reaches execute, whose ingress is internal, and Google's APIs
  # from in here.
  private_ip_google_access = true

  lifecycle {
    precondition {
      condition     = pow(2, 32 - tonumber(split("/", var.subnetwork_range)[1])) >= local.addresses_needed
      error_message = "subnetwork_range ${var.subnetwork_range} is too small: the instances may need ${local.addresses_needed} addresses."
    }
  }
}

# Where Cloud SQL's private addresses come from (private services access).
resource "google_compute_global_address" "services" {
  count = var.network == null && local.new_instance ? 1 : 0

  name          = "${var.name}-services"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = google_compute_network.followup[0].id
}

resource "google_service_networking_connection" "services" {
  count = var.network == null && local.new_instance ? 1 : 0

  network                 = google_compute_network.followup[0].id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services[0].name]
  # Google refuses to delete the peering for days after the instance has gone,
  # and it costs nothing.
  deletion_policy = "ABANDON"
}
