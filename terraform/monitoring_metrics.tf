# What is counted: the functions' own log, line by line. A metric counts the lines that have all values of one of its
# "lines"; internal/deploycheck runs the functions and holds each of these values, and every label, against what they
# have logged, so that a renamed field does not silence an alert.

locals {
  # Each combination of a metric's labels is a time series, and Google bounds their number. So no label but the tenant
  # has more than a few values, and no metric more than ten combinations for a tenant: of 2,000 tenants, 20,000 at
  # most.
  # https://cloud.google.com/logging/docs/logs-based-metrics/labels
  log_metrics = { for name, metric in {
    # First claims, and those that were given up instead: an expired or unreachable one is due as well, and never
    # claimed. The attempt is that of the call's present time.
    due = {
      title = "calls whose time has come", by = ["execute"], labels = ["tenant_id"]
      lines = [{ event = "call_started", attempt = 1 }, { event = "task_settled", task_status = "failed" }]
    }
    calls = { title = "requests to the voice agent, by outcome", by = ["execute"], labels = ["tenant_id", "outcome"], lines = [{ event = "call_finished" }] }
    # From a quarter of a second to the lateness limit's default. A task may come up to 5 s early, which counts as
    # below the first.
    dial_lag = {
      title   = "how long after its time a call was begun", by = ["execute"], labels = ["tenant_id"], lines = [{ event = "call_started" }], value = "dial_lag_ms", unit = "ms"
      buckets = [0, 250, 500, 1000, 2000, 3000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000, 10800000, 43200000, 86400000]
    }
    attempts = {
      title   = "which attempt at its booking's call a request was", by = ["execute"], labels = ["outcome"], lines = [{ event = "call_finished" }], value = "attempt"
      buckets = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1000]
    }
    # Each time that a row has come to such a state: one that may be tried again (not_started) may do so often.
    outcomes = {
      title = "bookings that came to an end, by status and reason", by = ["execute", "schedule"], labels = ["tenant_id", "task_status", "task_reason"]
      lines = [{ event = ["call_finished", "task_settled", "booking_planned"], task_status = ["executed", "failed", "cancelled"] }]
    }
    # Found by each sweep for as long as it waits: the queue is slow, or dialling is paused.
    late = { title = "overdue calls whose tasks still wait", by = ["schedule"], labels = ["tenant_id", "paused"], lines = [{ event = "booking_late" }] }
    # Mended or not. One that stays overdue is found once in each grace.
    overdue = { title = "overdue calls whose tasks were gone", by = ["schedule"], labels = ["tenant_id"], lines = [{ event = ["booking_planned", "sweep_booking_failed"], concern = "overdue" }] }
    sweeps  = { title = "sweeps that have come to their end", by = ["schedule"], lines = [{ event = "sweep_done" }] }
    # List the tenants, look at one, plan a booking, get round in time.
    sweep_failures = {
      title = "what sweeps could not do", by = ["schedule"], labels = ["tenant_id", "event"]
      lines = [{ event = ["sweep_failed", "sweep_tenant_failed", "sweep_booking_failed"] }, { event = "sweep_done", "tenants_skipped>" = 0 }]
    }
    events           = { title = "LAD's events, by what became of them", by = ["schedule"], labels = ["event"], lines = [{ event = ["event_handled", "event_failed", "event_rejected"] }] }
    refused_requests = { title = "requests that ExecuteFollowUp has refused", by = ["execute"], labels = ["status", "code"], lines = [{ event = "request_refused" }] }
    # Cloud Run checks a caller before the function sees it, and logs a refusal in its own request log only:
    # https://cloud.google.com/run/docs/logging#request-logs
    refused_callers = {
      title = "requests answered with 401 or 403", by = ["execute"], labels = ["status"], lines = [{ status = [401, 403] }]
      log   = "run.googleapis.com%2Frequests", part = "httpRequest"
    }
    misconfigured    = { title = "calls refused for a credential, or for want of the feature", by = ["execute"], labels = ["tenant_id"], lines = [{ event = "agent_misconfigured" }] }
    timeline_changed = { title = "sweeps, events and tasks that found the database's time line changed", by = ["execute", "schedule"], lines = [{ event = "timeline_changed" }] }
    database_faults  = { title = "tasks that the database has failed, by what is wrong with it", by = ["execute"], labels = ["fault"], lines = [{ event = ["database_busy", "admission_failed"] }] }
  } : name => merge({ labels = [], value = null, unit = "1", buckets = [], log = null, part = "jsonPayload" }, metric) }

  # A function of the second generation logs as the Cloud Run service that it is.
  logged_by_both = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(${join(" OR ", [for service in values(local.function_names) : jsonencode(service)])})"

  log_filters = { for name, metric in local.log_metrics : name => join(" AND ", compact([
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.service_name=(${join(" OR ", [for who in metric.by : jsonencode(local.function_names[who])])})",
    metric.log == null ? "" : "logName=\"projects/${var.project_id}/logs/${metric.log}\"",
    "(${join(" OR ", [for line in metric.lines : "(${join(" AND ", [
      for field, values in line : "${metric.part}.${field}${endswith(field, ">") ? jsonencode(values) : "=(${join(" OR ", [for value in flatten([values]) : jsonencode(value)])})"}"
    ])})"])})",
  ])) }
}

resource "google_logging_metric" "metric" {
  for_each         = local.log_metrics
  name             = "${var.name}/${each.key}"
  filter           = local.log_filters[each.key]
  label_extractors = { for label in each.value.labels : label => "EXTRACT(${each.value.part}.${label})" }
  value_extractor  = each.value.value == null ? null : "EXTRACT(${each.value.part}.${each.value.value})"

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = each.value.value == null ? "INT64" : "DISTRIBUTION"
    unit         = each.value.unit
    display_name = "${var.name}: ${each.value.title}"

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  dynamic "bucket_options" {
    for_each = each.value.value == null ? [] : [each.value.buckets]
    content {
      explicit_buckets { bounds = bucket_options.value }
    }
  }
}
