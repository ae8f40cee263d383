# What is refused, before anything is made. One run tries a wrong value of every
# variable that can have one.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "archive" {}
mock_provider "random" {}

variables {
  project_id           = "lad-test"
  region               = "europe-west1"
  active_since         = "2026-01-31T00:00:00Z"
  tenant_schema        = "lad_dev"
  voice_agent_base_url = "https://voice.example.com"
  secret_versions      = { INTERNAL_SERVICE_SECRET = "1", OWNER_DATABASE_URL = "2" }
  command_image        = "europe-west1-docker.pkg.dev/lad-test/followup/command@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

run "wrong_values" {
  command = plan
  variables {
    project_id                        = "Lad"
    region                            = "europe-west1-b"
    name                              = "a-name-that-is-too-long"
    labels                            = { Team = "sales" }
    tenant_schema                     = "a.b"
    event_publishers                  = ["allUsers"]
    oidc_mode                         = "none"
    secret_versions                   = { INTERNAL_SERVICE_SECRET = "latest" }
    active_since                      = "yesterday"
    paused                            = "yes"
    booking_types                     = ["follow_up,callback"]
    horizon_hours                     = 720
    max_lateness_minutes              = 5
    call_timeout_seconds              = 0
    lease_seconds                     = 0
    execute_timeout_seconds           = 3600
    dispatch_deadline_seconds         = 10
    grace_seconds                     = 0
    voice_agent_base_url              = "http://voice.example.com"
    voice_agent_start_call_path       = "calls"
    default_agent_id                  = 0
    log_level                         = "verbose"
    traces_ratio                      = 2
    schedule                          = { max_instances = 0 }
    execute                           = { cpu = 0.5 }
    queue_name                        = "follow_up_calls"
    queue_calls_per_second            = 501
    queue_concurrent_calls            = 5001
    queue_log_sampling                = 1.1
    existing_instance                 = "main"
    database_name                     = "1lad"
    database_connections_per_instance = 1
    database_max_connections          = 10
    database_reserved_connections     = 0
    database_version                  = "MYSQL_8_0"
    database_tier                     = "db-f1-micro"
    database_disk_gb                  = 1
    subnetwork_range                  = "10.0.0.0"
  }
  expect_failures = [
    var.project_id, var.region, var.name, var.labels, var.tenant_schema, var.event_publishers, var.oidc_mode, var.secret_versions,
    var.active_since, var.paused, var.booking_types, var.horizon_hours,
    var.max_lateness_minutes, var.call_timeout_seconds, var.lease_seconds, var.execute_timeout_seconds,
    var.dispatch_deadline_seconds, var.grace_seconds, var.voice_agent_base_url, var.voice_agent_start_call_path,
    var.default_agent_id, var.log_level, var.traces_ratio, var.schedule, var.execute, var.queue_name,
    var.queue_calls_per_second, var.queue_concurrent_calls, var.queue_log_sampling, var.existing_instance,
    var.database_name, var.database_connections_per_instance, var.database_max_connections,
    var.database_reserved_connections, var.database_version, var.database_tier, var.database_disk_gb,
    var.subnetwork_range,
  ]
}

run "values_that_do_not_go_together" {
  command = plan
  variables {
    tenant_registry         = "public.tenants"
    secret_versions         = {}
    voice_agent_frontend_id = "followup"
    database_private_ip     = false
    schedule                = { min_instances = 5 }
    execute                 = { memory = "512" }
    event_publishers        = ["allAuthenticatedUsers"]
    lead_time_seconds       = 604800
  }
  # Both ways to find tenants; an image for a job without the owner's login; an id
  # without its key; a new instance without a private address; more instances at
  # least than at most; memory without a unit; everybody; a lead time as long as
  # the horizon.
  expect_failures = [
    var.tenant_schema, var.command_image, var.voice_agent_frontend_id, var.database_private_ip, var.schedule, var.execute,
    var.event_publishers, var.lead_time_seconds,
  ]
}

run "nothing_to_find_tenants_with_no_credentials_a_network_without_its_subnetwork" {
  command = plan
  variables {
    network         = "projects/p/global/networks/n"
    tenant_schema   = null
    secret_versions = { OWNER_DATABASE_URL = "1" }
  }
  expect_failures = [var.tenant_schema, var.voice_agent_audience, var.network]
}

run "a_secret_that_nobody_knows" {
  command = plan
  variables {
    secret_versions = { INTERNAL_SERVICE_SECRET = "1", OWNER_DATABASE_URL = "1", SOMETHING_ELSE = "1" }
  }
  expect_failures = [var.secret_versions]
}

run "a_registry_that_is_no_table_an_image_that_may_change_an_address_out_of_reach" {
  command = plan
  variables {
    tenant_schema     = null
    tenant_registry   = "tenants"
    command_image     = "europe-docker.pkg.dev/p/r/command:latest"
    existing_instance = "lad-data:europe-west1:main"
    event_publishers  = ["user:somebody@example.com"]
  }
  expect_failures = [var.tenant_registry, var.command_image, var.network, var.event_publishers]
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

run "a_setting_that_nobody_knows" {
  command = plan
  variables {
    settings = { FOLLOWUP_TIME_MEAN = "wall" }
  }
  expect_failures = [var.settings]
}

run "times_that_contradict_each_other" {
  command = plan
  variables {
    call_timeout_seconds      = 30
    lease_seconds             = 40
    execute_timeout_seconds   = 30
    dispatch_deadline_seconds = 30
    grace_seconds             = 30
  }
  expect_failures = [google_cloudfunctions2_function.execute, google_cloud_tasks_queue.calls]
}

run "a_lease_that_ends_with_its_call" {
  command = plan
  variables {
    call_timeout_seconds = 106
  }
  expect_failures = [google_cloudfunctions2_function.execute]
}

run "a_function_that_ends_before_its_lease" {
  command = plan
  variables {
    execute_timeout_seconds = 119
  }
  expect_failures = [google_cloudfunctions2_function.execute]
}

run "a_deadline_before_the_functions_own" {
  command = plan
  variables {
    dispatch_deadline_seconds = 150
  }
  expect_failures = [google_cloudfunctions2_function.execute]
}

run "a_grace_below_the_deadline" {
  command = plan
  variables {
    grace_seconds = 180
  }
  expect_failures = [google_cloudfunctions2_function.execute]
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
    call_timeout_seconds     = 105
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
