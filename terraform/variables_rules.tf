# The rules of the calls. A variable of its own is what must be set, or what is changed in a hurry; every other is a
# setting.

variable "active_since" {
  description = "When this system goes live, as 2026-01-31T00:00:00Z: a booking made and due before it is never touched. docs/cut-over.md finds the moment; a day in 2099 keeps everything asleep until then."
  type        = string
}

variable "paused" {
  description = "\"true\", or tenant ids separated by commas: nothing is dialled for them, everything is kept."
  type        = string
  default     = "false"
}

variable "voice_agent_base_url" {
  description = "The voice agent's URL: https, host, and a path prefix if there is one."
  type        = string
}

variable "settings" {
  description = "Every other setting of the functions by its name in docs/configuration.md, as { FOLLOWUP_LEASE = \"3m\", FOLLOWUP_DEFAULT_REGION = \"AE\" }: times, booking types, whom not to call, the voice agent's limit, contract and credentials, traces, the log's level. What is not set has the functions' own default; a wrong value stops them at their start, with one sentence in the log."
  type        = map(string)
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for name in keys(var.settings) : contains(local.setting_names, name)])
    error_message = "settings knows ${join(", ", local.setting_names)}."
  }
  validation {
    condition     = alltrue([for name in keys(local.default_times) : can(regex("^[0-9]+[hms]$", lookup(var.settings, name, "0s")))])
    error_message = "${join(", ", keys(local.default_times))} must be of one unit, as 90s or 24h: the queue and the alerts are computed from them."
  }
  validation {
    condition     = contains(["debug", "info"], lookup(var.settings, "LOG_LEVEL", "info"))
    error_message = "LOG_LEVEL must be info or debug: calls and sweeps are logged at info, so that nothing else would be counted, and \"sweep silent\" would be raised for ever."
  }
}
