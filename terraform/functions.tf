# Both functions, from one archive.

locals {
  # What function.go links, and nothing else: neither tests nor stand-ins are uploaded. internal/deploycheck asks the
  # compiler whether this list is whole, and has nothing in it that is not linked.
  # go.mod names the module emulators, of which its go.mod is all that is needed.
  packages = [
    "functions/execute", "functions/schedule", "internal/config", "internal/entrypoint", "internal/exactjson", "internal/httpjson", "internal/logging", "internal/reconcile",
    "internal/settings", "internal/tracing", "internal/version", "pkg/followup", "pkg/phone", "pkg/tasks", "pkg/tenantdb", "pkg/tenantdb/internal/typed", "pkg/voiceagent",
  ]
  source_root = "${path.module}/.."
  source_files = concat(["function.go", "go.mod", "go.sum", "emulators/go.mod"], flatten([
    for package in local.packages : [for file in fileset(local.source_root, "${package}/*.go") : file if !endswith(file, "_test.go")]
  ]))

  functions = {
    # An event's own limit is 55 s; an attempt that Cloud Run ends leaves no log.
    schedule = { entry_point = "ScheduleFollowUp", size = var.schedule, timeout = 60, topics = [google_pubsub_topic.events.id], secrets = [] }
    # Not before the lease is over, or Cloud Run ends a request that still records its call; and before the dispatch
    # deadline, or Cloud Tasks sends the task again meanwhile.
    execute = { entry_point = "ExecuteFollowUp", size = var.execute, timeout = floor((local.seconds.FOLLOWUP_LEASE + local.seconds.FOLLOWUP_DISPATCH_DEADLINE) / 2), topics = [], secrets = local.secret_environment.execute }
  }
}

# The same files give the same archive, whatever the machine and the time.
data "archive_file" "source" {
  type             = "zip"
  output_path      = "${path.root}/.terraform/followup-source.zip"
  output_file_mode = "0644"

  dynamic "source" {
    for_each = local.source_files
    content {
      filename = source.value
      content  = file("${local.source_root}/${source.value}")
    }
  }
}

# Named by its content, so that a change of the code, and nothing else, deploys. The bucket holds what is deployed;
# what was deployed is in git.
resource "google_storage_bucket_object" "source" {
  name   = "source-${data.archive_file.source.output_sha256}.zip"
  bucket = local.source_bucket
  source = data.archive_file.source.output_path
}

resource "google_cloudfunctions2_function" "function" {
  for_each = local.functions
  name     = local.function_names[each.key]
  location = var.region

  build_config {
    runtime           = "go126"
    entry_point       = each.value.entry_point
    service_account   = local.builder
    docker_repository = "projects/${var.project_id}/locations/${var.region}/repositories/${var.name}"
    source {
      storage_source {
        bucket = local.source_bucket
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email = google_service_account.account[each.key].email
    environment_variables = local.environment[each.key]
    # Cloud Tasks of this project counts as internal, at the run.app address.
    # https://cloud.google.com/run/docs/securing/ingress
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    timeout_seconds                  = each.value.timeout
    min_instance_count               = each.value.size.min_instances
    max_instance_count               = each.value.size.max_instances
    max_instance_request_concurrency = each.value.size.concurrency
    available_cpu                    = tostring(each.value.size.cpu)
    available_memory                 = each.value.size.memory
    all_traffic_on_latest_revision   = true
    direct_vpc_egress                = var.all_traffic_through_vpc ? "VPC_EGRESS_ALL_TRAFFIC" : "VPC_EGRESS_PRIVATE_RANGES_ONLY"
    direct_vpc_network_interface {
      network    = local.network
      subnetwork = local.subnetwork
    }
    dynamic "secret_environment_variables" {
      for_each = each.value.secrets
      content {
        key        = secret_environment_variables.value
        project_id = var.project_id
        secret     = local.secret_ids[secret_environment_variables.value]
        version    = var.secret_versions[secret_environment_variables.value]
      }
    }
  }

  # Without RETRY_POLICY_RETRY, an event that meets a database that is down is gone.
  dynamic "event_trigger" {
    for_each = each.value.topics
    content {
      trigger_region        = var.region
      event_type            = "google.cloud.pubsub.topic.v1.messagePublished"
      pubsub_topic          = event_trigger.value
      retry_policy          = "RETRY_POLICY_RETRY"
      service_account_email = google_service_account.account["trigger"].email
    }
  }

  lifecycle {
    precondition {
      # 0 would be Google's default of 100, which the sums of connections and addresses do not know.
      condition     = each.value.size.max_instances >= max(1, each.value.size.min_instances)
      error_message = "${each.key} needs max_instances of at least 1, and no fewer than min_instances."
    }
  }

  depends_on = [google_project_iam_member.project, google_secret_manager_secret_iam_member.reader]
}
