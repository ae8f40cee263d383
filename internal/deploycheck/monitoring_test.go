package deploycheck_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"cloud.google.com/go/monitoring/dashboard/apiv1/dashboardpb"
	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"google.golang.org/protobuf/encoding/protojson"
)

func init() { // what the locals of monitoring call besides
	functions["ceil"], functions["floor"], functions["values"] = stdlib.CeilFunc, stdlib.FloorFunc, stdlib.ValuesFunc
}

// logMetric is one of local.log_metrics.
type logMetric struct {
	Filter  string
	Labels  map[string]string // label to extractor
	Value   string            // extractor, of a distribution
	Buckets []float64
}

// json is a local as JSON, as jsonencode would print it.
func (p *plan) json(name string) []byte {
	p.t.Helper()
	value := p.local(name)
	text, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		p.t.Fatalf("local %s: %v", name, err)
	}
	return text
}

func decode[V any](t *testing.T, text []byte) (v V) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func parse(t *testing.T, text string) filter {
	t.Helper()
	f, err := parseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var extractors = regexp.MustCompile(`^EXTRACT\(([A-Za-z_.]+)\)$`)

// extract does what an extractor asks for; what is not there is empty.
func extract(t *testing.T, extractor string, entry map[string]any) string {
	t.Helper()
	parts := extractors.FindStringSubmatch(extractor)
	if parts == nil {
		t.Fatalf("an extractor of a form that this test does not know: %s", extractor)
	}
	value, _ := field(entry, parts[1])
	return value
}

// point is what a metric makes of a line.
type point struct {
	labels map[string]string
	value  string
}

// count is what a metric makes of a log.
func (m logMetric) count(t *testing.T, log []map[string]any) (points []point) {
	t.Helper()
	f := parse(t, m.Filter)
	for _, entry := range log {
		if !f.matches(entry) {
			continue
		}
		p := point{labels: map[string]string{}}
		for label, extractor := range m.Labels {
			p.labels[label] = extract(t, extractor, entry)
		}
		if m.Value != "" {
			p.value = extract(t, m.Value, entry)
		}
		points = append(points, p)
	}
	return points
}

// tally counts points with the same labels, tenants by their first letter.
func tally(points []point) map[string]int {
	counts := map[string]int{}
	for _, p := range points {
		if id := p.labels["tenant_id"]; id != "" {
			p.labels["tenant_id"] = id[:1]
		}
		var words []string
		for _, label := range slices.Sorted(maps.Keys(p.labels)) {
			words = append(words, p.labels[label])
		}
		counts[strings.Join(words, " ")]++
	}
	return counts
}

// counted is what each metric has to make of executing and scheduling: label
// values in the order of the labels' names, and how often. Tenant "a" is A.
var counted = map[string]map[string]int{
	"due":      {"a": 7, "b": 1}, // five claimed, two given up; not the second attempt
	"calls":    {"accepted a": 2, "accepted b": 1, "misconfigured a": 1, "not_started a": 1, "rejected a": 1, "unknown a": 1},
	"dial_lag": {"a": 6, "b": 1},
	"attempts": {"accepted": 3, "misconfigured": 1, "not_started": 1, "rejected": 1, "unknown": 1},
	"outcomes": {
		" executed a": 2, " executed b": 1, "not_started failed a": 1, "rejected failed a": 2, "expired failed a": 2,
		"outcome_unknown failed a": 2, "misconfigured failed a": 1, "booking_cancelled cancelled a": 1,
	},
	"overdue":          {"a": 2, "b": 2}, // once in vain
	"late":             {"false a": 2},   // by each sweep that looks
	"sweeps":           {"": 4},
	"sweep_failures":   {"sweep_failed ": 1, "sweep_done ": 1, "sweep_booking_failed a": 1, "sweep_booking_failed b": 1, "sweep_tenant_failed c": 1},
	"events":           {"event_handled": 2, "event_rejected": 1, "event_failed": 1},
	"refused_requests": {"unauthenticated 401": 1, "forbidden 403": 1, "certificates_unavailable 502": 1},
	"refused_callers":  {"401": 1, "403": 2},
	"database_faults":  {"busy": 1, "connection_refused": 1},
	"misconfigured":    {"a": 1},
	"timeline_changed": {"": 3}, // a task, and a sweep of two tenants
}

func TestWhatIsWatchedIsWhatTheFunctionsLog(t *testing.T) {
	t.Parallel()
	p := readModule(t).plan(t, choices()["only what is necessary"])
	metrics := decode[map[string]logMetric](t, p.json("log_metrics"))
	log := stored(t, "followup-execute", executing(t))
	log = append(log, stored(t, "followup-schedule", scheduling(t))...)
	log = append(log, requestLog("followup-execute", 200, 401, 403, 403, 503)...)
	log = append(log, requestLog("another-service", 403)...)

	series := platformSeries()
	for name, m := range metrics {
		points := m.count(t, log)
		if d := cmp.Diff(counted[name], tally(m.count(t, log))); d != "" {
			t.Errorf("%s (-wanted +counted):\n%s", name, d)
		}
		holdEachComparison(t, name, m, log)
		holdValues(t, name, m, points)
		for _, point := range points {
			series = append(series, logSeries(name, point))
		}
	}
	for name := range counted {
		if _, ok := metrics[name]; !ok {
			t.Errorf("there is no metric %s any more", name)
		}
	}
	used := map[string]bool{}
	holdAlerts(t, decode[map[string]alert](t, p.json("alerts")), metrics, series, used)
	holdDashboard(t, p.json("dashboard"), metrics, series, used)
	for name := range metrics {
		if !used[name] {
			t.Errorf("nobody looks at the metric %s", name)
		}
	}
}

// holdEachComparison finds the branch of a filter that has come to match
// nothing while another one still does.
func holdEachComparison(t *testing.T, name string, m logMetric, log []map[string]any) {
	t.Helper()
	f := parse(t, m.Filter)
	for _, c := range f.comparisons() {
		if !slices.ContainsFunc(log, func(entry map[string]any) bool { return f.matches(entry) && c.matches(entry) }) {
			t.Errorf("%s: no line that it counts has %s", name, c)
		}
	}
}

func holdValues(t *testing.T, name string, m logMetric, points []point) {
	t.Helper()
	if (m.Value == "") != (len(m.Buckets) == 0) || !slices.IsSorted(m.Buckets) {
		t.Errorf("%s: value %q, buckets %v", name, m.Value, m.Buckets)
	}
	var values []float64
	for _, point := range points {
		if m.Value == "" {
			continue
		}
		value, err := strconv.ParseFloat(point.value, 64)
		if err != nil || value > m.Buckets[len(m.Buckets)-1] {
			t.Errorf("%s: the value is %q", name, point.value)
		}
		values = append(values, value)
	}
	slices.Sort(values)
	if name == "attempts" && !slices.Equal(values, []float64{1, 1, 1, 1, 1, 1, 2}) {
		t.Errorf("the attempts were %v", values)
	}
}

// logSeries is a point as Monitoring's filters see it.
func logSeries(name string, p point) map[string]any {
	labels := map[string]any{}
	for label, value := range p.labels {
		labels[label] = value
	}
	return map[string]any{"metric": map[string]any{"type": "logging.googleapis.com/user/followup/" + name, "labels": labels}, "resource": resource("a-service")}
}

// platformSeries are Google's own metrics that are watched.
// https://cloud.google.com/monitoring/api/metrics_gcp
func platformSeries() []map[string]any {
	one := func(kind string, labels map[string]any, resource string, of map[string]any) map[string]any {
		return map[string]any{"metric": map[string]any{"type": kind, "labels": labels}, "resource": map[string]any{"type": resource, "labels": of}}
	}
	queue := map[string]any{"queue_id": "follow-up-calls", "location": "europe-west1"}
	return []map[string]any{
		one("cloudtasks.googleapis.com/queue/depth", map[string]any{}, "cloud_tasks_queue", queue),
		one("cloudtasks.googleapis.com/queue/task_attempt_count", map[string]any{"response_code": "ok"}, "cloud_tasks_queue", queue),
		one("cloudsql.googleapis.com/database/postgresql/num_backends", map[string]any{"database": "lad"}, "cloudsql_database",
			map[string]any{"database_id": "lad-test:followup-1a2b", "region": "europe-west1"}),
	}
}

// reading is a condition's or a chart's way to read series.
type reading struct {
	Filter, Aligner, Reducer string
	By                       []string
}

// hold holds a reading against the series that there are.
func (r reading) hold(t *testing.T, what string, metrics map[string]logMetric, series []map[string]any, used map[string]bool) {
	t.Helper()
	f := parse(t, r.Filter)
	i := slices.IndexFunc(series, f.matches)
	if i < 0 {
		t.Errorf("%s: no series has ever fitted %s", what, r.Filter)
		return
	}
	kind, _ := field(series[i], "metric.type")
	name := strings.TrimPrefix(kind, "logging.googleapis.com/user/followup/")
	used[name] = true
	for _, label := range r.By {
		if _, ok := field(series[i], strings.Replace(label, "metric.label.", "metric.labels.", 1)); !ok {
			t.Errorf("%s: %s has no %s to group by", what, name, label)
		}
	}
	if strings.Contains(r.Reducer, "PERCENTILE") != (metrics[name].Value != "") {
		t.Errorf("%s: %s is read by %s", what, name, r.Reducer)
	}
	if strings.HasSuffix(name, "depth") || strings.HasSuffix(name, "backends") {
		if r.Aligner == "ALIGN_DELTA" {
			t.Errorf("%s: %s is a gauge, and read by %s", what, name, r.Aligner)
		}
	} else if r.Aligner != "ALIGN_DELTA" {
		t.Errorf("%s: %s is a counter, and read by %s", what, name, r.Aligner)
	}
}

type alert struct {
	Title, Playbook, Severity, Combiner string
	Conditions                          []struct {
		reading
		Title, Denominator, Comparison string
		Period, Lasting                int
	}
}

func holdAlerts(t *testing.T, alerts map[string]alert, metrics map[string]logMetric, series []map[string]any, used map[string]bool) {
	t.Helper()
	for name, a := range alerts {
		if _, ok := monitoringpb.AlertPolicy_Severity_value[a.Severity]; !ok {
			t.Errorf("%s: no such severity: %s", name, a.Severity)
		}
		if _, ok := monitoringpb.AlertPolicy_ConditionCombinerType_value[a.Combiner]; !ok {
			t.Errorf("%s: no such combiner: %s", name, a.Combiner)
		}
		for _, c := range a.Conditions {
			what := fmt.Sprintf("alert %s, %q", name, c.Title)
			c.hold(t, what, metrics, series, used)
			if c.Denominator != "" {
				reading{c.Denominator, c.Aligner, c.Reducer, c.By}.hold(t, what, metrics, series, used)
			}
			_, aligner := monitoringpb.Aggregation_Aligner_value[c.Aligner]
			_, reducer := monitoringpb.Aggregation_Reducer_value[c.Reducer]
			_, comparison := monitoringpb.ComparisonType_value[c.Comparison]
			if !aligner || !reducer || !comparison || c.Period < 60 || c.Period%60 != 0 || c.Lasting%60 != 0 {
				t.Errorf("%s: aligned by %s, reduced by %s, compared by %s, every %d s for %d s", what, c.Aligner, c.Reducer, c.Comparison, c.Period, c.Lasting)
			}
		}
	}
}

func holdDashboard(t *testing.T, text []byte, metrics map[string]logMetric, series []map[string]any, used map[string]bool) {
	t.Helper()
	dashboard := &dashboardpb.Dashboard{}
	if err := protojson.Unmarshal(text, dashboard); err != nil { // refuses what it does not know
		t.Fatal(err)
	}
	layout := dashboard.GetMosaicLayout()
	taken := map[[2]int32]string{}
	for _, tile := range layout.GetTiles() {
		title := tile.GetWidget().GetTitle()
		place := [2]int32{tile.GetXPos(), tile.GetYPos()}
		if other, ok := taken[place]; ok || tile.GetXPos()+tile.GetWidth() > layout.GetColumns() {
			t.Errorf("%s lies on %s, or over the edge", title, other)
		}
		taken[place] = title
		for _, set := range tile.GetWidget().GetXyChart().GetDataSets() {
			source := set.GetTimeSeriesQuery().GetTimeSeriesFilter()
			a := source.GetAggregation()
			reading{source.GetFilter(), a.GetPerSeriesAligner().String(), a.GetCrossSeriesReducer().String(), a.GetGroupByFields()}.
				hold(t, "chart "+title, metrics, series, used)
		}
		if panel := tile.GetWidget().GetLogsPanel(); panel != nil {
			parse(t, panel.GetFilter())
		} else if len(tile.GetWidget().GetXyChart().GetDataSets()) == 0 {
			t.Errorf("%s shows nothing", title)
		}
	}
	if n := len(layout.GetTiles()); n < 15 || layout.GetColumns() != 48 {
		t.Errorf("%d tiles in %d columns", n, layout.GetColumns())
	}
}

// The resource takes the metrics as they were tested.
func TestTheMetricsAreMadeOfWhatWasTested(t *testing.T) {
	t.Parallel()
	body := readModule(t).resource(t, "google_logging_metric", "metric")
	for attribute, want := range map[string]string{
		"for_each": "local.log_metrics", "filter": "each.value.filter", "label_extractors": "each.value.labels", "value_extractor": "each.value.value",
	} {
		if got := source(body.Attributes[attribute].Expr); got != want {
			t.Errorf("%s is %s, want %s", attribute, got, want)
		}
	}
	if got := source(readModule(t).resource(t, "google_monitoring_alert_policy", "alert").Attributes["for_each"].Expr); got != "local.alerts" {
		t.Errorf("the alerts are made of %s", got)
	}
}
