# Names, labels and the accounts. bootstrap/ has switched Google's services on.

locals {
  labels = merge({ app = var.name }, var.labels)

  # A function's Cloud Run service has the function's name. Monitoring and the commands in the outputs go by these
  # names, too.
  function_names = {
    schedule = "${var.name}-schedule"
    execute  = "${var.name}-execute"
  }

  # Every account does one thing.
  accounts = merge(var.canary == null ? {} : {
    smoke = "The job that tries a deployment on the canary tenant"
    stub  = "The stub that is called for the canary tenant"
    }, {
    schedule  = "ScheduleFollowUp: reads bookings, makes tasks"
    execute   = "ExecuteFollowUp: claims bookings, calls the voice agent"
    invoker   = "In whose name Cloud Tasks calls ExecuteFollowUp"
    trigger   = "In whose name Eventarc calls ScheduleFollowUp"
    scheduler = "In whose name Cloud Scheduler publishes the sweep's tick"
    migrate   = "The job that migrates LAD's schemas"
    doctor    = "The job that checks the deployment, and looks"
    operate   = "The job that retries, resolves and cancels calls"
  })

  # The account that builds the functions, and the bucket of their archive, are bootstrap's: a right takes minutes to
  # count, and a build begins at once.
  builder       = "projects/${var.project_id}/serviceAccounts/${var.name}-build@${var.project_id}.iam.gserviceaccount.com"
  source_bucket = "${var.project_id}-${var.name}-source"
}

data "google_project" "this" {
  project_id = var.project_id
}

resource "google_service_account" "account" {
  for_each     = local.accounts
  account_id   = "${var.name}-${each.key}"
  display_name = each.value
}
