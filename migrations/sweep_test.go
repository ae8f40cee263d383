package migrations_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/ladschema"
)

// concern is a question of the sweep that an index of migration 002 was made for. The questions are
// asked as the functions ask them: as followup_app, through the view, a page at a time, with
// $1 tenant, $2 and $3 the end of the last page, $4 page size, $5 kinds, $6 active since, $7 horizon,
// $8 overdue before, $9 lease over before, $10 the settings' hash.
type concern struct {
	name, index string
	query       string
	found       int // rows of seedSQL that fit
}

var concerns = []concern{
	{name: "due", index: "followup_pending_idx", query: `SELECT wanted_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND (wanted_at, id) > ($2, $3)
			AND (task_status = 'pending' OR task_status IS NULL) AND call_at IS NOT NULL AND booking_kind = ANY ($5) AND live
			AND wanted_at >= $6 AND wanted_at <= $7
		ORDER BY wanted_at, id LIMIT $4`, found: 40},
	{name: "withdrawn", index: "followup_pending_idx", query: `SELECT wanted_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND (wanted_at, id) > ($2, $3)
			AND (task_status = 'pending' OR task_status IS NULL) AND call_at IS NOT NULL AND booking_kind = ANY ($5) AND NOT live
			AND wanted_at >= $6
		ORDER BY wanted_at, id LIMIT $4`, found: 20},
	{name: "untimed", index: "followup_untimed_idx", query: `SELECT rough_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND (rough_at, id) > ($2, $3)
			AND (task_status = 'pending' OR task_status IS NULL) AND booking_kind = ANY ($5)
			AND (call_at_wall IS DISTINCT FROM wall_at OR call_at_zone IS DISTINCT FROM timezone)
			AND rough_at >= $6
		ORDER BY rough_at, id LIMIT $4`, found: 40},
	{name: "overdue", index: "followup_waiting_idx", query: `SELECT checked_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND (checked_at, id) > ($2, $3)
			AND (task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours')))) AND live
			AND checked_at < $8 AND wanted_at >= $6
		ORDER BY checked_at, id LIMIT $4`, found: 60},
	{name: "not live", index: "followup_waiting_idx", query: `SELECT checked_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND (checked_at, id) > ($2, $3)
			AND (task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours')))) AND NOT live
			AND wanted_at >= $6
		ORDER BY checked_at, id LIMIT $4`, found: 20},
	{name: "lease over", index: "followup_in_progress_idx", query: `SELECT checked_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND (checked_at, id) > ($2, $3)
			AND (task_status = 'in_progress' OR claimed_at IS NOT NULL AND task_reason IS NULL AND called_at IS DISTINCT FROM claimed_at) AND checked_at < $9
		ORDER BY checked_at, id LIMIT $4`, found: 40},
	{name: "changed", index: "followup_changed_idx", query: `SELECT rough_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND (rough_at, id) > ($2, $3) AND live
			AND task_status <> 'pending' AND task_reason IS DISTINCT FROM 'outcome_unknown'
			AND ((call_at_wall IS DISTINCT FROM wall_at OR call_at_zone IS DISTINCT FROM timezone)
				OR task_reason = 'booking_cancelled')
			AND rough_at >= $6
		ORDER BY rough_at, id LIMIT $4`, found: 80},
	// Two ranges: in a plan that is made for no certain $10, "less or greater" in one condition reads all.
	{name: "rule", index: "followup_rule_idx", query: "(" + ruleSQL + " < $10 ORDER BY rough_at, id LIMIT $4) UNION ALL (" +
		ruleSQL + " > $10 ORDER BY rough_at, id LIMIT $4) ORDER BY 1, 2 LIMIT $4", found: 40},
	{name: "calls", index: "followup_calls_idx", query: `SELECT claimed_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND lead_id = md5('lease over')::uuid AND claimed_at >= $6 LIMIT $4`, found: 20},
}

const ruleSQL = `SELECT rough_at, id FROM followup_bookings
		WHERE tenant_id = $1 AND call_at_rule IS NOT NULL AND (task_status IN ('pending', 'scheduled') OR task_status IS NULL
			OR task_reason IN ('not_started', 'unknown_timezone')) AND call_at_rule`

