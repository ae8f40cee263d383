# Who is told, and from when on. What is watched is in docs/operations.md.

variable "alert_emails" {
  description = "Addresses that every alert is sent to. With none, and no alert_channels, incidents are seen in the console only."
  type        = set(string)
  default     = []
}

variable "alert_channels" {
  description = "Notification channels that exist already, such as a pager's, as projects/P/notificationChannels/N."
  type        = set(string)
  default     = []
}

variable "documents_url" {
  description = "Where people read this repository's files, as https://git.example.com/lad/followup/blob/main: alerts link their playbooks there. Without a slash at its end. Null: alerts hold their playbooks' text alone."
  type        = string
  default     = null
}

variable "alert_limits" {
  description = "From when on an alert is raised: overdue calls in 10 minutes; how late the 95th percentile of the calls may begin; the share of calls in 10 minutes that may fail, if at least so many do; the queue's growth in an hour, in percent, and the depth below which it does not matter; refused requests in 5 minutes; the share of max_connections that may be in use."
  type        = object({ overdue_calls = optional(number, 5), late_seconds = optional(number, 300), failure_ratio = optional(number, 0.1), failures = optional(number, 3), queue_growth_percent = optional(number, 50), queue_depth = optional(number, 500), refused_requests = optional(number, 20), connections_share = optional(number, 0.8) })
  default     = {}
  validation {
    condition     = alltrue([for name, limit in var.alert_limits : limit > 0 && (limit < 1 || !contains(["failure_ratio", "connections_share"], name))])
    error_message = "alert_limits must be above 0, failure_ratio and connections_share below 1: such an alert would never be raised, or always."
  }
}
