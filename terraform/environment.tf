# The environments of functions and jobs, each setting once. What the functions make of them is in
# docs/configuration.md; internal/deploycheck compares both.

locals {
  # The deterministic URL of a Cloud Run service is known before the service is: its environment can name it without a
  # cycle.
  # https://cloud.google.com/run/docs/triggering/https-request#deterministic
  execute_url = "https://${local.function_names.execute}-${data.google_project.this.number}.${var.region}.run.app"

  # Settings that are handed on as they are: to all, to both functions (who runs a job has no right to write traces),
  # and to execute alone.
  shared_names = concat(keys(local.default_times), [
    "DEFAULT_FOLLOW_UP_AGENT_ID", "FOLLOWUP_BOOKING_TYPES", "FOLLOWUP_DEFAULT_REGION", "FOLLOWUP_DEFAULT_TIMEZONE", "FOLLOWUP_HORIZON", "FOLLOWUP_MAX_BACKDATE",
    "FOLLOWUP_MAX_CALLS_PER_LEAD", "FOLLOWUP_TIMELINE", "FOLLOWUP_TIME_MEANS", "LOG_LEVEL", "VOICE_AGENT_IDEMPOTENT", "VOICE_AGENT_LIMIT",
  ])
  trace_names = ["FOLLOWUP_TRACES", "FOLLOWUP_TRACES_RATIO"]
  agent_names = [
    "VOICE_AGENT_AUDIENCE", "VOICE_AGENT_CONTRACT", "VOICE_AGENT_DISPATCH_FAILED", "VOICE_AGENT_FRONTEND_ID", "VOICE_AGENT_JOB_AFTER",
    "VOICE_AGENT_JOB_PATH", "VOICE_AGENT_JWT_TTL", "VOICE_AGENT_START_CALL_PATH", "VOICE_AGENT_TIMEOUT",
  ]
  setting_names = sort(concat(local.shared_names, local.trace_names, local.agent_names))

  # The functions' defaults of the times that something here is computed from.
  default_times = { FOLLOWUP_DISPATCH_DEADLINE = "3m", FOLLOWUP_GRACE = "5m", FOLLOWUP_LEAD_TIME = "0s", FOLLOWUP_LEASE = "2m", FOLLOWUP_MAX_LATENESS = "24h" }
  seconds       = { for name, time in merge(local.default_times, var.settings) : name => tonumber(regex("^[0-9]+", time)) * { s = 1, m = 60, h = 3600 }[regex(".$", time)] if contains(keys(local.default_times), name) }

  handed_on = { for whom, names in { all = local.shared_names, functions = local.trace_names, execute = local.agent_names } :
  whom => { for name, value in var.settings : name => value if contains(names, name) } }

  shared_settings = merge(local.handed_on.all, {
    FOLLOWUP_ACTIVE_SINCE = var.active_since
    FOLLOWUP_PAUSED       = var.paused

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
  })

  settings = {
    schedule = merge(local.shared_settings, local.handed_on.functions, { DB_USER = local.database_users.schedule })
    execute  = merge(local.shared_settings, local.handed_on.functions, local.handed_on.execute, { VOICE_AGENT_BASE_URL = var.voice_agent_base_url }, local.canary_settings, { FOLLOWUP_OIDC_MODE = var.oidc_mode, DB_USER = local.database_users.execute })
    doctor   = merge(local.shared_settings, { FOLLOWUP_OIDC_MODE = var.oidc_mode, DB_USER = local.database_users.doctor })
    operate  = merge(local.shared_settings, { DB_USER = local.database_users.operate })
    # It enters the database by DATABASE_URL.
    smoke = merge(local.shared_settings, local.canary_settings, { INSTANCE_CONNECTION_NAME = null, DB_NAME = null })
  }

  # A setting that is null is not set at all.
  environment = { for target, settings in local.settings : target => { for k, v in settings : k => v if v != null } }

  # Environment variable to secret, by the names that bootstrap/ gives them.
  secret_ids = { for variable in keys(var.secret_versions) : variable => "${var.name}-${lower(replace(variable, "_", "-"))}" }

  # Who may read which secret: exactly those that are in its environment.
  secret_environment = { for who, names in {
    execute = ["INTERNAL_SERVICE_SECRET", "VOICE_AGENT_API_KEY", "VOICE_AGENT_JWT_SECRET"]
    migrate = ["OWNER_DATABASE_URL"]
    smoke   = var.canary == null ? [] : ["OWNER_DATABASE_URL"]
  } : who => [for name in names : name if contains(keys(var.secret_versions), name)] }
}
