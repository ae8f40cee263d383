# Who may do what, in full; the builders are in bootstrap/tests. Nothing here is created: the providers are mocks, and
# "apply" only makes what is computed known.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "archive" {}
mock_provider "random" {}

run "each_account_has_these_rights_and_no_other" {
  assert {
    condition = tomap({ for k, g in google_project_iam_member.project : k => "${split("@", g.member)[0]} ${g.role} ${g.project}" }) == tomap({
      "schedule reaches the database"    = "serviceAccount:followup-schedule roles/cloudsql.client lad-test"
      "schedule logs in to the database" = "serviceAccount:followup-schedule roles/cloudsql.instanceUser lad-test"
      "execute reaches the database"     = "serviceAccount:followup-execute roles/cloudsql.client lad-test"
      "execute logs in to the database"  = "serviceAccount:followup-execute roles/cloudsql.instanceUser lad-test"
      "doctor reaches the database"      = "serviceAccount:followup-doctor roles/cloudsql.client lad-test"
      "doctor logs in to the database"   = "serviceAccount:followup-doctor roles/cloudsql.instanceUser lad-test"
      "operate reaches the database"     = "serviceAccount:followup-operate roles/cloudsql.client lad-test"
      "operate logs in to the database"  = "serviceAccount:followup-operate roles/cloudsql.instanceUser lad-test"
    })
    error_message = "The grants on the project are not the expected ones."
  }
  assert {
    condition     = alltrue([for k, g in google_project_iam_member.project : length(g.condition) == 1])
    error_message = "A right is granted on the whole project."
  }
  assert {
    condition = alltrue([
      for g in google_project_iam_member.project : strcontains(g.condition[0].expression, "resource.name == \"projects/lad-test/instances/") if startswith(g.role, "roles/cloudsql.")
    ])
    error_message = "The rights to the database are not bound to the one instance."
  }
  assert {
    condition = toset([for g in google_cloud_tasks_queue_iam_member.queue : "${split("@", g.member)[0]} ${g.role} ${g.name}"]) == toset([
      "serviceAccount:followup-schedule roles/cloudtasks.enqueuer follow-up-calls",
      "serviceAccount:followup-schedule roles/cloudtasks.taskDeleter follow-up-calls",
      "serviceAccount:followup-schedule roles/cloudtasks.viewer follow-up-calls",
      "serviceAccount:followup-execute roles/cloudtasks.enqueuer follow-up-calls",
      "serviceAccount:followup-execute roles/cloudtasks.taskDeleter follow-up-calls",
      "serviceAccount:followup-execute roles/cloudtasks.viewer follow-up-calls",
      "serviceAccount:followup-operate roles/cloudtasks.enqueuer follow-up-calls",
      "serviceAccount:followup-operate roles/cloudtasks.taskDeleter follow-up-calls",
      "serviceAccount:followup-operate roles/cloudtasks.viewer follow-up-calls",
      "serviceAccount:followup-doctor roles/cloudtasks.viewer follow-up-calls",
    ])
    error_message = "The grants on the queue are not the expected ones: both functions and operators create, delete and look at tasks."
  }
  assert {
    condition = toset([for g in google_service_account_iam_member.acts_as_invoker : "${g.member} ${g.role} ${g.service_account_id}"]) == toset([
      for who in ["schedule", "execute", "operate"] : "serviceAccount:followup-${who}@lad-test.iam.gserviceaccount.com roles/iam.serviceAccountUser projects/lad-test/serviceAccounts/followup-invoker@lad-test.iam.gserviceaccount.com"
    ])
    error_message = "Only those that make tasks may act as somebody else, and only as the invoker."
  }
  assert {
    condition = toset([for g in google_cloud_run_v2_service_iam_member.invoker : "${split("@", g.member)[0]} ${g.role} ${g.name}"]) == toset([
      "allUsers roles/run.invoker followup-execute",
      "serviceAccount:followup-trigger roles/run.invoker followup-schedule",
    ])
    error_message = "Each caller may call exactly one service, and everybody the one that checks tokens itself."
  }
  assert {
    condition     = [for g in google_pubsub_topic_iam_member.publisher : "${g.member} ${g.role} ${g.topic}"] == ["serviceAccount:followup-scheduler@lad-test.iam.gserviceaccount.com roles/pubsub.publisher followup-events"]
    error_message = "The scheduler may publish, and nobody else unless event_publishers says so."
  }
  assert {
    condition = toset([for g in google_secret_manager_secret_iam_member.reader : "${split("@", g.member)[0]} ${g.role} ${g.secret_id}"]) == toset([
      "serviceAccount:followup-execute roles/secretmanager.secretAccessor followup-internal-service-secret",
      "serviceAccount:followup-migrate roles/secretmanager.secretAccessor followup-owner-database-url",
    ])
    error_message = "Each secret is read by the one that needs it."
  }

  # An account is used for one thing.
  assert {
    condition = length(distinct([
      google_cloudfunctions2_function.function["schedule"].service_config[0].service_account_email,
      google_cloudfunctions2_function.function["execute"].service_config[0].service_account_email,
      google_cloudfunctions2_function.function["schedule"].event_trigger[0].service_account_email,
      google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.GCP_CLOUD_TASKS_SERVICE_ACCOUNT,
      google_cloud_scheduler_job.sweep.http_target[0].oauth_token[0].service_account_email,
      google_cloud_run_v2_job.job["migrate"].template[0].template[0].service_account,
      google_cloud_run_v2_job.job["doctor"].template[0].template[0].service_account,
      google_cloud_run_v2_job.job["operate"].template[0].template[0].service_account,
    ])) == 8
    error_message = "Two parts share an account."
  }
  assert {
    condition = alltrue([
      for f in google_cloudfunctions2_function.function :
      f.build_config[0].service_account == "projects/lad-test/serviceAccounts/followup-build@lad-test.iam.gserviceaccount.com"
    ])
    error_message = "The functions are not built by the account that is there for it."
  }
}