// arguments are those of a sweep on 1 June 2026 at noon.
const arguments = `'00000000-0000-4000-8000-000000000007', '1970-01-01', '00000000-0000-0000-0000-000000000000', 500,
	'{followup,autofollowup,manualfollowup,scheduledfollowup,scheduledcall}', '2026-05-01 00:00+00', '2026-06-08 12:00+00',
	'2026-06-01 11:50+00', '2026-06-01 11:58+00', 1`

// bulkSQL stores bookings of LAD's, of twenty tenants with a lead each over two years.
const bulkSQL = `
INSERT INTO users (id) VALUES ('99999999-0000-4000-8000-000000000009') ON CONFLICT DO NOTHING;
INSERT INTO leads (id, tenant_id, assigned_user_id)
SELECT md5('bulk' || n)::uuid, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '99999999-0000-4000-8000-000000000009'
FROM generate_series(0, 19) AS n ON CONFLICT DO NOTHING;
INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, created_at, status, is_deleted, notes)
SELECT ('00000000-0000-4000-8000-' || lpad(mod(n, 20)::text, 12, '0'))::uuid, md5('bulk' || mod(n, 20))::uuid, '%s', 'user_ui',
    '2025-06-01'::timestamp + mod(n, 1051200) * interval '1 minute', '2025-05-30'::timestamp + mod(n, 1051200) * interval '1 minute',
    (ARRAY['scheduled', 'confirmed', 'completed', 'cancelled', 'missed'])[1 + mod(n, 5)], mod(n, 17) = 0, repeat('n', 80)
FROM generate_series(%d, %d) AS n`

// bulk stores rows: the first hundredth, long past, are follow-ups that nobody has computed an instant
// for, the rest meetings.
func bulk(t *testing.T, conn *pgx.Conn, rows int) {
	t.Helper()
	mustExec(t, conn, fmt.Sprintf(bulkSQL, "auto_followup", 1, rows/100))
	mustExec(t, conn, fmt.Sprintf(bulkSQL, "meeting", rows/100+1, rows))
}

