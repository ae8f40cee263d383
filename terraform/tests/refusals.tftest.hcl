# What is refused, before anything is made.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "archive" {}
mock_provider "random" {}

run "wrong_values" {
  command = plan
  variables {
    name                              = "a-name-that-is-too-long"
    event_publishers                  = ["allUsers"]
    secret_versions                   = { INTERNAL_SERVICE_SECRET = "latest" }
    settings                          = { FOLLOWUP_TIME_MEAN = "wall" }
    existing_instance                 = "main"
    database_connections_per_instance = 1
    tenant_registry                   = "public.tenants"
    alert_limits                      = { overdue_calls = 0 }
  }
  # Besides: both ways to find tenants.
  expect_failures = [
    var.name, var.event_publishers, var.secret_versions, var.settings, var.existing_instance,
    var.database_connections_per_instance, var.tenant_schema, var.alert_limits,
  ]
}

run "neither_tenants_nor_a_subnetwork" {
  command = plan
  variables {
    network          = "projects/p/global/networks/n"
    tenant_schema    = null
    secret_versions  = { INTERNAL_SERVICE_SECRET = "1", OWNER_DATABASE_URL = "1", SOMETHING_ELSE = "1" }
    event_publishers = ["allAuthenticatedUsers"]
  }
  expect_failures = [var.tenant_schema, var.network, var.secret_versions, var.event_publishers]
}

run "an_image_that_may_change_an_address_out_of_reach_a_person_who_publishes" {
  command = plan
  variables {
    command_image     = "europe-docker.pkg.dev/p/r/command:latest"
    existing_instance = "lad-data:europe-west1:main"
    event_publishers  = ["user:somebody@example.com"]
  }
  expect_failures = [var.command_image, var.network, var.event_publishers]
}

run "a_function_without_a_bound_of_its_instances" {
  command = plan
  variables {
    schedule = { max_instances = 0 }
  }
  expect_failures = [google_cloudfunctions2_function.function]
}

# A call a second, each of two tasks.
run "a_queue_slower_than_the_calls" {
  command = plan
  variables {
    settings = { VOICE_AGENT_LIMIT = "120/1m,30/5s" }
  }
  expect_failures = [google_cloud_tasks_queue.calls]
}

run "no_limit_needs_no_pace" {
  command = plan
  variables {
    settings               = { VOICE_AGENT_LIMIT = "off" }
    queue_calls_per_second = 0.1
  }
}

run "an_uncomputable_time_an_image_without_the_owners_login_a_new_database_without_its_address" {
  command = plan
  variables {
    settings            = { FOLLOWUP_LEASE = "1h30m" }
    secret_versions     = { INTERNAL_SERVICE_SECRET = "1" }
    database_private_ip = false
  }
  expect_failures = [var.settings, var.command_image, var.database_private_ip]
}

run "a_deadline_that_ends_with_the_lease" {
  command = plan
  variables {
    settings = { FOLLOWUP_LEASE = "3m" }
  }
  expect_failures = [google_cloud_tasks_queue.calls]
}

run "a_grace_that_ends_with_the_deadline" {
  command = plan
  variables {
    settings = { FOLLOWUP_GRACE = "180s" }
  }
  expect_failures = [google_cloud_tasks_queue.calls]
}

run "a_grace_below_the_queues_pause" {
  command = plan
  variables {
    settings = { FOLLOWUP_LEASE = "20s", FOLLOWUP_DISPATCH_DEADLINE = "30s", FOLLOWUP_GRACE = "1m" }
  }
  expect_failures = [google_cloud_tasks_queue.calls]
}

run "a_lateness_beyond_cloud_tasks" {
  command = plan
  variables {
    settings = { FOLLOWUP_MAX_LATENESS = "720h" }
  }
  expect_failures = [google_cloud_tasks_queue.calls]
}

run "more_calls_than_execute_takes_more_connections_than_there_are_more_instances_than_addresses" {
  command = plan
  variables {
    queue_concurrent_calls   = 101
    database_max_connections = 172
    subnetwork_range         = "10.90.0.0/27"
  }
  expect_failures = [google_cloud_tasks_queue.calls, google_sql_user.login, google_compute_subnetwork.followup]
}

run "just_enough_of_each" {
  command = plan
  variables {
    queue_concurrent_calls   = 100
    database_max_connections = 173
    subnetwork_range         = "10.90.0.0/26"
    settings                 = { FOLLOWUP_LEASE = "179s", FOLLOWUP_GRACE = "181s", FOLLOWUP_MAX_LATENESS = "719h" }
  }
  assert {
    condition     = google_cloudfunctions2_function.function["execute"].service_config[0].timeout_seconds == 179
    error_message = "Cloud Run ends a request before its lease, or after Cloud Tasks has given it up."
  }
}

# 2 × (2 × 14 + 3) + 4 = 66, and the /26 has 64.
run "more_instances_than_a_subnetwork_of_google_s_least_size_has_addresses" {
  command = plan
  variables {
    schedule                 = { max_instances = 9 }
    database_max_connections = 1000
    subnetwork_range         = "10.90.0.0/26"
  }
  expect_failures = [google_compute_subnetwork.followup]
}

run "lads_instance_without_iam_login" {
  command = plan
  variables {
    existing_instance   = "lad-data:europe-west1:main"
    database_private_ip = false
  }
  override_data {
    target = data.google_sql_database_instance.existing[0]
    values = {
      database_version = "POSTGRES_16"
      settings         = [{ database_flags = [{ name = "cloudsql.iam_authentication", value = "off" }] }]
    }
  }
  expect_failures = [data.google_sql_database_instance.existing]
}
