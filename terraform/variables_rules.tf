# The rules of the calls: docs/configuration.md has each variable's meaning.

variable "active_since" {
  description = "When this system goes live, as 2026-01-31T00:00:00Z: a booking made and due before it is never touched. docs/cut-over.md finds the moment; a day in 2099 keeps everything asleep until then."
  type        = string

  validation {
    condition     = can(timeadd(var.active_since, "0s"))
    error_message = "active_since must be a time of RFC 3339, as 2026-01-31T00:00:00Z."
  }
}

variable "paused" {
  description = "\"true\", or tenant ids separated by commas: nothing is dialled for them, everything is kept."
  type        = string
  default     = "false"

  validation {
    condition     = can(regex("^(true|false|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(,[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})*)$", var.paused))
    error_message = "paused must be \"true\", \"false\", or tenant ids (UUIDs) separated by commas."
  }
}

variable "booking_types" {
  description = "The booking types that are follow-ups. Empty: LAD's ten spellings."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for t in var.booking_types : can(regex("^[^,]*[^,\\s_-][^,]*$", t))])
    error_message = "booking_types must be names without commas."
  }
}

variable "horizon_hours" {
  description = "How far ahead a call gets its task, in hours."
  type        = number
  default     = 168

  validation {
    condition     = var.horizon_hours >= 1 && var.horizon_hours <= 696 && floor(var.horizon_hours) == var.horizon_hours
    error_message = "horizon_hours must be a whole number from 1 to 696 (29 days): Cloud Tasks takes no task more than 30 days ahead."
  }
}

variable "lead_time_seconds" {
  description = "How long before its time a lead is rung, in seconds."
  type        = number
  default     = 0

  validation {
    condition     = var.lead_time_seconds >= 0 && var.lead_time_seconds < var.horizon_hours * 3600 && floor(var.lead_time_seconds) == var.lead_time_seconds
    error_message = "lead_time_seconds must be a whole number from 0 to below the horizon."
  }
}

variable "max_lateness_minutes" {
  description = "How late a call may still be made, in minutes. The queue tries a task for as long."
  type        = number
  default     = 1440

  validation {
    condition     = var.max_lateness_minutes >= 10 && var.max_lateness_minutes <= 43200 && floor(var.max_lateness_minutes) == var.max_lateness_minutes
    error_message = "max_lateness_minutes must be a whole number from 10 to 43200 (30 days; Cloud Tasks keeps a task for 31)."
  }
}

variable "call_timeout_seconds" {
  description = "How long one request to the voice agent may take, in seconds."
  type        = number
  default     = 30

  validation {
    condition     = var.call_timeout_seconds >= 1 && var.call_timeout_seconds <= 600 && floor(var.call_timeout_seconds) == var.call_timeout_seconds
    error_message = "call_timeout_seconds must be a whole number from 1 to 600."
  }
}

variable "lease_seconds" {
  description = "How long a claim is believed to be at work, in seconds: at least 15 above call_timeout_seconds."
  type        = number
  default     = 120

  validation {
    condition     = var.lease_seconds >= 1 && floor(var.lease_seconds) == var.lease_seconds
    error_message = "lease_seconds must be a whole number above 0."
  }
}

variable "execute_timeout_seconds" {
  description = "When Cloud Run ends a request to ExecuteFollowUp, in seconds: not before the lease is over."
  type        = number
  default     = 150

  validation {
    condition     = var.execute_timeout_seconds >= 1 && var.execute_timeout_seconds <= 1800 && floor(var.execute_timeout_seconds) == var.execute_timeout_seconds
    error_message = "execute_timeout_seconds must be a whole number from 1 to 1800, the most that Cloud Tasks waits."
  }
}

variable "dispatch_deadline_seconds" {
  description = "How long Cloud Tasks waits for an answer, in seconds: longer than Cloud Run lets the request live."
  type        = number
  default     = 180

  validation {
    condition     = var.dispatch_deadline_seconds >= 15 && var.dispatch_deadline_seconds <= 1800 && floor(var.dispatch_deadline_seconds) == var.dispatch_deadline_seconds
    error_message = "dispatch_deadline_seconds must be a whole number from 15 to 1800 (Task.dispatch_deadline)."
  }
}