// seedSQL stores follow-ups of one tenant, a lead for each kind of row: of each kind 20, and more of
// those that the sweep must not read again and again. Times are in Dubai; rule is that of call_at, or
// NULL where the instant was never computed, and 9 where it was computed for another time.
const seedSQL = `
CREATE TEMP TABLE kinds AS SELECT * FROM (VALUES
    ('due now',            20, '2026-06-01 10:00+00'::timestamptz, '2026-05-31'::timestamptz, 'scheduled', false, 'pending', NULL, NULL::timestamptz, NULL::timestamptz, 1),
    ('due next week',      20, '2026-06-07 10:00+00', '2026-05-31', 'confirmed', NULL, NULL, NULL, NULL, NULL, 1),
    ('due next month',    300, '2026-07-07 10:00+00', '2026-05-31', 'scheduled', false, 'pending', NULL, NULL, NULL, 1),
    ('historic',         2000, '2026-04-01 10:00+00', '2026-03-31', 'scheduled', false, 'pending', NULL, NULL, NULL, 1),
    ('withdrawn',          20, '2026-06-20 10:00+00', '2026-05-31', 'cancelled', false, 'pending', NULL, NULL, NULL, 1),
    ('historic, done',   2000, '2026-04-01 10:00+00', '2026-03-31', 'completed', false, 'pending', NULL, NULL, NULL, 1),
    ('untimed',            20, '2026-06-20 10:00+00', '2026-05-31', 'scheduled', false, 'pending', NULL, NULL, NULL, NULL),
    ('untimed, long ago',2000, '2026-04-01 10:00+00', '2026-03-31', 'scheduled', false, 'pending', NULL, NULL, NULL, NULL),
    ('pending and moved',  20, '2026-06-20 10:00+00', '2026-05-31', 'scheduled', false, 'pending', NULL, NULL, NULL, 9),
    ('other settings',     20, '2026-06-20 10:00+00', '2026-05-31', 'scheduled', false, 'pending', NULL, NULL, NULL, 0),
    ('newer settings',     20, '2026-06-20 10:00+00', '2026-05-31', 'scheduled', false, 'failed', 'unknown_timezone', NULL, NULL, 2),
    ('overdue',            20, '2026-06-01 10:00+00', '2026-05-31', 'scheduled', false, 'scheduled', NULL, '2026-06-01 10:00+00', NULL, 1),
    ('refused long ago',   20, '2026-06-01 10:00+00', '2026-05-31', 'scheduled', false, 'failed', 'not_started', '2026-06-01 10:00+00', '2026-06-01 11:00+00', 1),
    ('never checked',      20, '2026-06-01 10:00+00', '2026-05-31', 'scheduled', false, 'scheduled', NULL, NULL, NULL, 1),
    ('refused just now',   20, '2026-06-01 10:00+00', '2026-05-31', 'scheduled', false, 'failed', 'not_started', '2026-06-01 10:00+00', '2026-06-01 11:59+00', 1),
    ('on the way',       1000, '2026-06-02 10:00+00', '2026-05-31', 'scheduled', false, 'scheduled', NULL, '2026-06-02 10:00+00', NULL, 1),
    ('not live',           20, '2026-06-02 10:00+00', '2026-05-31', 'scheduled', true, 'scheduled', NULL, '2026-06-02 10:00+00', NULL, 1),
    ('lease over',         20, '2026-06-01 10:00+00', '2026-05-31', 'scheduled', false, 'in_progress', NULL, '2026-06-01 10:00+00', '2026-06-01 11:00+00', 1),
    ('nobody''s lease',    20, '2026-06-01 10:00+00', '2026-05-31', 'scheduled', false, 'in_progress', NULL, NULL, NULL, 1),
    ('calling',            20, '2026-06-01 11:59+00', '2026-05-31', 'scheduled', false, 'in_progress', NULL, '2026-06-01 11:59+00', '2026-06-01 11:59+00', 1),
    ('executed',         2000, '2026-05-15 10:00+00', '2026-05-01', 'scheduled', false, 'executed', NULL, NULL, NULL, 1),
    ('executed by LAD',  2000, '2026-04-01 10:00+00', '2026-03-31', 'scheduled', false, 'executed', NULL, NULL, NULL, NULL),
    ('moved',              20, '2026-06-09 10:00+00', '2026-05-31', 'scheduled', false, 'executed', NULL, NULL, NULL, 9),
    ('moved, expired',     20, '2026-06-09 10:00+00', '2026-05-31', 'scheduled', false, 'failed', 'expired', NULL, NULL, 9),
    ('moved, by LAD',      20, '2026-06-09 10:00+00', '2026-05-31', 'scheduled', false, 'failed', NULL, NULL, NULL, NULL),
    ('held',              200, '2026-06-09 10:00+00', '2026-05-31', 'scheduled', false, 'failed', 'outcome_unknown', NULL, NULL, 9),
    ('revived',            20, '2026-06-09 10:00+00', '2026-05-31', 'scheduled', false, 'cancelled', 'booking_cancelled', NULL, NULL, 1),
    ('cancelled',        1000, '2026-06-09 10:00+00', '2026-05-31', 'cancelled', false, 'cancelled', 'booking_cancelled', NULL, NULL, 1)
) AS kinds (kind, count, at, made, status, gone, task, reason, due, claimed, rule);
INSERT INTO users (id) VALUES ('99999999-0000-4000-8000-000000000009') ON CONFLICT DO NOTHING;
INSERT INTO leads (id, tenant_id, assigned_user_id)
SELECT md5(kind)::uuid, '00000000-0000-4000-8000-000000000007', '99999999-0000-4000-8000-000000000009' FROM kinds;
INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, timezone, scheduled_at, created_at, status, is_deleted,
    task_status, task_reason, task_scheduled_at, claimed_at, idempotency_key, call_at, call_at_wall, call_at_zone, call_at_rule)
SELECT '00000000-0000-4000-8000-000000000007', md5(kind)::uuid, 'Follow-Up', 'system', 'GST', wall, made, status, gone,
    task, reason, due, claimed, kind || n,
    CASE WHEN rule IS NOT NULL THEN wall AT TIME ZONE 'Asia/Dubai' END,
    CASE WHEN rule = 9 THEN wall - interval '1 hour' WHEN rule IS NOT NULL THEN wall END,
    CASE WHEN rule IS NOT NULL THEN 'GST' END,
    CASE WHEN rule = 9 THEN 1 ELSE rule END
FROM kinds, generate_series(1, kinds.count) AS n, LATERAL (SELECT (at AT TIME ZONE 'Asia/Dubai') + n * interval '1 minute') AS clock (wall);
DROP TABLE kinds`

