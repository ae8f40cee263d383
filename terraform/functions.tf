# Both functions, from one archive.

locals {
  # The product's packages with what they embed, and not their tests or what plays
  # LAD and Google Cloud in them. A list of what belongs in keeps out what happens to
  # lie about. It is whole by itself, since the buildpack runs `go mod tidy` on it:
  # internal/deploycheck asks the compiler. go.mod names the module emulators, of
  # which no package is linked, so that its go.mod is all that is needed of it.
  source_root = "${path.module}/.."
  source_files = sort([
    for file in setunion(
      toset(["function.go", "go.mod", "go.sum", "emulators/go.mod"]),
      fileset(local.source_root, "{functions,internal,migrations,pkg}/**/*.{go,sql,sh}"),
    ) : file
    if !endswith(file, "_test.go") && !strcontains(file, "/testdata/")
    && !strcontains(file, "test/") && !startswith(file, "internal/localstack/")
  ])
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

# Named by its content, so that a change of the code, and nothing else, deploys.
# The bucket holds what is deployed; what was deployed is in git.
resource "google_storage_bucket_object" "source" {
  name   = "source-${data.archive_file.source.output_sha256}.zip"
  bucket = local.source_bucket
  source = data.archive_file.source.output_path
}

resource "google_cloudfunctions2_function" "schedule" {
  name     = local.function_names.schedule
  location = var.region

  build_config {
    runtime           = "go126"
    entry_point       = "ScheduleFollowUp"
    service_account   = local.builder
    docker_repository = local.repository
    source {
      storage_source {
        bucket = local.source_bucket
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email = google_service_account.account["schedule"].email
    environment_variables = local.environment.schedule
    ingress_settings      = "ALLOW_INTERNAL_ONLY"
    # An event's own limit is 55 s; an attempt that Cloud Run ends leaves no log.
    timeout_seconds                  = 60
    min_instance_count               = var.schedule.min_instances
    max_instance_count               = var.schedule.max_instances
    max_instance_request_concurrency = var.schedule.concurrency
    available_cpu                    = tostring(var.schedule.cpu)
    available_memory                 = var.schedule.memory
    all_traffic_on_latest_revision   = true
    direct_vpc_egress                = local.egress
    direct_vpc_network_interface {
      network    = local.network
      subnetwork = local.subnetwork
    }
  }

  # Without RETRY_POLICY_RETRY, an event that meets a database that is down is
  # gone.
  event_trigger {
    trigger_region        = var.region
    event_type            = "google.cloud.pubsub.topic.v1.messagePublished"
    pubsub_topic          = google_pubsub_topic.events.id
    retry_policy          = "RETRY_POLICY_RETRY"
    service_account_email = google_service_account.account["trigger"].email
  }

  depends_on = [google_project_iam_member.project]
}

resource "google_cloudfunctions2_function" "execute" {
  name     = local.function_names.execute
  location = var.region

  build_config {
    runtime           = "go126"
    entry_point       = "ExecuteFollowUp"
    service_account   = local.builder
    docker_repository = local.repository
    source {
      storage_source {
        bucket = local.source_bucket
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email = google_service_account.account["execute"].email
    environment_variables = local.environment.execute
    # Cloud Tasks of this project counts as internal, at the run.app address.
    # https://cloud.google.com/run/docs/securing/ingress
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    timeout_seconds                  = var.execute_timeout_seconds
    min_instance_count               = var.execute.min_instances
    max_instance_count               = var.execute.max_instances
    max_instance_request_concurrency = var.execute.concurrency
    available_cpu                    = tostring(var.execute.cpu)
    available_memory                 = var.execute.memory
    all_traffic_on_latest_revision   = true
    direct_vpc_egress                = local.egress
    direct_vpc_network_interface {
      network    = local.network
      subnetwork = local.subnetwork
    }
    dynamic "secret_environment_variables" {
      for_each = local.secret_environment.execute
      content {
        key        = secret_environment_variables.value
        project_id = var.project_id
        secret     = local.secret_ids[secret_environment_variables.value]
        version    = var.secret_versions[secret_environment_variables.value]
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.lease_seconds >= var.call_timeout_seconds + 15
      error_message = "lease_seconds (${var.lease_seconds}) must be at least 15 above call_timeout_seconds (${var.call_timeout_seconds}), or a call outlives the claim it was made on."
    }
    precondition {
      condition     = var.execute_timeout_seconds >= var.lease_seconds
      error_message = "execute_timeout_seconds (${var.execute_timeout_seconds}) must not be below lease_seconds (${var.lease_seconds}), or Cloud Run ends a request that still records its call."
    }
    precondition {
      condition     = var.dispatch_deadline_seconds > var.execute_timeout_seconds
      error_message = "dispatch_deadline_seconds (${var.dispatch_deadline_seconds}) must be above execute_timeout_seconds (${var.execute_timeout_seconds}), or Cloud Tasks sends a task again while its request is alive."
    }
    precondition {
      condition     = var.grace_seconds > var.dispatch_deadline_seconds
      error_message = "grace_seconds (${var.grace_seconds}) must be above dispatch_deadline_seconds (${var.dispatch_deadline_seconds}), or the sweep makes a new task while Cloud Tasks waits for the old one's answer."
    }
  }

  depends_on = [google_project_iam_member.project, google_secret_manager_secret_iam_member.reader]
}

locals {
  repository = "projects/${var.project_id}/locations/${var.region}/repositories/${var.name}"
  egress     = var.all_traffic_through_vpc ? "VPC_EGRESS_ALL_TRAFFIC" : "VPC_EGRESS_PRIVATE_RANGES_ONLY"
}
