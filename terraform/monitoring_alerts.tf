# What an alert is raised by, and who is told. An alert carries its playbook from docs/playbooks/, with this
# deployment's names filled in, so that the commands of an e-mail can be pasted as they are.

locals {
  queue_series = "resource.type=\"cloud_tasks_queue\" AND resource.labels.queue_id=\"${var.queue_name}\" AND resource.labels.location=\"${var.region}\""

  # How alerts and dashboard name them: what is counted, and what Google measures. Of an instance in another project,
  # this one has no figures.
  series = merge(
    { for name in keys(local.log_metrics) : name => "metric.type=\"logging.googleapis.com/user/${var.name}/${name}\" AND resource.type=\"cloud_run_revision\"" },
    {
      queue_depth    = "metric.type=\"cloudtasks.googleapis.com/queue/depth\" AND ${local.queue_series}"
      queue_attempts = "metric.type=\"cloudtasks.googleapis.com/queue/task_attempt_count\" AND ${local.queue_series}"
    },
    local.instance.project != var.project_id ? {} : {
      connections = "metric.type=\"cloudsql.googleapis.com/database/postgresql/num_backends\" AND resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${local.instance.name}\""
    },
  )

  # Windows are in seconds. A counter's window is its period; "lasting" is for how long the condition must hold
  # besides. "where" are labels' values ("!": any other), and "ratio" divides by the same series without them.
  condition = {
    where  = {}, ratio = false, absent = false, comparison = "COMPARISON_GT", limit = 0, lasting = 0
    period = 300, aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = []
  }

  alerts = { for name, alert in {
    overdue = { title = "overdue calls", playbook = "overdue-calls", severity = "CRITICAL", conditions = [
      { title = "many calls were not made when they were due", metric = "overdue", period = 600, limit = var.alert_limits.overdue_calls },
      # One is made again each grace, and so is found within each of these windows.
      { title = "some call stays overdue", metric = "overdue", period = 60 * ceil(local.seconds.FOLLOWUP_GRACE / 60) + 120, lasting = 1800, by = ["tenant_id"] },
      { title = "calls begin late", metric = "dial_lag", period = 600, reducer = "REDUCE_PERCENTILE_95", limit = var.alert_limits.late_seconds * 1000 },
    ] }
    outcome_unknown = { title = "unknown outcomes", playbook = "outcome-unknown", severity = "ERROR", conditions = [{ title = "a call may have been made or not", metric = "outcomes", where = { task_reason = "outcome_unknown" }, by = ["tenant_id"] }] }
    # AND: with few calls, one failure is a large share.
    failure_ratio = { title = "failure ratio", playbook = "failure-ratio", severity = "ERROR", combiner = "AND", conditions = [
      { title = "a large share of the calls fails", metric = "calls", where = { "outcome!" = "accepted" }, ratio = true, period = 600, limit = var.alert_limits.failure_ratio },
      { title = "it is more than a few", metric = "calls", where = { "outcome!" = "accepted" }, period = 600, limit = var.alert_limits.failures - 1 },
    ] }
    sweep_silent = { title = "sweep silent", playbook = "sweep-silent", severity = "CRITICAL", conditions = [
      # Both of them: a counter without lines is absent after a while, and 0 before.
      { title = "there is no sign of a sweep", metric = "sweeps", absent = true, period = 60, lasting = 300 },
      { title = "no sweep has ended in 5 minutes", metric = "sweeps", comparison = "COMPARISON_LT", limit = 1 },
      { title = "sweeps end without having seen to all", metric = "sweep_failures", period = 120, lasting = 300 },
    ] }
    # The depth holds what is planned for the coming days, and a short queue may double at any time.
    queue_depth = { title = "queue growing", playbook = "queue-depth", severity = "WARNING", combiner = "AND", conditions = [
      { title = "the queue grows, and goes on growing", metric = "queue_depth", aligner = "ALIGN_PERCENT_CHANGE", reducer = "REDUCE_MAX", period = 3600, limit = var.alert_limits.queue_growth_percent, lasting = 1800 },
      { title = "it is long", metric = "queue_depth", aligner = "ALIGN_MEAN", limit = var.alert_limits.queue_depth },
    ] }
    refused_tokens = { title = "refused tokens", playbook = "refused-tokens", severity = "WARNING", conditions = [
      { title = "a burst that the function has refused", metric = "refused_requests", where = { status = ["401", "403"] }, limit = var.alert_limits.refused_requests },
      { title = "a burst that Cloud Run has refused", metric = "refused_callers", limit = var.alert_limits.refused_requests },
      { title = "tokens cannot be checked", metric = "refused_requests", where = { code = "certificates_unavailable" }, lasting = 300 },
    ] }
    agent_misconfigured = { title = "voice service misconfigured", playbook = "agent-misconfigured", severity = "CRITICAL", conditions = [{ title = "a call was refused for a credential, or for want of the feature", metric = "misconfigured" }] }
    database_restored   = { title = "database restored", playbook = "database-restored", severity = "CRITICAL", conditions = [{ title = "the database's time line has changed, and nothing is dialled", metric = "timeline_changed" }] }
    rejected_events     = { title = "rejected events", playbook = "rejected-events", severity = "WARNING", conditions = [{ title = "an event could not be read", metric = "events", where = { event = "event_rejected" } }] }
    database_connections = { title = "database connections", playbook = "database-connections", severity = "ERROR", conditions = [for c in [
      { title = "the database fails tasks", metric = "database_faults", lasting = 300, by = ["fault"] },
      { title = "nearly all connections are in use", metric = "connections", aligner = "ALIGN_MEAN", limit = floor(var.alert_limits.connections_share * var.database_max_connections) },
    ] : c if contains(keys(local.series), c.metric)] }
    } : name => merge({ combiner = "OR" }, alert, { conditions = [for c in alert.conditions : merge(local.condition, c, {
      filter = join(" AND ", concat([local.series[c.metric]], [for label, value in try(c.where, {}) : "metric.labels.${label}=${try(tostring(value), null) != null ? jsonencode(value) : "one_of(${join(",", [for v in value : jsonencode(v)])})"}"]))
  })] }) }

  playbook_names = {
    "PROJECT"   = var.project_id, "REGION" = var.region, "QUEUE" = var.queue_name
    "SCHEDULE"  = local.function_names.schedule, "EXECUTE" = local.function_names.execute
    "SCHEDULER" = google_cloud_scheduler_job.sweep.name, "TOPIC" = google_pubsub_topic.events.name
  }

  # The text is cut at its names: no name is taken for the beginning of another. The jobs are named as they are by
  # default, since a filter in quotes takes no variable.
  playbooks = { for playbook in toset([for alert in values(local.alerts) : alert.playbook]) : playbook => replace(replace(replace(join("", [
    for part in regexall("\\$[A-Z]+|[^$]+|\\$", file("${path.module}/../docs/playbooks/${playbook}.md")) :
    lookup(local.playbook_names, trimprefix(part, "$"), part)
  ]), "/\\bfollowup-(doctor|operate|migrate)\\b/", "${var.name}-$1"), "/\\[([^]]+)\\]\\(\\.\\./([a-z-]+\\.md)\\)/", local.document_link), "/\\[([^]]+)\\]\\(([a-z-]+\\.md)\\)/", local.playbook_link) }
  document_link = var.documents_url == null ? "$1 (docs/$2)" : "[$1](${coalesce(var.documents_url, "-")}/docs/$2)"
  playbook_link = var.documents_url == null ? "$1 (docs/playbooks/$2)" : "[$1](${coalesce(var.documents_url, "-")}/docs/playbooks/$2)"

  channels = concat(sort([for c in google_monitoring_notification_channel.email : c.name]), sort(var.alert_channels))
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = var.alert_emails
  display_name = "${var.name}: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
  user_labels  = local.labels
}

