# What comes in: LAD's events and the sweep's tick, on one topic; and the queue between the two functions.

resource "google_pubsub_topic" "events" {
  name = "${var.name}-events"

  message_storage_policy { allowed_persistence_regions = [var.region] }
}

# The tick goes to Pub/Sub's own API rather than through a Pub/Sub target, which publishes as Cloud Scheduler's agent,
# whom the whole project trusts. It is not tried again: a minute later comes the next, and old ones are dropped.
resource "google_cloud_scheduler_job" "sweep" {
  name             = "${var.name}-sweep"
  region           = var.region
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "30s"

  http_target {
    http_method = "POST"
    uri         = "https://pubsub.googleapis.com/v1/${google_pubsub_topic.events.id}:publish"
    headers     = { "Content-Type" = "application/json" }
    body = base64encode(jsonencode({
      messages = [{ data = base64encode(jsonencode({ type = "followup.sweep" })) }]
    }))
    oauth_token {
      service_account_email = google_service_account.account["scheduler"].email
      scope                 = "https://www.googleapis.com/auth/pubsub"
    }
  }

  depends_on = [google_pubsub_topic_iam_member.publisher]
}

locals {
  queue_retry = {
    min_backoff_seconds = 5
    max_backoff_seconds = 60
    max_doublings       = 4
    # Retrying ends only when attempts and duration are both spent (cloudtaskspb, RetryConfig). Five attempts are
    # spent after 75 s, long before the duration, so that the duration alone decides; "without limit" (-1) would leave
    # it to how these words are read.
    max_attempts = 5
    # From the first attempt, which the lead time makes early, until an attempt has come too late and has written so
    # into the row.
    max_retry_seconds = local.seconds.FOLLOWUP_MAX_LATENESS + local.seconds.FOLLOWUP_LEAD_TIME + 2 * 60
  }

  # Seconds between two calls at the steady pace, as Limit.Spacing of pkg/followup has it; null: none, or a form that
  # the functions alone read. The question about a call's job is a request as well.
  limit             = lookup(var.settings, "VOICE_AGENT_LIMIT", "30/1m,10/5s")
  requests_per_call = can(regex("^0[a-z]*$", lookup(var.settings, "VOICE_AGENT_JOB_AFTER", "5s"))) ? 1 : 2
  call_spacing = try(max([for rate in split(",", replace(local.limit, " ", "")) :
    tonumber(regex("^[0-9]+/([0-9]+)[sm]$", rate)[0]) * (endswith(rate, "m") ? 60 : 1) / max(1, floor(tonumber(split("/", rate)[0]) / local.requests_per_call))
  ]...), null)
}

resource "google_cloud_tasks_queue" "calls" {
  name     = var.queue_name
  location = var.region

  rate_limits {
    max_dispatches_per_second = var.queue_calls_per_second
    max_concurrent_dispatches = var.queue_concurrent_calls
  }

  retry_config {
    max_attempts       = local.queue_retry.max_attempts
    max_retry_duration = "${local.queue_retry.max_retry_seconds}s"
    min_backoff        = "${local.queue_retry.min_backoff_seconds}s"
    max_backoff        = "${local.queue_retry.max_backoff_seconds}s"
    max_doublings      = local.queue_retry.max_doublings
  }

  stackdriver_logging_config { sampling_ratio = 1 }

  lifecycle {
    precondition {
      # Cloud Run's own 429 would slow the queue down for every tenant.
      condition     = var.queue_concurrent_calls <= var.execute.max_instances * var.execute.concurrency
      error_message = "queue_concurrent_calls is ${var.queue_concurrent_calls}, but execute takes ${var.execute.max_instances * var.execute.concurrency} at once (max_instances × concurrency)."
    }
    precondition {
      condition     = local.seconds.FOLLOWUP_GRACE > max(local.seconds.FOLLOWUP_DISPATCH_DEADLINE, local.queue_retry.max_backoff_seconds)
      error_message = "FOLLOWUP_GRACE (${local.seconds.FOLLOWUP_GRACE} s) must be above FOLLOWUP_DISPATCH_DEADLINE (${local.seconds.FOLLOWUP_DISPATCH_DEADLINE} s) and the ${local.queue_retry.max_backoff_seconds} s that a task may wait for its next attempt, or the sweep makes a new task while the old one is on its way."
    }
    precondition {
      condition     = local.seconds.FOLLOWUP_DISPATCH_DEADLINE > local.seconds.FOLLOWUP_LEASE
      error_message = "FOLLOWUP_DISPATCH_DEADLINE (${local.seconds.FOLLOWUP_DISPATCH_DEADLINE} s) must be above FOLLOWUP_LEASE (${local.seconds.FOLLOWUP_LEASE} s), or Cloud Tasks sends a task again while its call may be under way."
    }
    precondition {
      condition     = local.queue_retry.max_retry_seconds <= 30 * 24 * 3600
      error_message = "FOLLOWUP_MAX_LATENESS is above 30 days, and Cloud Tasks keeps a task for 31."
    }
    precondition {
      # One task to get its slot, one to be called.
      condition     = local.call_spacing == null ? true : var.queue_calls_per_second * local.call_spacing >= 2
      error_message = "queue_calls_per_second is ${var.queue_calls_per_second}, but VOICE_AGENT_LIMIT (${local.limit}) lets a call be made every ${coalesce(local.call_spacing, 0)} s, which may take two tasks: when many are due, they wait in the queue for longer than they have to."
    }
  }
}