const allowNull = `ALTER TABLE lead_bookings ALTER COLUMN task_status DROP NOT NULL`

// plan is what EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) says of a node.
type plan struct {
	Node     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Rows     int    `json:"Actual Rows"`
	Loops    int    `json:"Actual Loops"`
	Removed  int    `json:"Rows Removed by Filter"`
	Hit      int    `json:"Shared Hit Blocks"`
	Read     int    `json:"Shared Read Blocks"`
	Plans    []plan
}

func (p plan) walk(visit func(plan)) {
	visit(p)
	for _, child := range p.Plans {
		child.walk(visit)
	}
}

func explain(t *testing.T, conn *pgx.Conn, statement string) plan {
	t.Helper()
	var answer []struct{ Plan plan }
	text := scan[string](t, conn, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+statement)
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err)
	}
	return answer[0].Plan
}

// assertReadsWhatItFinds fails unless the plan finds the rows through the index, and reads no other row
// than those.
func assertReadsWhatItFinds(t *testing.T, c concern, p plan) {
	t.Helper()
	indexes, returned, removed := map[string]bool{}, 0, 0
	p.walk(func(node plan) {
		if node.Index != "" {
			indexes[node.Index] = true
		}
		if node.Relation == "lead_bookings" {
			returned += node.Rows * node.Loops
			removed += node.Removed * node.Loops
		}
		if node.Node == "Seq Scan" {
			t.Errorf("%s reads the whole table", c.name)
		}
	})
	if len(indexes) != 1 || !indexes[c.index] {
		t.Errorf("%s uses %v, want %s", c.name, indexes, c.index)
	}
	if p.Rows != c.found || returned != c.found || removed != 0 {
		t.Errorf("%s answers %d rows, reads %d and throws %d away, want %d, %d and none", c.name, p.Rows, returned, removed, c.found, c.found)
	}
	// An index entry that is skipped shows in no row count, but in the pages that are touched.
	if blocks := p.Hit + p.Read; blocks > 100+2*c.found {
		t.Errorf("%s touches %d pages for %d rows", c.name, blocks, c.found)
	}
	t.Logf("%s: %d rows, %d pages", c.name, p.Rows, p.Hit+p.Read)
}

// assertSweepIsCheap asks every question with a plan made for its parameters and with a generic one.
func assertSweepIsCheap(t *testing.T, c connections) {
	t.Helper()
	functions := c.functions("00000000-0000-4000-8000-000000000007")
	for _, concern := range concerns {
		name := strings.ReplaceAll(concern.name, " ", "_")
		mustExec(t, functions, fmt.Sprintf("PREPARE %s (uuid, timestamptz, uuid, int, text[], timestamptz, timestamptz, timestamptz, timestamptz, int) AS %s", name, concern.query))
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			mustExec(t, functions, "SET plan_cache_mode = "+mode)
			assertReadsWhatItFinds(t, concern, explain(t, functions, fmt.Sprintf("EXECUTE %s (%s)", name, arguments)))
		}
	}
	tenants := explain(t, functions, "SELECT tenant_id FROM followup_tenants")
	if tenants.Rows != 20 || tenants.Hit+tenants.Read > 20*6*8 {
		t.Errorf("the tenants: %d rows, %d pages", tenants.Rows, tenants.Hit+tenants.Read)
	}
	t.Logf("tenants: %d rows, %d pages", tenants.Rows, tenants.Hit+tenants.Read)
}

func TestSweep(t *testing.T) {
	t.Parallel()
	for _, v := range ladschema.Variants()[1:4] {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			c := open(t, startingPoint{name: "sweep " + v.Name, parts: v.Parts, ours: true})
			owner := c.as("lad_owner")
			mustExec(t, owner, "SET timezone = 'UTC'; "+allowNull)
			bulk(t, owner, 30_000)
			mustExec(t, owner, seedSQL)
			mustExec(t, owner, "ANALYZE lead_bookings")
			assertSweepIsCheap(t, c)
		})
	}
}
