# What an alert is raised by. Windows are in seconds. A counter's window is its
# period; "lasting" is for how long the condition must hold besides.

locals {
  condition = {
    denominator = null, absent = false, comparison = "COMPARISON_GT", limit = null, lasting = 0
    period      = 300, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = []
  }

  queue_series = "resource.type=\"cloud_tasks_queue\" AND resource.labels.queue_id=\"${var.queue_name}\" AND resource.labels.location=\"${var.region}\""
  # Of an instance in another project, this one has no figures.
  database_series = local.instance.project != var.project_id ? null : "metric.type=\"cloudsql.googleapis.com/database/postgresql/num_backends\" AND resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${local.instance.name}\""

  alerts = { for name, alert in {
    overdue = {
      title = "overdue calls", playbook = "overdue-calls", severity = "CRITICAL", combiner = "OR"
      conditions = [
        { title = "many calls were not made when they were due", filter = local.series.overdue, period = 600, limit = var.alert_limits.overdue_calls },
        # One is made again each grace, and so is found within each of these windows.
        { title = "some call stays overdue", filter = local.series.overdue, period = 60 * ceil(var.grace_seconds / 60) + 120, limit = 0, lasting = 1800, by = ["metric.label.tenant_id"] },
        { title = "calls begin late", filter = local.series.dial_lag, period = 600, reducer = "REDUCE_PERCENTILE_95", limit = var.alert_limits.late_seconds * 1000 },
      ]
    }
    outcome_unknown = {
      title = "unknown outcomes", playbook = "outcome-unknown", severity = "ERROR", combiner = "OR"
      conditions = [
        { title = "a call may have been made or not", filter = "${local.series.outcomes} AND metric.labels.task_reason=\"outcome_unknown\"", limit = 0, by = ["metric.label.tenant_id"] },
      ]
    }
    failure_ratio = {
      # AND: with few calls, one failure is a large share.
      title = "failure ratio", playbook = "failure-ratio", severity = "ERROR", combiner = "AND"
      conditions = [
        { title = "a large share of the calls fails", filter = "${local.series.calls} AND metric.labels.outcome!=\"accepted\"", denominator = local.series.calls, period = 600, limit = var.alert_limits.failure_ratio },
        { title = "it is more than a few", filter = "${local.series.calls} AND metric.labels.outcome!=\"accepted\"", period = 600, comparison = "COMPARISON_GT", limit = var.alert_limits.failures - 1 },
      ]
    }
    sweep_silent = {
      title = "sweep silent", playbook = "sweep-silent", severity = "CRITICAL", combiner = "OR"
      conditions = [
        # Both of them: a counter without lines is absent after a while, and 0 before.
        { title = "there is no sign of a sweep", filter = local.series.sweeps, absent = true, period = 60, lasting = 300 },
        { title = "no sweep has ended in 5 minutes", filter = local.series.sweeps, comparison = "COMPARISON_LT", limit = 1 },
        { title = "sweeps end without having seen to all", filter = local.series.sweep_failures, period = 120, limit = 0, lasting = 300 },
      ]
    }
    queue_depth = {
      # The depth holds what is planned for the coming days, and a short queue may
      # double at any time.
      title = "queue growing", playbook = "queue-depth", severity = "WARNING", combiner = "AND"
      conditions = [
        { title = "the queue grows, and goes on growing", filter = "metric.type=\"cloudtasks.googleapis.com/queue/depth\" AND ${local.queue_series}", aligner = "ALIGN_PERCENT_CHANGE", reducer = "REDUCE_MAX", period = 3600, limit = var.alert_limits.queue_growth_percent, lasting = 1800 },
        { title = "it is long", filter = "metric.type=\"cloudtasks.googleapis.com/queue/depth\" AND ${local.queue_series}", aligner = "ALIGN_MEAN", limit = var.alert_limits.queue_depth },
      ]
    }
    refused_tokens = {
      title = "refused tokens", playbook = "refused-tokens", severity = "WARNING", combiner = "OR"
      conditions = [
        { title = "a burst that the function has refused", filter = "${local.series.refused_requests} AND metric.labels.status=one_of(\"401\",\"403\")", limit = var.alert_limits.refused_requests },
        { title = "a burst that Cloud Run has refused", filter = local.series.refused_callers, limit = var.alert_limits.refused_requests },
        { title = "tokens cannot be checked", filter = "${local.series.refused_requests} AND metric.labels.code=\"certificates_unavailable\"", limit = 0, lasting = 300 },
      ]
    }
    agent_misconfigured = {
      title = "voice service misconfigured", playbook = "agent-misconfigured", severity = "CRITICAL", combiner = "OR"
      conditions = [
        { title = "a call was refused for a credential, or for want of the feature", filter = local.series.misconfigured, limit = 0 },
      ]
    }
    database_restored = {
      title = "database restored", playbook = "database-restored", severity = "CRITICAL", combiner = "OR"
      conditions = [
        { title = "the database's time line has changed, and nothing is dialled", filter = local.series.timeline_changed, limit = 0 },
      ]
    }
    rejected_events = {
      title = "rejected events", playbook = "rejected-events", severity = "WARNING", combiner = "OR"
      conditions = [
        { title = "an event could not be read", filter = "${local.series.events} AND metric.labels.event=\"event_rejected\"", limit = 0 },
      ]
    }
    database_connections = {
      title = "database connections", playbook = "database-connections", severity = "ERROR", combiner = "OR"
      conditions = concat(
        [{ title = "the database fails tasks", filter = local.series.database_faults, limit = 0, lasting = 300, by = ["metric.label.fault"] }],
        [for series in [local.database_series] : { title = "nearly all connections are in use", filter = series, aligner = "ALIGN_MEAN", limit = floor(var.alert_limits.connections_share * var.database_max_connections) } if series != null],
      )
    }
  } : name => merge(alert, { conditions = [for c in alert.conditions : merge(local.condition, c)] }) }
}
