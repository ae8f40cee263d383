# One page, two charts a row: the calls, what became of them, what they wait for,
# and each tenant. Whoever chooses a tenant at its top sees that tenant's.

locals {
  # The parts that most lines of a chart share.
  plot = { aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = [], kind = "LINE", legend = null }

  bars     = { kind = "STACKED_BAR" }
  lag      = { filter = local.series.dial_lag }
  depth    = "metric.type=\"cloudtasks.googleapis.com/queue/depth\" AND ${local.queue_series}"
  answers  = "metric.type=\"cloudtasks.googleapis.com/queue/task_attempt_count\" AND ${local.queue_series}"
  accepted = "${local.series.calls} AND metric.labels.outcome=\"accepted\""
  failing  = "${local.series.calls} AND metric.labels.outcome!=\"accepted\""
  unknown  = "${local.series.outcomes} AND metric.labels.task_reason=\"outcome_unknown\""

  charts = [
    { title = "Due and called", plots = [
      { filter = local.series.due, legend = "due" },
      { filter = local.accepted, legend = "called" },
      { filter = local.series.overdue, legend = "overdue" },
    ] },
    { title = "Dial lag (ms)", plots = [
      for p in ["50", "95", "99"] : merge(local.lag, { reducer = "REDUCE_PERCENTILE_${p}", legend = "p${p}" })
    ] },
    { title = "Outcomes by reason", plots = [merge(local.bars, { filter = local.series.outcomes, by = ["metric.label.task_status", "metric.label.task_reason"] })] },
    { title = "Unknown outcomes", plots = [merge(local.bars, { filter = local.unknown, by = ["metric.label.tenant_id"] })] },
    { title = "Overdue calls whose tasks were gone", plots = [merge(local.bars, { filter = local.series.overdue, by = ["metric.label.tenant_id"] })] },
    { title = "Overdue calls whose tasks still wait, by whether dialling is paused", plots = [merge(local.bars, { filter = local.series.late, by = ["metric.label.paused"] })] },
    { title = "Queue depth, tasks of the coming days included", plots = [{ filter = local.depth, aligner = "ALIGN_MEAN", legend = "tasks" }] },
    { title = "Attempts that a call took", plots = [
      for p in ["50", "95", "99"] : { filter = "${local.series.attempts} AND metric.labels.outcome=\"accepted\"", reducer = "REDUCE_PERCENTILE_${p}", legend = "p${p}" }
    ] },
    { title = "Attempts of tasks, by answer", plots = [merge(local.bars, { filter = local.answers, by = ["metric.label.response_code"] })] },
    { title = "Calls by tenant", plots = [merge(local.bars, { filter = local.accepted, by = ["metric.label.tenant_id"] })] },
    { title = "Failures by tenant", plots = [merge(local.bars, { filter = local.failing, by = ["metric.label.tenant_id", "metric.label.outcome"] })] },
    { title = "Dial lag by tenant, p95 (ms)", plots = [merge(local.lag, { reducer = "REDUCE_PERCENTILE_95", by = ["metric.label.tenant_id"] })] },
    { title = "Sweeps", plots = [
      { filter = local.series.sweeps, legend = "ended" },
      merge(local.bars, { filter = local.series.sweep_failures, by = ["metric.label.event"] }),
    ] },
    { title = "Events", plots = [merge(local.bars, { filter = local.series.events, by = ["metric.label.event"] })] },
    { title = "Refused requests", plots = [
      merge(local.bars, { filter = local.series.refused_requests, by = ["metric.label.status", "metric.label.code"] }),
      { filter = local.series.refused_callers, legend = "401 and 403, Cloud Run's own included" },
    ] },
    { title = "Database", plots = concat(
      [merge(local.bars, { filter = local.series.database_faults, by = ["metric.label.fault"] })],
      [for series in [local.database_series] : { filter = series, aligner = "ALIGN_MEAN", legend = "connections" } if series != null],
    ) },
  ]

  chart_widgets = [for chart in local.charts : {
    title = chart.title
    xyChart = { dataSets = [for p in [for p in chart.plots : merge(local.plot, p)] : merge({
      plotType = p.kind
      timeSeriesQuery = { timeSeriesFilter = {
        filter      = p.filter
        aggregation = { alignmentPeriod = "60s", perSeriesAligner = p.aligner, crossSeriesReducer = p.reducer, groupByFields = p.by }
      } }
    }, { for option, value in { legendTemplate = p.legend } : option => value if value != null })] }
  }]

  errors_widget = {
    title     = "Errors"
    logsPanel = { filter = "${local.logged_by_both} AND severity>=ERROR", resourceNames = ["projects/${var.project_id}"] }
  }

  dashboard = {
    displayName      = var.name == "followup" ? "Follow-up calls" : "Follow-up calls (${var.name})"
    dashboardFilters = [{ labelKey = "tenant_id", filterType = "METRIC_LABEL" }]
    mosaicLayout = { columns = 48, tiles = [for i, widget in concat(local.chart_widgets, [local.errors_widget]) : {
      xPos = 24 * (i % 2), yPos = 16 * floor(i / 2), width = 24, height = 16, widget = widget
    }] }
  }
}

resource "google_monitoring_dashboard" "followup" {
  dashboard_json = jsonencode(local.dashboard)

  depends_on = [google_logging_metric.metric]
}

output "dashboard" {
  description = "The dashboard's address."
  value       = "https://console.cloud.google.com/monitoring/dashboards/builder/${reverse(split("/", google_monitoring_dashboard.followup.id))[0]}?project=${var.project_id}"
}