variable "grace_seconds" {
  description = "How long after its time a task may still be on its way before the sweep makes another, in seconds."
  type        = number
  default     = 300

  validation {
    condition     = var.grace_seconds >= 1 && floor(var.grace_seconds) == var.grace_seconds
    error_message = "grace_seconds must be a whole number above 0."
  }
}

variable "voice_agent_base_url" {
  description = "The voice agent's URL: scheme, host, and a path prefix if there is one."
  type        = string

  validation {
    condition     = can(regex("^https://[^/?#@\\s]+(/[^?#\\s]*)?$", var.voice_agent_base_url))
    error_message = "voice_agent_base_url must be an https URL without user, query and fragment."
  }
}

variable "voice_agent_start_call_path" {
  description = "The path that starts a call, where it is not the one of the contract (settings, VOICE_AGENT_CONTRACT)."
  type        = string
  default     = null

  validation {
    condition     = var.voice_agent_start_call_path == null || can(regex("^/[^?#\\s]+$", var.voice_agent_start_call_path))
    error_message = "voice_agent_start_call_path must begin with / and have no query, fragment or space."
  }
}

variable "voice_agent_frontend_id" {
  description = "Sent as X-Frontend-ID, beside the secret VOICE_AGENT_API_KEY."
  type        = string
  default     = null

  validation {
    condition     = (var.voice_agent_frontend_id == null) == !contains(keys(var.secret_versions), "VOICE_AGENT_API_KEY")
    error_message = "voice_agent_frontend_id and secret_versions[\"VOICE_AGENT_API_KEY\"] go together: set both or neither."
  }
}

variable "voice_agent_audience" {
  description = "Send a Google ID token with this audience: the best credential for a voice agent that runs on Cloud Run, since there is no secret to keep."
  type        = string
  default     = null

  validation {
    condition     = var.voice_agent_audience != null || var.voice_agent_frontend_id != null || contains(keys(var.secret_versions), "INTERNAL_SERVICE_SECRET") || contains(keys(var.secret_versions), "VOICE_AGENT_JWT_SECRET")
    error_message = "The voice agent needs credentials: set secret_versions[\"VOICE_AGENT_JWT_SECRET\"] or [\"INTERNAL_SERVICE_SECRET\"], or voice_agent_frontend_id with its key, or voice_agent_audience."
  }
}

variable "voice_agent_idempotent" {
  description = "The voice agent itself deduplicates by Idempotency-Key (docs/voice-agent.md), so that an ambiguous call may be tried again."
  type        = bool
  default     = false
}

variable "default_agent_id" {
  description = "agent_id of bookings that name none."
  type        = number
  default     = null

  validation {
    condition     = var.default_agent_id == null || try(var.default_agent_id >= 1 && floor(var.default_agent_id) == var.default_agent_id, false)
    error_message = "default_agent_id must be a whole number above 0."
  }
}

variable "log_level" {
  description = "The least severe messages that the functions log."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info", "notice", "warn", "error", "critical"], var.log_level)
    error_message = "log_level must be debug, info, notice, warn, error or critical."
  }
}

variable "traces_ratio" {
  description = "The share of bookings whose trace goes to Cloud Trace, from 0 to 1. 0 records none and grants nothing."
  type        = number
  default     = 0

  validation {
    condition     = var.traces_ratio >= 0 && var.traces_ratio <= 1
    error_message = "traces_ratio must be from 0 to 1."
  }
}

variable "settings" {
  description = "Further settings of the functions by their names, as docs/configuration.md has them: how times are read, whom not to call, the voice service's limit and contract."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.settings) : contains(concat(local.shared_names, local.agent_names), name)])
    error_message = "settings knows ${join(", ", concat(local.shared_names, local.agent_names))}."
  }
}
