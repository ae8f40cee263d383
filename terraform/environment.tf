# The environments of functions and jobs, each setting once. What the functions
# make of them is in docs/configuration.md; internal/deploycheck compares both.

locals {
  # The deterministic URL of a Cloud Run service is known before the service is:
  # its environment can name it without a cycle.
  # https://cloud.google.com/run/docs/triggering/https-request#deterministic
  execute_url = "https://${local.function_names.execute}-${data.google_project.this.number}.${var.region}.run.app"

  # Settings that are handed on as they are: the functions check them at their
  # start, and say which is wrong.
  shared_names = ["FOLLOWUP_TIMELINE", "FOLLOWUP_MAX_BACKDATE", "FOLLOWUP_TIME_MEANS", "FOLLOWUP_DEFAULT_TIMEZONE", "FOLLOWUP_DEFAULT_REGION", "FOLLOWUP_MAX_CALLS_PER_LEAD", "VOICE_AGENT_LIMIT"]
  agent_names  = ["VOICE_AGENT_CONTRACT", "VOICE_AGENT_JOB_PATH", "VOICE_AGENT_JOB_AFTER", "VOICE_AGENT_JWT_TTL", "VOICE_AGENT_DISPATCH_FAILED"]

  shared_settings = merge({ for name in local.shared_names : name => var.settings[name] if contains(keys(var.settings), name) }, {
    FOLLOWUP_ACTIVE_SINCE  = var.active_since
    FOLLOWUP_BOOKING_TYPES = length(var.booking_types) == 0 ? null : join(",", var.booking_types)
    FOLLOWUP_HORIZON       = "${var.horizon_hours}h"
    FOLLOWUP_LEAD_TIME     = "${var.lead_time_seconds}s"
    FOLLOWUP_MAX_LATENESS  = "${var.max_lateness_minutes}m"
    FOLLOWUP_LEASE         = "${var.lease_seconds}s"
    FOLLOWUP_GRACE         = "${var.grace_seconds}s"
    FOLLOWUP_PAUSED        = var.paused
    VOICE_AGENT_IDEMPOTENT = tostring(var.voice_agent_idempotent)

    DEFAULT_FOLLOW_UP_AGENT_ID = var.default_agent_id == null ? null : tostring(var.default_agent_id)

    INSTANCE_CONNECTION_NAME = local.instance.connection_name
    DB_NAME                  = var.database_name
    DB_PRIVATE_IP            = tostring(var.database_private_ip)
    DB_MAX_CONNS             = tostring(var.database_connections_per_instance)
    TENANT_SCHEMA            = var.tenant_schema
    TENANT_REGISTRY          = var.tenant_registry

    GCP_PROJECT_ID                  = var.project_id
    GCP_LOCATION                    = var.region
    FOLLOWUP_QUEUE_NAME             = var.queue_name
    GCP_CLOUD_TASKS_SERVICE_ACCOUNT = google_service_account.account["invoker"].email
    FOLLOWUP_EXECUTION_ENDPOINT     = "${local.execute_url}/api/deals-pipeline/bookings/:id/execute-followup"
    FOLLOWUP_OIDC_AUDIENCE          = local.execute_url
    FOLLOWUP_DISPATCH_DEADLINE      = "${var.dispatch_deadline_seconds}s"

    LOG_LEVEL = var.log_level

    FOLLOWUP_TRACES       = var.traces_ratio > 0 ? "gcp" : null
    FOLLOWUP_TRACES_RATIO = var.traces_ratio > 0 ? tostring(var.traces_ratio) : null
  })

  agent_settings = merge({ for name in local.agent_names : name => var.settings[name] if contains(keys(var.settings), name) }, {
    VOICE_AGENT_BASE_URL        = var.voice_agent_base_url
    VOICE_AGENT_START_CALL_PATH = var.voice_agent_start_call_path
    VOICE_AGENT_FRONTEND_ID     = var.voice_agent_frontend_id
    VOICE_AGENT_AUDIENCE        = var.voice_agent_audience
    VOICE_AGENT_TIMEOUT         = "${var.call_timeout_seconds}s"
  })

  # Who checks the signature of the token that execute is called with.
  gate_settings = {
    FOLLOWUP_OIDC_MODE = var.oidc_mode
  }

  settings = {
    schedule = merge(local.shared_settings, { DB_USER = local.database_users.schedule })
    execute  = merge(local.shared_settings, local.agent_settings, local.canary_settings, local.gate_settings, { DB_USER = local.database_users.execute })
    doctor   = merge(local.shared_settings, local.gate_settings, { DB_USER = local.database_users.doctor, FOLLOWUP_TRACES = null, FOLLOWUP_TRACES_RATIO = null })
    operate  = merge(local.shared_settings, { DB_USER = local.database_users.operate, FOLLOWUP_TRACES = null, FOLLOWUP_TRACES_RATIO = null })
    # It enters the database by DATABASE_URL.
    smoke = merge(local.shared_settings, local.canary_settings, { INSTANCE_CONNECTION_NAME = null, DB_NAME = null, FOLLOWUP_TRACES = null, FOLLOWUP_TRACES_RATIO = null })
  }

  # A setting that is null is not set at all.
  environment = { for target, settings in local.settings : target => { for k, v in settings : k => v if v != null } }

  # Environment variable to secret, by the names that bootstrap/ gives them.
  secret_ids = { for variable in keys(var.secret_versions) : variable => "${var.name}-${lower(replace(variable, "_", "-"))}" }

  # Who may read which secret: exactly those that are in its environment.
  secret_environment = {
    execute = [for variable in ["INTERNAL_SERVICE_SECRET", "VOICE_AGENT_API_KEY", "VOICE_AGENT_JWT_SECRET"] : variable if contains(keys(var.secret_versions), variable)]
    migrate = [for variable in ["OWNER_DATABASE_URL"] : variable if contains(keys(var.secret_versions), variable)]
    smoke   = [for variable in ["OWNER_DATABASE_URL"] : variable if var.canary != null && contains(keys(var.secret_versions), variable)]
  }
}
