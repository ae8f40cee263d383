# What is counted: the functions' own log, line by line. Each filter names events
# and fields that the code writes; internal/deploycheck runs the functions and
# holds every filter, label and value against what they have logged, so that a
# renamed field does not silence an alert.

locals {
  # A function of the second generation logs as the Cloud Run service that it is.
  logged_by = {
    for who, service in local.function_names : who => "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${service}\""
  }
  logged_by_both = "resource.type=\"cloud_run_revision\" AND (${join(" OR ", [for service in values(local.function_names) : "resource.labels.service_name=\"${service}\""])})"

  # Each combination of a metric's labels is a time series, and Google bounds their
  # number. So no label but the tenant has more than a few values, and no metric
  # more than ten combinations for a tenant: of 2,000 tenants, 20,000 at most.
  # https://cloud.google.com/logging/docs/logs-based-metrics/labels
  by_tenant = { tenant_id = "EXTRACT(jsonPayload.tenant_id)" }

  # The parts without which a metric is a plain counter.
  counter = { labels = {}, value = null, unit = "1", buckets = [] }

  log_metrics = { for name, metric in {
    due = {
      # First claims, and those that were given up instead: an expired or unreachable
      # one is due as well, and never claimed. The attempt is that of the call's
      # present time.
      title  = "calls whose time has come"
      filter = "${local.logged_by.execute} AND ((jsonPayload.event=\"call_started\" AND jsonPayload.attempt=1) OR (jsonPayload.event=\"task_settled\" AND jsonPayload.task_status=\"failed\"))"
      labels = local.by_tenant
    }
    calls = {
      title  = "requests to the voice agent, by outcome"
      filter = "${local.logged_by.execute} AND jsonPayload.event=\"call_finished\""
      labels = merge(local.by_tenant, { outcome = "EXTRACT(jsonPayload.outcome)" })
    }
    dial_lag = {
      title  = "how long after its time a call was begun"
      filter = "${local.logged_by.execute} AND jsonPayload.event=\"call_started\""
      labels = local.by_tenant
      value  = "EXTRACT(jsonPayload.dial_lag_ms)"
      unit   = "ms"
      # From a quarter of a second to the lateness limit's default. A task may come
      # up to 5 s early, which counts as below the first.
      buckets = [0, 250, 500, 1000, 2000, 3000, 5000, 10000, 20000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000, 10800000, 43200000, 86400000]
    }
    attempts = {
      title   = "which attempt at its booking's call a request was"
      filter  = "${local.logged_by.execute} AND jsonPayload.event=\"call_finished\""
      labels  = { outcome = "EXTRACT(jsonPayload.outcome)" }
      value   = "EXTRACT(jsonPayload.attempt)"
      buckets = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1000]
    }
    outcomes = {
      # Each time that a row has come to such a state: one that may be tried again
      # (not_started) may do so often.
      title  = "bookings that came to an end, by status and reason"
      filter = "${local.logged_by_both} AND (jsonPayload.event=\"call_finished\" OR jsonPayload.event=\"task_settled\" OR jsonPayload.event=\"booking_planned\") AND (jsonPayload.task_status=\"executed\" OR jsonPayload.task_status=\"failed\" OR jsonPayload.task_status=\"cancelled\")"
      labels = merge(local.by_tenant, { task_status = "EXTRACT(jsonPayload.task_status)", task_reason = "EXTRACT(jsonPayload.task_reason)" })
    }
    late = {
      # Found by each sweep for as long as it waits: the queue is slow, or dialling is paused.
      title  = "overdue calls whose tasks still wait"
      filter = "${local.logged_by.schedule} AND jsonPayload.event=\"booking_late\""
      labels = merge(local.by_tenant, { paused = "EXTRACT(jsonPayload.paused)" })
    }
    overdue = {
      # Mended or not. One that stays overdue is found once in each grace.
      title  = "overdue calls whose tasks were gone"
      filter = "${local.logged_by.schedule} AND jsonPayload.concern=\"overdue\" AND (jsonPayload.event=\"booking_planned\" OR jsonPayload.event=\"sweep_booking_failed\")"
      labels = local.by_tenant
    }
    sweeps = {
      title  = "sweeps that have come to their end"
      filter = "${local.logged_by.schedule} AND jsonPayload.event=\"sweep_done\""
    }
    sweep_failures = {
      # List the tenants, look at one, plan a booking, get round in time.
      title  = "what sweeps could not do"
      filter = "${local.logged_by.schedule} AND (jsonPayload.event=\"sweep_failed\" OR jsonPayload.event=\"sweep_tenant_failed\" OR jsonPayload.event=\"sweep_booking_failed\" OR (jsonPayload.event=\"sweep_done\" AND jsonPayload.tenants_skipped>0))"
      labels = merge(local.by_tenant, { event = "EXTRACT(jsonPayload.event)" })
    }
    events = {
      title  = "LAD's events, by what became of them"
      filter = "${local.logged_by.schedule} AND (jsonPayload.event=\"event_handled\" OR jsonPayload.event=\"event_failed\" OR jsonPayload.event=\"event_rejected\")"
      labels = { event = "EXTRACT(jsonPayload.event)" }
    }
    refused_requests = {
      title  = "requests that ExecuteFollowUp has refused"
      filter = "${local.logged_by.execute} AND jsonPayload.event=\"request_refused\""
      labels = { status = "EXTRACT(jsonPayload.status)", code = "EXTRACT(jsonPayload.code)" }
    }
    # Cloud Run checks a caller before the function sees it, and logs a refusal in
    # its own request log only.
    # https://cloud.google.com/run/docs/logging#request-logs
    refused_callers = {
      title  = "requests answered with 401 or 403"
      filter = "${local.logged_by.execute} AND logName=\"projects/${var.project_id}/logs/run.googleapis.com%2Frequests\" AND (httpRequest.status=401 OR httpRequest.status=403)"
      labels = { status = "EXTRACT(httpRequest.status)" }
    }
    misconfigured = {
      title  = "calls refused for a credential, or for want of the feature"
      filter = "${local.logged_by.execute} AND jsonPayload.event=\"agent_misconfigured\""
      labels = local.by_tenant
    }
    timeline_changed = {
      title  = "sweeps, events and tasks that found the database's time line changed"
      filter = "${local.logged_by_both} AND jsonPayload.event=\"timeline_changed\""
    }
    database_faults = {
      title  = "tasks that the database has failed, by what is wrong with it"
      filter = "${local.logged_by.execute} AND (jsonPayload.event=\"database_busy\" OR jsonPayload.event=\"admission_failed\")"
      labels = { fault = "EXTRACT(jsonPayload.fault)" }
    }
  } : name => merge(local.counter, metric) }

  # How dashboard and alerts name them.
  series = {
    for name in keys(local.log_metrics) : name => "metric.type=\"logging.googleapis.com/user/${var.name}/${name}\" AND resource.type=\"cloud_run_revision\""
  }
}

resource "google_logging_metric" "metric" {
  for_each = local.log_metrics

  name             = "${var.name}/${each.key}"
  filter           = each.value.filter
  label_extractors = each.value.labels
  value_extractor  = each.value.value

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = each.value.value == null ? "INT64" : "DISTRIBUTION"
    unit         = each.value.unit
    display_name = "${var.name}: ${each.value.title}"

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  dynamic "bucket_options" {
    for_each = each.value.value == null ? [] : [each.value.buckets]
    content {
      explicit_buckets {
        bounds = bucket_options.value
      }
    }
  }

  lifecycle {
    precondition {
      condition     = contains(["debug", "info"], var.log_level)
      error_message = "log_level is ${var.log_level}, but calls and sweeps are logged at info: nothing would be counted, and \"sweep silent\" would be raised for ever."
    }
  }
}
