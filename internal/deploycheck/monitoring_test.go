package deploycheck_test

import (
	std "cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logMetric is one of local.log_metrics: it counts the lines that have all values of
// one of Lines. terraform/tests/monitoring.tftest.hcl holds the filters that are made of them.
type logMetric struct {
	By          []string
	Lines       []map[string]oneOf
	Labels      []string
	Value, Part string
	Buckets     []float64
}

// oneOf is a value, or a list of them, as a label would hold them.
type oneOf []string

func (v *oneOf) UnmarshalJSON(text []byte) error {
	var all []any
	if err := json.Unmarshal(text, &all); err != nil {
		all = make([]any, 1)
		if err := json.Unmarshal(text, &all[0]); err != nil {
			return err
		}
	}
	for _, one := range all {
		*v = append(*v, fmt.Sprint(one))
	}
	return nil
}

// point is a line that a metric counts.
type point struct {
	labels map[string]string
	value  string
}

// count is what a metric makes of a log. Of each value of its lines, and of each
// label, there must be a line that has it, or nothing shows when it is renamed.
func (m logMetric) count(t *testing.T, name string, log []entry) (points []point) {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range log {
		fields := e.parts[m.Part]
		if e.parts[m.Part] == nil || !slices.Contains(m.By, e.service) {
			continue
		}
		if !slices.ContainsFunc(m.Lines, func(line map[string]oneOf) bool { return matches(line, fields, seen) }) {
			continue
		}
		p := point{labels: map[string]string{}}
		for _, label := range m.Labels {
			if value, ok := fields[label]; ok {
				p.labels[label], seen[label] = fmt.Sprint(value), true
			}
		}
		if m.Value != "" {
			p.value = fmt.Sprint(fields[m.Value])
		}
		points = append(points, p)
	}
	for _, label := range m.Labels {
		if !seen[label] {
			t.Errorf("%s: no line has the label %s", name, label)
		}
	}
	for _, line := range m.Lines {
		for field, values := range line {
			for _, value := range values {
				if !seen[field+"="+value] {
					t.Errorf("%s: no line that it counts has %s=%s", name, field, value)
				}
			}
		}
	}
	return points
}

func matches(line map[string]oneOf, fields map[string]any, seen map[string]bool) bool {
	var had []string
	for field, want := range line {
		name, above := strings.CutSuffix(field, ">")
		value, ok := fields[name]
		if number, _ := value.(float64); above {
			limit, err := strconv.ParseFloat(want[0], 64)
			if !ok || err != nil || number <= limit {
				return false
			}
			had = append(had, field+"="+want[0])
		} else if text := fmt.Sprint(value); ok && slices.Contains(want, text) {
			had = append(had, field+"="+text)
		} else {
			return false
		}
	}
	for _, one := range had {
		seen[one] = true
	}
	return true
}

// tally counts points with the same labels, tenants by their first letter.
func tally(points []point, labels []string) map[string]int {
	counts := map[string]int{}
	for _, p := range points {
		var words []string
		for _, label := range slices.Sorted(slices.Values(labels)) {
			value := p.labels[label]
			if label == "tenant_id" && value != "" {
				value = value[:1]
			}
			words = append(words, value)
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

func TestMonitoring(t *testing.T) {
	t.Parallel()
	p := readModule(t).plan(t, necessary(nil))
	metrics := decode[map[string]logMetric](p, "log_metrics")
	log := slices.Concat(stored(t, "execute", executing(t)), stored(t, "schedule", scheduling(t)), requestLog("execute", 200, 401, 403, 403, 503), requestLog("another", 403))

	// Google's own metrics, with the labels that are read of them.
	// https://cloud.google.com/monitoring/api/metrics_gcp
	series := map[string][]point{"queue_depth": {{}}, "queue_attempts": {{labels: map[string]string{"response_code": "ok"}}}, "connections": {{}}}
	for name, m := range metrics {
		series[name] = m.count(t, name, log)
		if d := cmp.Diff(counted[name], tally(series[name], m.Labels)); d != "" {
			t.Errorf("%s (-wanted +counted):\n%s", name, d)
		}
		holdValues(t, name, m, series[name])
	}
	for name := range counted {
		if _, ok := metrics[name]; !ok {
			t.Errorf("there is no metric %s any more", name)
		}
	}
	used := map[string]bool{}
	for name, a := range decode[map[string]alert](p, "alerts") {
		for _, c := range a.Conditions {
			c.hold(t, "alert "+name, metrics, series, used)
			if c.Period < 60 || c.Period%60 != 0 || c.Lasting%60 != 0 {
				t.Errorf("%s: looked at every %d s for %d s, which must be minutes", name, c.Period, c.Lasting)
			}
		}
	}
	for _, c := range decode[[]struct {
		Title string
		Plots []reading
	}](p, "charts") {
		for _, plot := range c.Plots {
			plot.hold(t, "chart "+c.Title, metrics, series, used)
		}
	}
	for name := range series {
		if !used[name] {
			t.Errorf("nobody looks at the metric %s", name)
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

// reading is a condition's or a chart's way to read a series.
type reading struct {
	Metric, Aligner, Reducer string
	Where                    map[string]oneOf
	By                       []string
}

type alert struct {
	Title, Playbook string
	Conditions      []struct {
		reading
		Period, Lasting int
	}
}

// gauges are those of Google's that are no counters.
var gauges = []string{"queue_depth", "connections"}

// hold holds a reading against the points that there have been.
func (r reading) hold(t *testing.T, what string, metrics map[string]logMetric, series map[string][]point, used map[string]bool) {
	t.Helper()
	used[r.Metric] = true
	if !slices.ContainsFunc(series[r.Metric], func(p point) bool {
		for label, values := range r.Where {
			name, not := strings.CutSuffix(label, "!")
			if value, ok := p.labels[name]; !ok || slices.Contains(values, value) == not {
				return false
			}
		}
		for _, label := range r.By {
			if _, ok := p.labels[label]; !ok {
				return false
			}
		}
		return true
	}) {
		t.Errorf("%s: no point of %s has ever had %v and the labels %v", what, r.Metric, r.Where, r.By)
	}
	if gauge := std.Or(r.Aligner, "ALIGN_DELTA") != "ALIGN_DELTA"; gauge != slices.Contains(gauges, r.Metric) || strings.Contains(r.Reducer, "PERCENTILE") != (metrics[r.Metric].Value != "") {
		t.Errorf("%s: %s is aligned by %s and reduced by %s", what, r.Metric, r.Aligner, r.Reducer)
	}
}
