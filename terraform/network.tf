# The way to the database's private address. Functions and jobs are put into the network themselves (direct VPC
# egress): no connector, nothing that idles.

locals {
  network    = var.network == null ? google_compute_network.followup[0].id : var.network
  subnetwork = var.subnetwork == null ? google_compute_subnetwork.followup[0].id : var.subnetwork

  # Cloud Run takes two addresses for each instance, keeps those of the old revision while the new one starts, and
  # reserves them by 16. Four are the subnetwork's own.
  # https://cloud.google.com/run/docs/configuring/vpc-direct-vpc#direct-vpc-ip-allocation
  addresses_needed = 16 * ceil((2 * (2 * (var.schedule.max_instances + var.execute.max_instances) + length(local.job_names)) + 4) / 16)

  # In a network of its own what goes out needs an address: what the functions send out, if all of it goes through the
  # network, and what the jobs send to the database, if that is where it is. In an existing network it is up to its
  # owner.
  nat = var.network == null && (var.all_traffic_through_vpc || !var.database_private_ip)
}

resource "google_compute_network" "followup" {
  count                   = var.network == null ? 1 : 0
  name                    = var.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "followup" {
  count         = var.network == null ? 1 : 0
  name          = var.name
  region        = var.region
  network       = google_compute_network.followup[0].id
  ip_cidr_range = var.subnetwork_range
  # The job doctor reaches execute, whose ingress is internal, and Google's APIs from in here.
  private_ip_google_access = true

  lifecycle {
    precondition {
      condition     = tonumber(split("/", var.subnetwork_range)[1]) <= 26
      error_message = "subnetwork_range ${var.subnetwork_range} is too small: Cloud Run takes a subnetwork of /26 or larger."
    }
    precondition {
      condition     = pow(2, 32 - tonumber(split("/", var.subnetwork_range)[1])) >= local.addresses_needed
      error_message = "subnetwork_range ${var.subnetwork_range} is too small: the instances may need ${local.addresses_needed} addresses."
    }
  }
}

# One address, so that LAD's database or voice agent can have it on a list.
resource "google_compute_address" "nat" {
  count  = local.nat ? 1 : 0
  name   = "${var.name}-nat"
  region = var.region
}

resource "google_compute_router" "nat" {
  count   = local.nat ? 1 : 0
  name    = "${var.name}-nat"
  region  = var.region
  network = google_compute_network.followup[0].id
}

resource "google_compute_router_nat" "nat" {
  count                              = local.nat ? 1 : 0
  name                               = "${var.name}-nat"
  region                             = var.region
  router                             = google_compute_router.nat[0].name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.nat[0].self_link]
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"
  subnetwork {
    name                    = google_compute_subnetwork.followup[0].id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }
}

# Where Cloud SQL's private addresses come from (private services access).
resource "google_compute_global_address" "services" {
  count         = var.network == null && local.new_instance ? 1 : 0
  name          = "${var.name}-services"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = google_compute_network.followup[0].id
}

resource "google_service_networking_connection" "services" {
  count                   = var.network == null && local.new_instance ? 1 : 0
  network                 = google_compute_network.followup[0].id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services[0].name]
  # Google refuses to delete the peering for days after the instance has gone, and it costs nothing.
  deletion_policy = "ABANDON"
}
