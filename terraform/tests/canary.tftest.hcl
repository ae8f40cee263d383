# The canary tenant and its stub: there if asked for, and private.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "archive" {}
mock_provider "random" {}

variables {
  canary = "cccccccc-0000-4000-8000-00000000000c"
}

run "the_canary_has_a_stub_of_its_own" {
  assert {
    condition = (
      google_cloud_run_v2_service.stub[0].name == "followup-stub"
      && google_cloud_run_v2_service.stub[0].template[0].containers[0].image == var.command_image
      && google_cloud_run_v2_service.stub[0].template[0].containers[0].args == tolist(["stub"])
      && google_cloud_run_v2_service.stub[0].template[0].scaling[0].min_instance_count == 0
      && google_cloud_run_v2_service.stub[0].template[0].scaling[0].max_instance_count == 1
      && google_cloud_run_v2_service.stub[0].template[0].service_account == "followup-stub@lad-test.iam.gserviceaccount.com"
    )
    error_message = "The stub is not the stub."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.VOICE_AGENT_CANARY_TENANT == var.canary
      && google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.VOICE_AGENT_CANARY_URL == "https://followup-stub-123456789012.europe-west1.run.app"
      && google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.VOICE_AGENT_BASE_URL == "https://voice.example.com"
    )
    error_message = "execute does not know the canary, or nobody else."
  }
  assert {
    condition     = google_cloud_run_v2_job.job["smoke"].template[0].template[0].containers[0].args == tolist(["smoke", "--tenant", "cccccccc-0000-4000-8000-00000000000c"])
    error_message = "The job smoke books for another tenant."
  }
  assert {
    condition = (
      [for e in google_cloud_run_v2_job.job["smoke"].template[0].template[0].containers[0].env : "${e.name} ${e.value_source[0].secret_key_ref[0].secret}" if length(e.value_source) > 0] == ["DATABASE_URL followup-owner-database-url"]
      && google_cloud_run_v2_job.job["smoke"].template[0].template[0].max_retries == 0
    )
    error_message = "The job smoke does not log in as the owner, or books again by itself."
  }
}

run "only_execute_may_call_it_and_it_may_do_nothing" {
  assert {
    condition = toset([for g in google_cloud_run_v2_service_iam_member.invoker : "${split("@", g.member)[0]} ${g.role} ${g.name}"]) == toset([
      "allUsers roles/run.invoker followup-execute",
      "serviceAccount:followup-trigger roles/run.invoker followup-schedule",
      "serviceAccount:followup-execute roles/run.invoker followup-stub",
    ])
    error_message = "Somebody else may call the stub, or execute may not."
  }
  assert {
    condition     = !anytrue([for g in google_project_iam_member.project : contains(["serviceAccount:followup-stub", "serviceAccount:followup-smoke"], split("@", g.member)[0])])
    error_message = "The stub or the smoke test has a right on the project."
  }
  assert {
    condition = toset([for g in google_secret_manager_secret_iam_member.reader : "${split("@", g.member)[0]} ${g.secret_id}"]) == toset([
      "serviceAccount:followup-execute followup-internal-service-secret",
      "serviceAccount:followup-migrate followup-owner-database-url",
      "serviceAccount:followup-smoke followup-owner-database-url",
    ])
    error_message = "The stub reads a secret, or the smoke test another than its own."
  }
}

run "without_a_canary_there_is_none_of_it" {
  variables {
    canary = null
  }
  assert {
    condition = (
      length(google_cloud_run_v2_service.stub) == 0
      && keys(google_cloud_run_v2_job.job) == ["doctor", "migrate", "operate"]
      && length([for k in keys(google_service_account.account) : k if contains(["smoke", "stub"], k)]) == 0
      && length([for k in keys(google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables) : k if strcontains(k, "CANARY")]) == 0
    )
    error_message = "There is a canary that nobody has asked for."
  }
}

run "a_canary_needs_the_command" {
  command = plan
  variables {
    command_image = null
  }
  expect_failures = [var.canary]
}
