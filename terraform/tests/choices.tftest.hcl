# Other choices that a team may make.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "archive" {}
mock_provider "random" {}

run "lads_own_instance_with_a_schema_per_tenant" {
  variables {
    tenant_schema     = null
    tenant_registry   = "public.tenants"
    existing_instance = "example.com:lad-data:europe-west1:main"
    network           = "projects/lad-data/global/networks/lad"
    subnetwork        = "projects/lad-data/regions/europe-west1/subnetworks/functions"
  }
  assert {
    condition     = length(google_sql_database_instance.lad) + length(google_sql_database.lad) + length(random_id.instance) + length(google_compute_network.followup) + length(google_compute_subnetwork.followup) + length(google_service_networking_connection.services) + length(google_compute_router_nat.nat) == 0
    error_message = "Something is made that LAD has already."
  }
  assert {
    condition     = alltrue([for u in google_sql_user.login : "${u.project} ${u.instance}" == "example.com:lad-data main"])
    error_message = "The logins are made on another instance."
  }
  assert {
    condition = alltrue([
      for f in google_cloudfunctions2_function.function :
      f.service_config[0].environment_variables.INSTANCE_CONNECTION_NAME == "example.com:lad-data:europe-west1:main"
      && f.service_config[0].environment_variables.TENANT_REGISTRY == "public.tenants"
      && !contains(keys(f.service_config[0].environment_variables), "TENANT_SCHEMA")
      && f.service_config[0].direct_vpc_network_interface[0].subnetwork == var.subnetwork
    ])
    error_message = "The functions look for another database, or elsewhere for tenants."
  }
  assert {
    condition     = google_cloud_run_v2_job.job["migrate"].template[0].template[0].containers[0].args == tolist(["migrate", "up", "--all", "--grant-to=followup-schedule@lad-test.iam", "--grant-to=followup-execute@lad-test.iam", "--grant-to=followup-doctor@lad-test.iam", "--grant-to=followup-operate@lad-test.iam", "--registry", "public.tenants"])
    error_message = "The migration does not see to all schemas and the registry."
  }
}

run "an_instance_with_a_public_address_needs_no_network_of_its_own" {
  variables {
    existing_instance   = "lad-data:europe-west1:main"
    database_private_ip = false
  }
  assert {
    condition     = length(google_compute_network.followup) == 1 && length(google_compute_global_address.services) == 0 && google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables.DB_PRIVATE_IP == "false"
    error_message = "The private address is used, or prepared for."
  }
  # All that the jobs send goes through the network, whose way out is one address.
  assert {
    condition = (
      google_compute_router_nat.nat[0].nat_ip_allocate_option == "MANUAL_ONLY"
      && [for s in google_compute_router_nat.nat[0].subnetwork : s.name] == [google_compute_subnetwork.followup[0].id]
      && output.nat_address == google_compute_address.nat[0].address
    )
    error_message = "The jobs have no way to the database's public address."
  }
}

run "asleep_before_the_cut_over" {
  variables {
    active_since = "2099-01-01T00:00:00Z"
    paused       = "true"
    queue_name   = "follow-ups"
  }
  assert {
    condition = alltrue([
      for f in google_cloudfunctions2_function.function :
      f.service_config[0].environment_variables.FOLLOWUP_PAUSED == "true"
      && f.service_config[0].environment_variables.FOLLOWUP_ACTIVE_SINCE == "2099-01-01T00:00:00Z"
      && f.service_config[0].environment_variables.FOLLOWUP_QUEUE_NAME == google_cloud_tasks_queue.calls.name
    ])
    error_message = "A function is awake, or on another queue."
  }
}

