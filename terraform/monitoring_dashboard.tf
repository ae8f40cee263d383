# One page, two charts a row: the calls, what became of them, what they wait for, and each tenant. Whoever chooses a
# tenant at its top sees that tenant's.

locals {
  # What is told apart by a label is stacked, and what has a name of its own is a line.
  charts = [
    { title = "Due and called", plots = [
      { metric = "due", legend = "due" },
      { metric = "calls", where = { outcome = "accepted" }, legend = "called" },
      { metric = "overdue", legend = "overdue" },
    ] },
    { title = "Dial lag (ms)", plots = [for p in ["50", "95", "99"] : { metric = "dial_lag", reducer = "REDUCE_PERCENTILE_${p}", legend = "p${p}" }] },
    { title = "Outcomes by reason", plots = [{ metric = "outcomes", by = ["task_status", "task_reason"] }] },
    { title = "Unknown outcomes", plots = [{ metric = "outcomes", where = { task_reason = "outcome_unknown" }, by = ["tenant_id"] }] },
    { title = "Overdue calls whose tasks were gone", plots = [{ metric = "overdue", by = ["tenant_id"] }] },
    { title = "Overdue calls whose tasks still wait, by whether dialling is paused", plots = [{ metric = "late", by = ["paused"] }] },
    { title = "Queue depth, tasks of the coming days included", plots = [{ metric = "queue_depth", aligner = "ALIGN_MEAN", legend = "tasks" }] },
    { title = "Attempts that a call took", plots = [for p in ["50", "95", "99"] : { metric = "attempts", where = { outcome = "accepted" }, reducer = "REDUCE_PERCENTILE_${p}", legend = "p${p}" }] },
    { title = "Attempts of tasks, by answer", plots = [{ metric = "queue_attempts", by = ["response_code"] }] },
    { title = "Calls by tenant", plots = [{ metric = "calls", where = { outcome = "accepted" }, by = ["tenant_id"] }] },
    { title = "Failures by tenant", plots = [{ metric = "calls", where = { "outcome!" = "accepted" }, by = ["tenant_id", "outcome"] }] },
    { title = "Dial lag by tenant, p95 (ms)", plots = [{ metric = "dial_lag", reducer = "REDUCE_PERCENTILE_95", by = ["tenant_id"] }] },
    { title = "Sweeps", plots = [{ metric = "sweeps", legend = "ended" }, { metric = "sweep_failures", by = ["event"] }] },
    { title = "Events", plots = [{ metric = "events", by = ["event"] }] },
    { title = "Refused requests", plots = [
      { metric = "refused_requests", by = ["status", "code"] },
      { metric = "refused_callers", legend = "401 and 403, Cloud Run's own included" },
    ] },
    { title = "Database", plots = [for p in [
      { metric = "database_faults", by = ["fault"] },
      { metric = "connections", aligner = "ALIGN_MEAN", legend = "connections" },
    ] : p if contains(keys(local.series), p.metric)] },
  ]

  chart_widgets = [for chart in local.charts : {
    title = chart.title
    xyChart = { dataSets = [for p in chart.plots : merge({
      # What a label tells apart is stacked, but for percentiles.
      plotType = strcontains(try(p.reducer, ""), "PERCENTILE") || length(try(p.by, [])) == 0 ? "LINE" : "STACKED_BAR"
      timeSeriesQuery = { timeSeriesFilter = {
        filter = join(" AND ", concat([local.series[p.metric]], [for label, value in try(p.where, {}) : "metric.labels.${label}=${try(tostring(value), null) != null ? jsonencode(value) : "one_of(${join(",", [for v in value : jsonencode(v)])})"}"]))
        aggregation = {
          alignmentPeriod    = "60s", perSeriesAligner = try(p.aligner, "ALIGN_DELTA")
          crossSeriesReducer = try(p.reducer, "REDUCE_SUM"), groupByFields = [for label in try(p.by, []) : "metric.label.${label}"]
        }
      } }
    }, { for option, value in { legendTemplate = try(p.legend, null) } : option => value if value != null })] }
  }]
}

resource "google_monitoring_dashboard" "followup" {
  dashboard_json = jsonencode({
    displayName      = var.name == "followup" ? "Follow-up calls" : "Follow-up calls (${var.name})"
    dashboardFilters = [{ labelKey = "tenant_id", filterType = "METRIC_LABEL" }]
    mosaicLayout = { columns = 48, tiles = [for i, widget in concat(local.chart_widgets, [{
      title = "Errors", logsPanel = { filter = "${local.logged_by_both} AND severity>=ERROR", resourceNames = ["projects/${var.project_id}"] }
      }]) : {
      xPos = 24 * (i % 2), yPos = 16 * floor(i / 2), width = 24, height = 16, widget = widget
    }] }
  })

  depends_on = [google_logging_metric.metric]
}

output "dashboard" {
  description = "The dashboard's address."
  value       = "https://console.cloud.google.com/monitoring/dashboards/builder/${reverse(split("/", google_monitoring_dashboard.followup.id))[0]}?project=${var.project_id}"
}
