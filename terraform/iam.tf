# Who may do what. Every grant is on the narrowest thing that it can be on: a queue, a topic, a secret, a service, an
# account, a bucket. What Google grants on projects only is conditioned.
#
# tests/iam.tftest.hcl holds the list of all of these. What the builders may do is in bootstrap/build.tf.

locals {
  task_makers = ["schedule", "execute", "operate"]
}

# roles/eventarc.eventReceiver is not among them: Eventarc wants it of triggers for every source but Pub/Sub.
# https://cloud.google.com/eventarc/standard/docs/functions/roles-permissions
resource "google_project_iam_member" "project" {
  for_each = merge(
    # Google grants it on projects only, and it lets nobody read.
    { for who in ["schedule", "execute"] : "${who} writes traces" => {
      account = who, project = var.project_id, role = "roles/telemetry.tracesWriter"
    } if lookup(var.settings, "FOLLOWUP_TRACES", "off") == "gcp" },
    # Both are needed: client to reach the instance, instanceUser to log in.
    [for who in local.database_accounts : {
      "${who} reaches the database"    = { account = who, project = local.instance.project, role = "roles/cloudsql.client" }
      "${who} logs in to the database" = { account = who, project = local.instance.project, role = "roles/cloudsql.instanceUser" }
    }]...
  )
  project = each.value.project
  role    = each.value.role
  member  = "serviceAccount:${google_service_account.account[each.value.account].email}"

  # https://cloud.google.com/sql/docs/postgres/iam-conditions
  dynamic "condition" {
    for_each = each.value.role == "roles/telemetry.tracesWriter" ? [] : [local.instance]
    content {
      title      = "the-follow-ups-database"
      expression = "resource.name == \"projects/${condition.value.project}/instances/${condition.value.name}\" && resource.type == \"sqladmin.googleapis.com/Instance\""
    }
  }
}

# Both functions, and the operators' job, make tasks and delete them: execute does when a task comes too early for a
# booking that has moved. They look whether a task whose name is taken is still there; viewer is the smallest role
# with cloudtasks.tasks.get.
# https://cloud.google.com/iam/docs/roles-permissions/cloudtasks
resource "google_cloud_tasks_queue_iam_member" "queue" {
  for_each = merge({ "doctor looks" = { account = "doctor", role = "roles/cloudtasks.viewer" } }, [for who in local.task_makers : {
    "${who} creates" = { account = who, role = "roles/cloudtasks.enqueuer" }
    "${who} deletes" = { account = who, role = "roles/cloudtasks.taskDeleter" }
    "${who} looks"   = { account = who, role = "roles/cloudtasks.viewer" }
  }]...)

  location = google_cloud_tasks_queue.calls.location
  name     = google_cloud_tasks_queue.calls.name
  role     = each.value.role
  member   = "serviceAccount:${google_service_account.account[each.value.account].email}"
}

# Whoever makes a task that carries the invoker's token must be allowed to act as the invoker, and as nobody else.
resource "google_service_account_iam_member" "acts_as_invoker" {
  for_each           = toset(local.task_makers)
  service_account_id = google_service_account.account["invoker"].name
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${google_service_account.account[each.key].email}"
}

# Each caller may call one service. Cloud Run takes the signature out of a token that it checks: where execute is to
# check it, Cloud Run must not, and lets everybody in whom the ingress does.
resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = merge({
    invoker = google_cloudfunctions2_function.function["execute"].name
    trigger = google_cloudfunctions2_function.function["schedule"].name
  }, { for stub in google_cloud_run_v2_service.stub : "execute" => stub.name })

  location = var.region
  name     = each.value
  role     = "roles/run.invoker"
  member   = each.key == "invoker" && var.oidc_mode == "verify" ? "allUsers" : "serviceAccount:${google_service_account.account[each.key].email}"
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = merge({ scheduler = "serviceAccount:${google_service_account.account["scheduler"].email}" }, { for who in var.event_publishers : who => who })
  topic    = google_pubsub_topic.events.name
  role     = "roles/pubsub.publisher"
  member   = each.value
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = merge([
    for who, variables in local.secret_environment : { for variable in variables : "${who} reads ${variable}" => { account = who, secret = local.secret_ids[variable] } }
  ]...)

  secret_id = each.value.secret
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.account[each.value.account].email}"
}