run "every_credential_and_every_rule" {
  variables {
    secret_versions = { VOICE_AGENT_API_KEY = "12" }
    command_image   = null
    settings = {
      FOLLOWUP_BOOKING_TYPES      = "follow_up,Rückruf", FOLLOWUP_HORIZON = "696h", FOLLOWUP_LEAD_TIME = "60s", FOLLOWUP_MAX_LATENESS = "10m"
      DEFAULT_FOLLOW_UP_AGENT_ID  = "7", FOLLOWUP_TRACES = "gcp", FOLLOWUP_TRACES_RATIO = "0.25", LOG_LEVEL = "debug"
      VOICE_AGENT_AUDIENCE        = "https://voice.example.com", VOICE_AGENT_FRONTEND_ID = "followup", VOICE_AGENT_IDEMPOTENT = "true"
      VOICE_AGENT_START_CALL_PATH = "/calls/start-call"
    }
    paused                    = "aaaaaaaa-0000-4000-8000-000000000001,bbbbbbbb-0000-4000-8000-000000000002"
    all_traffic_through_vpc   = true
    deletion_protection       = false
    database_highly_available = false
    name                      = "fu"
    labels                    = { team = "sales" }
  }
  assert {
    condition     = toset([for s in google_cloudfunctions2_function.function["execute"].service_config[0].secret_environment_variables : "${s.key} ${s.secret} ${s.version}"]) == toset(["VOICE_AGENT_API_KEY fu-voice-agent-api-key 12"])
    error_message = "execute's secrets are not what was asked for."
  }
  assert {
    condition     = length(google_cloud_run_v2_job.job) == 0
    error_message = "There is a job without an image."
  }
  assert {
    condition = google_cloudfunctions2_function.function["execute"].service_config[0].environment_variables == tomap({
      FOLLOWUP_ACTIVE_SINCE           = "2026-01-31T00:00:00Z"
      FOLLOWUP_BOOKING_TYPES          = "follow_up,Rückruf"
      FOLLOWUP_HORIZON                = "696h"
      FOLLOWUP_LEAD_TIME              = "60s"
      FOLLOWUP_MAX_LATENESS           = "10m"
      FOLLOWUP_PAUSED                 = "aaaaaaaa-0000-4000-8000-000000000001,bbbbbbbb-0000-4000-8000-000000000002"
      VOICE_AGENT_IDEMPOTENT          = "true"
      INSTANCE_CONNECTION_NAME        = "lad-test:europe-west1:followup-1a2b"
      DB_NAME                         = "lad"
      DB_PRIVATE_IP                   = "true"
      DB_MAX_CONNS                    = "4"
      DB_USER                         = "followup-execute@lad-test.iam"
      TENANT_SCHEMA                   = "lad_dev"
      GCP_PROJECT_ID                  = "lad-test"
      GCP_LOCATION                    = "europe-west1"
      FOLLOWUP_QUEUE_NAME             = "follow-up-calls"
      GCP_CLOUD_TASKS_SERVICE_ACCOUNT = "followup-invoker@lad-test.iam.gserviceaccount.com"
      FOLLOWUP_EXECUTION_ENDPOINT     = "https://fu-execute-123456789012.europe-west1.run.app/api/deals-pipeline/bookings/:id/execute-followup"
      FOLLOWUP_OIDC_AUDIENCE          = "https://fu-execute-123456789012.europe-west1.run.app"
      FOLLOWUP_OIDC_MODE              = "verify"
      VOICE_AGENT_BASE_URL            = "https://voice.example.com"
      VOICE_AGENT_START_CALL_PATH     = "/calls/start-call"
      VOICE_AGENT_FRONTEND_ID         = "followup"
      VOICE_AGENT_AUDIENCE            = "https://voice.example.com"
      DEFAULT_FOLLOW_UP_AGENT_ID      = "7"
      LOG_LEVEL                       = "debug"
      FOLLOWUP_TRACES                 = "gcp"
      FOLLOWUP_TRACES_RATIO           = "0.25"
    })
    error_message = "execute's environment is another one."
  }
  assert {
    # 10 min of lateness, 1 min of lead time, 2 min.
    condition     = google_cloud_tasks_queue.calls.retry_config[0].max_retry_duration == "780s"
    error_message = "The queue does not know the lead time."
  }
  assert {
    condition     = google_cloudfunctions2_function.function["execute"].service_config[0].direct_vpc_egress == "VPC_EGRESS_ALL_TRAFFIC"
    error_message = "Calls to the voice agent go past the network."
  }
  assert {
    condition     = length(google_compute_router_nat.nat) == 1
    error_message = "Calls to the voice agent end in the network."
  }
  assert {
    condition     = !google_sql_database_instance.lad[0].deletion_protection && google_sql_database_instance.lad[0].settings[0].availability_type == "ZONAL"
    error_message = "The database is kept, or doubled, although nobody wants it."
  }
}

run "lads_backend_with_a_token_for_each_call" {
  command = plan
  variables {
    secret_versions = { VOICE_AGENT_JWT_SECRET = "3", OWNER_DATABASE_URL = "2" }
  }
  assert {
    condition     = toset([for s in google_cloudfunctions2_function.function["execute"].service_config[0].secret_environment_variables : "${s.key} ${s.secret} ${s.version}"]) == toset(["VOICE_AGENT_JWT_SECRET followup-voice-agent-jwt-secret 3"])
    error_message = "execute cannot sign its tokens."
  }
}
