# Names, labels, the services of Google's that are used, and the accounts.

locals {
  labels = merge({ app = var.name }, var.labels)

  # A function's Cloud Run service has the function's name. Monitoring and the
  # commands in the outputs go by these names, too.
  function_names = {
    schedule = "${var.name}-schedule"
    execute  = "${var.name}-execute"
  }

  # Every account does one thing.
  accounts = merge(local.canary_accounts, {
    schedule  = "ScheduleFollowUp: reads bookings, makes tasks"
    execute   = "ExecuteFollowUp: claims bookings, calls the voice agent"
    invoker   = "In whose name Cloud Tasks calls ExecuteFollowUp"
    trigger   = "In whose name Eventarc calls ScheduleFollowUp"
    scheduler = "In whose name Cloud Scheduler publishes the sweep's tick"
    build     = "Builds the functions"
    migrate   = "The job that migrates LAD's schemas"
    doctor    = "The job that checks the deployment"
  })

  services = concat(var.traces_ratio > 0 ? ["cloudtrace.googleapis.com", "telemetry.googleapis.com"] : [], [
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "cloudtasks.googleapis.com",
    "compute.googleapis.com",
    "eventarc.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
  ])
}

resource "google_project_service" "used" {
  for_each = toset(local.services)

  project = var.project_id
  service = each.key
  # Something else in the project may use it.
  disable_on_destroy = false
}

data "google_project" "this" {
  project_id = var.project_id

  depends_on = [google_project_service.used]
}

resource "google_service_account" "account" {
  for_each = local.accounts

  account_id   = "${var.name}-${each.key}"
  display_name = each.value

  depends_on = [google_project_service.used]
}
