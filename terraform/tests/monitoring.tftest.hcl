# What is watched, and who is told. That the filters fit the log is for
# `go test ./internal/deploycheck`.

mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "archive" {}
mock_provider "random" {}

variables {
  command_image = null
}

run "nobody_is_told_by_default_and_everything_is_counted" {
  assert {
    condition = toset(keys(google_monitoring_alert_policy.alert)) == toset([
      "overdue", "outcome_unknown", "agent_misconfigured", "database_restored", "failure_ratio", "sweep_silent", "queue_depth", "refused_tokens", "rejected_events", "database_connections",
    ])
    error_message = "An alert is missing, or is not known to this test."
  }
  assert {
    condition     = alltrue([for a in google_monitoring_alert_policy.alert : length(a.notification_channels) == 0]) && length(google_monitoring_notification_channel.email) == 0
    error_message = "Somebody is told who was not named."
  }
  assert {
    condition     = alltrue([for name, m in google_logging_metric.metric : m.name == "followup/${name}" && length(m.bucket_options) == (contains(["dial_lag", "attempts"], name) ? 1 : 0)])
    error_message = "A metric has another name, or is no distribution where it should be."
  }
  assert {
    condition     = google_logging_metric.metric["dial_lag"].metric_descriptor[0].unit == "ms" && google_logging_metric.metric["dial_lag"].metric_descriptor[0].value_type == "DISTRIBUTION" && google_logging_metric.metric["calls"].metric_descriptor[0].value_type == "INT64"
    error_message = "The dial lag is not measured in milliseconds."
  }
  assert {
    condition     = { for l, e in google_logging_metric.metric["calls"].label_extractors : l => e } == { tenant_id = "EXTRACT(jsonPayload.tenant_id)", outcome = "EXTRACT(jsonPayload.outcome)" } && google_logging_metric.metric["attempts"].value_extractor == "EXTRACT(jsonPayload.attempt)" && google_logging_metric.metric["refused_callers"].label_extractors.status == "EXTRACT(httpRequest.status)"
    error_message = "A label is taken from elsewhere than the field of its name."
  }

  # How lines and labels become filters: whether they fit the log is for internal/deploycheck.
  assert {
    condition = { for name in ["due", "sweep_failures", "refused_callers", "outcomes"] : name => google_logging_metric.metric[name].filter } == {
      due             = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(\"followup-execute\") AND ((jsonPayload.attempt=(1) AND jsonPayload.event=(\"call_started\")) OR (jsonPayload.event=(\"task_settled\") AND jsonPayload.task_status=(\"failed\")))"
      sweep_failures  = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(\"followup-schedule\") AND ((jsonPayload.event=(\"sweep_failed\" OR \"sweep_tenant_failed\" OR \"sweep_booking_failed\")) OR (jsonPayload.event=(\"sweep_done\") AND jsonPayload.tenants_skipped>0))"
      refused_callers = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(\"followup-execute\") AND logName=\"projects/lad-test/logs/run.googleapis.com%2Frequests\" AND ((httpRequest.status=(401 OR 403)))"
      outcomes        = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(\"followup-execute\" OR \"followup-schedule\") AND ((jsonPayload.event=(\"call_finished\" OR \"task_settled\" OR \"booking_planned\") AND jsonPayload.task_status=(\"executed\" OR \"failed\" OR \"cancelled\")))"
    }
    error_message = "A metric's filter is not made of its lines."
  }
  assert {
    condition = [for name, i in { refused_tokens = 0, outcome_unknown = 0, failure_ratio = 0, queue_depth = 0 } : google_monitoring_alert_policy.alert[name].conditions[i].condition_threshold[0].filter] == [
      "metric.type=\"logging.googleapis.com/user/followup/calls\" AND resource.type=\"cloud_run_revision\" AND metric.labels.outcome!=\"accepted\"",
      "metric.type=\"logging.googleapis.com/user/followup/outcomes\" AND resource.type=\"cloud_run_revision\" AND metric.labels.task_reason=\"outcome_unknown\"",
      "metric.type=\"cloudtasks.googleapis.com/queue/depth\" AND resource.type=\"cloud_tasks_queue\" AND resource.labels.queue_id=\"follow-up-calls\" AND resource.labels.location=\"europe-west1\"",
      "metric.type=\"logging.googleapis.com/user/followup/refused_requests\" AND resource.type=\"cloud_run_revision\" AND metric.labels.status=one_of(\"401\",\"403\")",
    ] && google_monitoring_alert_policy.alert["failure_ratio"].conditions[0].condition_threshold[0].denominator_filter == "metric.type=\"logging.googleapis.com/user/followup/calls\" AND resource.type=\"cloud_run_revision\""
    error_message = "An alert's filter is not made of its series and labels."
  }
  assert {
    condition     = jsondecode(google_monitoring_dashboard.followup.dashboard_json).mosaicLayout.columns == 48 && length(jsondecode(google_monitoring_dashboard.followup.dashboard_json).mosaicLayout.tiles) == 17 && alltrue([for i, tile in jsondecode(google_monitoring_dashboard.followup.dashboard_json).mosaicLayout.tiles : tile.xPos == 24 * (i % 2) && tile.yPos == 16 * floor(i / 2)])
    error_message = "A chart is missing from the dashboard, or lies on another."
  }

  # Silence is a signal.
  assert {
    condition = (
      google_monitoring_alert_policy.alert["sweep_silent"].conditions[0].condition_absent[0].duration == "300s"
      && google_monitoring_alert_policy.alert["sweep_silent"].conditions[1].condition_threshold[0].comparison == "COMPARISON_LT"
      && google_monitoring_alert_policy.alert["sweep_silent"].conditions[1].condition_threshold[0].aggregations[0].alignment_period == "300s"
      && google_monitoring_alert_policy.alert["sweep_silent"].combiner == "OR"
    )
    error_message = "Five minutes without a sweep pass unnoticed."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["outcome_unknown"].conditions[0].condition_threshold[0].threshold_value == 0
    error_message = "One unknown outcome is not enough."
  }
  assert {
    # 80 % of 200.
    condition     = google_monitoring_alert_policy.alert["database_connections"].conditions[1].condition_threshold[0].threshold_value == 160 && strcontains(google_monitoring_alert_policy.alert["database_connections"].conditions[1].condition_threshold[0].filter, "database_id=\"lad-test:followup-")
    error_message = "The connections are another instance's, or are compared with another figure than max_connections."
  }
  assert {
    # A booking that stays overdue is found once in each grace (5 min).
    condition     = google_monitoring_alert_policy.alert["overdue"].conditions[1].condition_threshold[0].aggregations[0].alignment_period == "420s"
    error_message = "A call that stays overdue falls between two windows."
  }
  assert {
    condition     = alltrue([for a in google_monitoring_alert_policy.alert : alltrue([for c in a.conditions : alltrue([for t in c.condition_threshold : length(t.denominator_aggregations) == (t.denominator_filter == null ? 0 : 1)])])])
    error_message = "A ratio is not aggregated, or something else is."
  }

  # An alert carries its playbook, ready to be pasted from.
  assert {
    condition     = alltrue([for a in google_monitoring_alert_policy.alert : strcontains(a.documentation[0].content, "## First command") && strcontains(a.documentation[0].content, "## Cure") && length(a.documentation[0].links) == 0])
    error_message = "An alert comes without its playbook, or links to nowhere."
  }
  assert {
    condition     = !anytrue([for a in google_monitoring_alert_policy.alert : can(regex("\\$(PROJECT|REGION|QUEUE|SCHEDULE|EXECUTE|SCHEDULER|TOPIC)\\b", a.documentation[0].content)) || strcontains(a.documentation[0].content, ".md)](") || can(regex("\\]\\([a-z./-]+\\.md\\)", a.documentation[0].content))])
    error_message = "A name is left open, or a link leads nowhere."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["sweep_silent"].documentation[0].content, "gcloud scheduler jobs resume followup-sweep --project=lad-test --location=europe-west1") && strcontains(google_monitoring_alert_policy.alert["sweep_silent"].documentation[0].content, "service_name=\"'followup-schedule'\"")
    error_message = "The names are not this deployment's."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["overdue"].documentation[0].content, "the queue is too slow (docs/playbooks/queue-depth.md)") && strcontains(google_monitoring_alert_policy.alert["outcome_unknown"].documentation[0].content, "voice-agent.md (docs/voice-agent.md)")
    error_message = "Where there is no link, the document is not named."
  }
}

run "whoever_is_named_is_told_and_given_links" {
  variables {
    alert_emails   = ["oncall@example.com", "lead@example.com"]
    alert_channels = ["projects/lad-test/notificationChannels/123"]
    documents_url  = "https://git.example.com/lad/followup/blob/main"
    alert_limits   = { overdue_calls = 50, connections_share = 0.5 }
    name           = "fu"
  }
  assert {
    condition     = alltrue([for a in google_monitoring_alert_policy.alert : length(a.notification_channels) == 3 && contains(a.notification_channels, "projects/lad-test/notificationChannels/123")])
    error_message = "Somebody who was named is not told."
  }
  assert {
    condition     = toset([for c in google_monitoring_notification_channel.email : "${c.type} ${c.labels.email_address}"]) == toset(["email oncall@example.com", "email lead@example.com"])
    error_message = "The addresses are others."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["overdue"].documentation[0].links[0].url == "https://git.example.com/lad/followup/blob/main/docs/playbooks/overdue-calls.md" && strcontains(google_monitoring_alert_policy.alert["overdue"].documentation[0].content, "[the queue is too slow](https://git.example.com/lad/followup/blob/main/docs/playbooks/queue-depth.md)") && strcontains(google_monitoring_alert_policy.alert["outcome_unknown"].documentation[0].content, "[voice-agent.md](https://git.example.com/lad/followup/blob/main/docs/voice-agent.md)")
    error_message = "A link leads elsewhere."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["overdue"].documentation[0].content, "gcloud run jobs execute fu-doctor --project=lad-test") && alltrue([for a in google_monitoring_alert_policy.alert : !strcontains(a.documentation[0].content, "followup-doctor")])
    error_message = "A playbook names the job of another deployment."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["overdue"].conditions[0].condition_threshold[0].threshold_value == 50 && google_monitoring_alert_policy.alert["overdue"].conditions[2].condition_threshold[0].threshold_value == 300000 && google_monitoring_alert_policy.alert["database_connections"].conditions[1].condition_threshold[0].threshold_value == 100
    error_message = "The limits are not those that were set, or the others have lost their defaults."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["overdue"].conditions[0].condition_threshold[0].filter, "user/fu/overdue") && strcontains(google_logging_metric.metric["overdue"].filter, "service_name=(\"fu-schedule\")")
    error_message = "A second deployment counts the first one's calls."
  }
}

run "of_an_instance_in_another_project_there_are_no_figures" {
  variables {
    existing_instance   = "lad-data:europe-west1:main"
    database_private_ip = false
  }
  assert {
    condition     = length(google_monitoring_alert_policy.alert["database_connections"].conditions) == 1
    error_message = "The connections of another project's instance cannot be seen from here."
  }
}

run "what_is_not_logged_cannot_be_counted" {
  command = plan
  variables {
    settings = { LOG_LEVEL = "warn" }
  }
  expect_failures = [var.settings]
}

run "an_alert_that_could_never_be_raised" {
  command = plan
  variables {
    alert_limits = { failure_ratio = 2 }
  }
  expect_failures = [var.alert_limits]
}
