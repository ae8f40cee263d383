# What is made when nothing but the necessary is set.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "archive" {}
mock_provider "random" {}

run "what_is_made_by_default" {
  # Both functions are private, in the network, and sized.
  assert {
    condition = alltrue([
      for f in google_cloudfunctions2_function.function :
      f.service_config[0].ingress_settings == "ALLOW_INTERNAL_ONLY"
      && f.build_config[0].runtime == "go126"
      && f.service_config[0].direct_vpc_egress == "VPC_EGRESS_PRIVATE_RANGES_ONLY"
      && length(f.service_config[0].direct_vpc_network_interface) == 1
      && f.service_config[0].available_cpu == "1"
      && f.service_config[0].min_instance_count == 0
      && f.build_config[0].source[0].storage_source[0].object == google_storage_bucket_object.source.name
    ])
    error_message = "A function is public, of another runtime or source, or outside the network."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["schedule"].build_config[0].entry_point == "ScheduleFollowUp" && google_cloudfunctions2_function.function["execute"].build_config[0].entry_point == "ExecuteFollowUp"
    error_message = "The entry points are not the functions' names."
  }
  assert {
    # The platform's defaults are one request at a time and 60 s.
    condition     = google_cloudfunctions2_function.function["execute"].service_config[0].max_instance_request_concurrency == 20 && google_cloudfunctions2_function.function["execute"].service_config[0].timeout_seconds == 150
    error_message = "execute has Google's defaults instead of ours."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["schedule"].service_config[0].timeout_seconds == 60 && google_cloudfunctions2_function.function["schedule"].service_config[0].max_instance_count == 3
    error_message = "schedule is sized otherwise."
  }

  # What is uploaded: of each package the files that are compiled.
  assert {
    condition = alltrue([
      for f in ["function.go", "go.mod", "go.sum", "functions/execute/function.go"] : contains(data.archive_file.source.source[*].filename, f)
    ]) && !anytrue([for f in data.archive_file.source.source[*].filename : endswith(f, "_test.go") || strcontains(f, "localstack") || startswith(f, "emulators/") && f != "emulators/go.mod"])
    error_message = "Tests or stand-ins are uploaded, or not all of the functions."
  }

  # An event is tried again.
  assert {
    condition     = google_cloudfunctions2_function.function["schedule"].event_trigger[0].retry_policy == "RETRY_POLICY_RETRY"
    error_message = "An event that meets an outage is lost."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["schedule"].event_trigger[0].event_type == "google.cloud.pubsub.topic.v1.messagePublished" && google_cloudfunctions2_function.function["schedule"].event_trigger[0].pubsub_topic == google_pubsub_topic.events.id
    error_message = "schedule does not listen to the topic."
  }
  assert {
    condition     = length(google_cloudfunctions2_function.function["execute"].event_trigger) == 0
    error_message = "execute has a trigger."
  }

  # The sweep ticks every minute.
  assert {
    condition     = google_cloud_scheduler_job.sweep.schedule == "* * * * *" && google_cloud_scheduler_job.sweep.http_target[0].uri == "https://pubsub.googleapis.com/v1/projects/lad-test/topics/followup-events:publish"
    error_message = "The tick goes elsewhere, or at another pace."
  }
  assert {
    condition     = jsondecode(base64decode(jsondecode(base64decode(google_cloud_scheduler_job.sweep.http_target[0].body)).messages[0].data)) == { type = "followup.sweep" }
    error_message = "The message is not the sweep's tick."
  }

  # The queue agrees with the lateness limit.
  assert {
    condition     = google_cloud_tasks_queue.calls.name == "follow-up-calls"
    error_message = "The queue has another name."
  }
  assert {
    # 24 h, and two minutes for the attempt that finds it is too late.
    condition     = google_cloud_tasks_queue.calls.retry_config[0].max_retry_duration == "86520s"
    error_message = "The queue gives tasks up at another time than the rules do."
  }
  assert {
    # Ended by the duration alone: the attempts are spent long before.
    condition     = google_cloud_tasks_queue.calls.retry_config[0].max_attempts == 5 && google_cloud_tasks_queue.calls.retry_config[0].min_backoff == "5s" && google_cloud_tasks_queue.calls.retry_config[0].max_backoff == "60s" && google_cloud_tasks_queue.calls.retry_config[0].max_doublings == 4
    error_message = "The attempts may outlast the duration."
  }
  assert {
    condition     = google_cloud_tasks_queue.calls.rate_limits[0].max_dispatches_per_second == 1 && google_cloud_tasks_queue.calls.rate_limits[0].max_concurrent_dispatches == 50
    error_message = "The queue's pace is not the variables'."
  }
  assert {
    condition     = google_cloud_tasks_queue.calls.stackdriver_logging_config[0].sampling_ratio == 1
    error_message = "The queue does not log."
  }

  # The database is kept.
  assert {
    condition     = google_sql_database_instance.lad[0].deletion_protection && google_sql_database_instance.lad[0].settings[0].deletion_protection_enabled
    error_message = "The database can be deleted."
  }
  assert {
    condition = (
      google_sql_database_instance.lad[0].settings[0].backup_configuration[0].enabled
      && google_sql_database_instance.lad[0].settings[0].backup_configuration[0].point_in_time_recovery_enabled
      && google_sql_database_instance.lad[0].settings[0].availability_type == "REGIONAL"
    )
    error_message = "There are no backups, no point-in-time recovery or no stand-by."
  }
  assert {
    condition     = !google_sql_database_instance.lad[0].settings[0].ip_configuration[0].ipv4_enabled && google_sql_database_instance.lad[0].settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY"
    error_message = "The database has a public address, or lets connections in that are not encrypted."
  }
  assert {
    condition     = tomap({ for f in google_sql_database_instance.lad[0].settings[0].database_flags : f.name => f.value }) == tomap({ "cloudsql.iam_authentication" = "on", "max_connections" = "200" })
    error_message = "The flags are not IAM login and max_connections."
  }
  assert {
    condition     = { for k, u in google_sql_user.login : k => "${u.type} ${u.name}" } == { for who in ["schedule", "execute", "doctor", "operate"] : who => "CLOUD_IAM_SERVICE_ACCOUNT followup-${who}@lad-test.iam" }
    error_message = "The logins are not the accounts' names without .gserviceaccount.com."
  }

  # Execute is named before it is there.
  assert {
    condition     = output.execute_url == "https://followup-execute-123456789012.europe-west1.run.app"
    error_message = "The address is not the deterministic one."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["schedule"].service_config[0].environment_variables.FOLLOWUP_EXECUTION_ENDPOINT == "${output.execute_url}/api/deals-pipeline/bookings/:id/execute-followup" && google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.FOLLOWUP_OIDC_AUDIENCE == output.execute_url
    error_message = "Endpoint and audience are not that address."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.FOLLOWUP_OIDC_MODE == "verify"
    error_message = "execute believes what Cloud Run says of a token."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["schedule"].service_config[0].environment_variables.DB_USER == "followup-schedule@lad-test.iam" && google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.DB_USER == "followup-execute@lad-test.iam"
    error_message = "A function logs in as another."
  }

  # Secrets are referred to and never held.
  assert {
    condition = [for s in google_cloudfunctions2_function.function["execute"].service_config[0].secret_environment_variables : "${s.key} ${s.project_id} ${s.secret} ${s.version}"] == [
      "INTERNAL_SERVICE_SECRET lad-test followup-internal-service-secret 1"
    ]
    error_message = "execute's secrets are not what was asked for."
  }
  assert {
    condition     = length(google_cloudfunctions2_function.function["schedule"].service_config[0].secret_environment_variables) == 0
    error_message = "schedule holds a secret, and calls nobody."
  }

  # The jobs migrate and check from inside the network.
  assert {
    condition = google_cloud_run_v2_job.job["migrate"].template[0].template[0].containers[0].args == tolist([
      "migrate", "up", "--schema", "lad_dev",
      "--grant-to=followup-schedule@lad-test.iam", "--grant-to=followup-execute@lad-test.iam", "--grant-to=followup-doctor@lad-test.iam", "--grant-to=followup-operate@lad-test.iam",
    ])
    error_message = "The migration does not let the functions' logins work."
  }
  assert {
    condition = [for e in google_cloud_run_v2_job.job["migrate"].template[0].template[0].containers[0].env : "${e.name} ${e.value_source[0].secret_key_ref[0].secret} ${e.value_source[0].secret_key_ref[0].version}"] == [
      "DATABASE_URL followup-owner-database-url 2"
    ]
    error_message = "The migration does not run with the owner's login, or with more than that."
  }
  assert {
    condition     = google_cloud_run_v2_job.job["doctor"].template[0].template[0].containers[0].args == tolist(["doctor", "--timeout=90s"]) && contains([for e in google_cloud_run_v2_job.job["doctor"].template[0].template[0].containers[0].env : "${e.name}=${e.value}"], "DB_USER=followup-doctor@lad-test.iam")
    error_message = "The doctor is not the doctor."
  }
  assert {
    condition     = google_cloud_run_v2_job.job["operate"].template[0].template[0].containers[0].args == tolist(["help"]) && contains([for e in google_cloud_run_v2_job.job["operate"].template[0].template[0].containers[0].env : "${e.name}=${e.value}"], "DB_USER=followup-operate@lad-test.iam")
    error_message = "The operators' job does something unasked, or as somebody else."
  }
  assert {
    condition     = alltrue([for j in google_cloud_run_v2_job.job : j.template[0].template[0].vpc_access[0].egress == "ALL_TRAFFIC"]) && length(google_compute_router_nat.nat) == 0
    error_message = "A job is outside the network, or the network has a way out that nobody needs."
  }
  assert {
    condition     = { for k, j in google_cloud_run_v2_job.job : k => j.template[0].template[0].max_retries } == { migrate = 3, doctor = 3, operate = 0 }
    error_message = "What can be done again is not tried again, or what cannot is."
  }
  assert {
    condition     = alltrue([for u in google_sql_user.login : u.deletion_policy == "ABANDON"])
    error_message = "terraform destroy stops at a login that Google does not delete."
  }
}
