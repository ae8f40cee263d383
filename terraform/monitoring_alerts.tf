# Who is told of what. An alert carries its playbook from docs/playbooks/, with
# this deployment's names filled in, so that the commands of an e-mail can be
# pasted as they are.

locals {
  playbook_names = {
    "PROJECT"   = var.project_id, "REGION" = var.region, "QUEUE" = var.queue_name
    "SCHEDULE"  = local.function_names.schedule, "EXECUTE" = local.function_names.execute
    "SCHEDULER" = google_cloud_scheduler_job.sweep.name, "TOPIC" = google_pubsub_topic.events.name
  }

  # The text is cut at its names: no name is taken for the beginning of another. The
  # jobs are named as they are by default, since a filter in quotes takes no variable.
  playbooks = { for playbook in toset([for alert in values(local.alerts) : alert.playbook]) : playbook => replace(replace(replace(join("", [
    for part in regexall("\\$[A-Z]+|[^$]+|\\$", file("${path.module}/../docs/playbooks/${playbook}.md")) :
    lookup(local.playbook_names, trimprefix(part, "$"), part)
  ]), "/\\bfollowup-(doctor|operate|migrate)\\b/", "${var.name}-$1"), "/\\[([^]]+)\\]\\(\\.\\./([a-z-]+\\.md)\\)/", local.document_link), "/\\[([^]]+)\\]\\(([a-z-]+\\.md)\\)/", local.playbook_link) }
  document_link = var.documents_url == null ? "$1 (docs/$2)" : "[$1](${coalesce(var.documents_url, "-")}/docs/$2)"
  playbook_link = var.documents_url == null ? "$1 (docs/playbooks/$2)" : "[$1](${coalesce(var.documents_url, "-")}/docs/playbooks/$2)"

  channels = concat(sort([for c in google_monitoring_notification_channel.email : c.name]), sort(var.alert_channels))
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  display_name = "${var.name}: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
  user_labels  = local.labels
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = local.alerts

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
          denominator_filter = condition_threshold.value.denominator
          comparison         = condition_threshold.value.comparison
          threshold_value    = condition_threshold.value.limit
          duration           = "${condition_threshold.value.lasting}s"
          aggregations {
            alignment_period     = "${condition_threshold.value.period}s"
            per_series_aligner   = condition_threshold.value.aligner
            cross_series_reducer = condition_threshold.value.reducer
            group_by_fields      = condition_threshold.value.by
          }
          dynamic "denominator_aggregations" {
            for_each = condition_threshold.value.denominator == null ? [] : [condition_threshold.value]
            content {
              alignment_period     = "${denominator_aggregations.value.period}s"
              per_series_aligner   = denominator_aggregations.value.aligner
              cross_series_reducer = denominator_aggregations.value.reducer
              group_by_fields      = denominator_aggregations.value.by
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

  alert_strategy {
    auto_close = "3600s"
  }

  lifecycle {
    precondition {
      condition     = length(local.playbooks[each.value.playbook]) <= 8192
      error_message = "The playbook ${each.value.playbook}.md is longer than the 8,192 characters that Cloud Monitoring sends."
    }
  }

  # A metric must be known before a condition may name it, which takes Google up to
  # ten minutes. The functions are there for the minutes that they take.
  depends_on = [google_logging_metric.metric, google_cloudfunctions2_function.schedule, google_cloudfunctions2_function.execute]
}