resource "google_monitoring_alert_policy" "alert" {
  for_each              = local.alerts
  display_name          = "${var.name}: ${each.value.title}"
  severity              = each.value.severity
  combiner              = each.value.combiner
  notification_channels = local.channels
  user_labels           = local.labels

  dynamic "conditions" {
    for_each = each.value.conditions
    content {
      display_name = conditions.value.title

      dynamic "condition_threshold" {
        for_each = conditions.value.absent ? [] : [conditions.value]
        content {
          filter             = condition_threshold.value.filter
          denominator_filter = condition_threshold.value.ratio ? local.series[condition_threshold.value.metric] : null
          comparison         = condition_threshold.value.comparison
          threshold_value    = condition_threshold.value.limit
          duration           = "${condition_threshold.value.lasting}s"
          aggregations {
            alignment_period     = "${condition_threshold.value.period}s"
            per_series_aligner   = condition_threshold.value.aligner
            cross_series_reducer = condition_threshold.value.reducer
            group_by_fields      = [for label in condition_threshold.value.by : "metric.label.${label}"]
          }
          dynamic "denominator_aggregations" {
            for_each = condition_threshold.value.ratio ? [condition_threshold.value] : []
            content {
              alignment_period     = "${denominator_aggregations.value.period}s"
              per_series_aligner   = denominator_aggregations.value.aligner
              cross_series_reducer = denominator_aggregations.value.reducer
            }
          }
        }
      }

      dynamic "condition_absent" {
        for_each = conditions.value.absent ? [conditions.value] : []
        content {
          filter   = condition_absent.value.filter
          duration = "${condition_absent.value.lasting}s"
          aggregations {
            alignment_period     = "${condition_absent.value.period}s"
            per_series_aligner   = condition_absent.value.aligner
            cross_series_reducer = condition_absent.value.reducer
          }
        }
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = local.playbooks[each.value.playbook]
    dynamic "links" {
      for_each = var.documents_url == null ? [] : [var.documents_url]
      content {
        display_name = "Playbook"
        url          = "${links.value}/docs/playbooks/${each.value.playbook}.md"
      }
    }
  }

  alert_strategy { auto_close = "3600s" }

  lifecycle {
    precondition {
      condition     = length(local.playbooks[each.value.playbook]) <= 8192
      error_message = "The playbook ${each.value.playbook}.md is longer than the 8,192 characters that Cloud Monitoring sends."
    }
  }

  # A metric must be known before a condition may name it, which takes Google up to ten minutes. The functions are
  # there for the minutes that they take.
  depends_on = [google_logging_metric.metric, google_cloudfunctions2_function.function]
}