run "cloud_run_checks_the_tokens_where_everybody_is_refused" {
  variables {
    oidc_mode = "iam"
  }
  assert {
    condition = toset([for g in google_cloud_run_v2_service_iam_member.invoker : "${split("@", g.member)[0]} ${g.role} ${g.name}"]) == toset([
      "serviceAccount:followup-invoker roles/run.invoker followup-execute",
      "serviceAccount:followup-trigger roles/run.invoker followup-schedule",
    ])
    error_message = "Somebody else may call execute, which believes what Cloud Run says of a token."
  }
  assert {
    condition = alltrue([
      google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.FOLLOWUP_OIDC_MODE == "iam",
      one([for e in google_cloud_run_v2_job.job["doctor"].template[0].template[0].containers[0].env : e.value if e.name == "FOLLOWUP_OIDC_MODE"]) == "iam",
    ])
    error_message = "execute, or the doctor that examines it, is of another mode."
  }
}

run "lads_backend_and_traces_are_let_in_when_they_are_asked_for" {
  variables {
    settings         = { FOLLOWUP_TRACES = "gcp" }
    event_publishers = ["serviceAccount:backend@lad-prod.iam.gserviceaccount.com"]
  }
  assert {
    condition     = [for who, g in google_pubsub_topic_iam_member.publisher : "${g.member} ${g.role} ${g.topic}" if who != "scheduler"] == ["serviceAccount:backend@lad-prod.iam.gserviceaccount.com roles/pubsub.publisher followup-events"]
    error_message = "LAD's backend may not publish."
  }
  assert {
    condition = toset([for g in google_project_iam_member.project : split("@", g.member)[0] if g.role == "roles/telemetry.tracesWriter"]) == toset([
      "serviceAccount:followup-schedule", "serviceAccount:followup-execute"
    ])
    error_message = "Who writes traces is not who is asked to."
  }
  assert {
    condition     = length(google_project_iam_member.project) == 10
    error_message = "FOLLOWUP_TRACES grants more than that."
  }
}

run "rights_to_an_instance_in_another_project_are_granted_there" {
  variables {
    existing_instance = "lad-data:europe-west1:main"
    network           = "projects/lad-data/global/networks/lad"
    subnetwork        = "projects/lad-data/regions/europe-west1/subnetworks/functions"
  }
  assert {
    condition = alltrue([
      for g in google_project_iam_member.project :
      g.project == "lad-data" && g.condition[0].expression == "resource.name == \"projects/lad-data/instances/main\" && resource.type == \"sqladmin.googleapis.com/Instance\""
      if startswith(g.role, "roles/cloudsql.")
    ])
    error_message = "The rights to LAD's instance are not granted on it alone."
  }
}
