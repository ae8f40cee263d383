package tenantdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// without is a schema where the views' names stand for LAD's tables and nothing
// else: without barrier, check option and the tenant's condition, so that the
// planner replaces them by the tables before it plans. The same statement can be
// asked there, by the same login, and the difference is what the views cost.
const without = "without_views"

// costs is a table of many bookings of several tenants, with and without views.
type costs struct {
	db  *tenantdb.DB
	ref followup.Ref
	now time.Time
}

func newCosts(t testing.TB) costs {
	t.Helper()
	f := tenantdbtest.New(t)
	for _, tenant := range []uuid.UUID{tenantdbtest.TenantB, tenantdbtest.TenantA, uuid.New()} {
		// Of 10,000 bookings 40 have a call ahead and 40 should be given one.
		f.LAD(t, tenantdbtest.TenantA, `INSERT INTO users (id, tenant_id) VALUES ($1, $1)`, tenant)
		f.LAD(t, tenantdbtest.TenantA, `INSERT INTO leads (tenant_id, first_name, phone, assigned_user_id) SELECT $1, 'Ada', n::text, $1 FROM generate_series(1, 1000) AS n`, tenant)
		f.LAD(t, tenantdbtest.TenantA, `WITH numbered AS (SELECT id, row_number() OVER () AS n FROM leads WHERE tenant_id = $1)
			INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, task_status, planned_for, task_scheduled_at, task_revision,
				call_at, call_at_wall, call_at_zone, call_at_rule)
			SELECT $1, id, CASE WHEN n <= 80 AND turn = 1 THEN 'follow_up' ELSE 'viewing' END, 'x', at AT TIME ZONE 'UTC', 'UTC',
				CASE WHEN n <= 40 AND turn = 1 THEN 'scheduled' ELSE 'pending' END, at, at, 1, at, at AT TIME ZONE 'UTC', 'UTC', 0
			FROM numbered, generate_series(1, 10) AS turn, LATERAL (SELECT now() + interval '1 hour' AS at) AS moment`, tenant)
	}
	lead := tenantdbtest.Lead{FirstName: "Ada", Phone: "+4915112345678", Note: "likes maths"}
	ref := f.Insert(t, tenantdbtest.Row{Lead: lead})
	f.LAD(t, tenantdbtest.TenantA, `CREATE SCHEMA `+without)
	f.LAD(t, tenantdbtest.TenantA, `DO $$
		DECLARE name text; body text;
		BEGIN
			FOREACH name IN ARRAY ARRAY['followup_bookings', 'followup_leads'] LOOP
				body := rtrim(pg_get_viewdef(name::regclass), ';');
				body := left(body, length(body) - position(reverse('WHERE') IN reverse(body)) - length('WHERE') + 1);
				EXECUTE format('CREATE VIEW `+without+`.%I AS %s', name, body);
			END LOOP;
		END $$`)
	f.LAD(t, tenantdbtest.TenantA, `GRANT USAGE ON SCHEMA `+without+` TO followup_app`)
	f.LAD(t, tenantdbtest.TenantA, `GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA `+without+` TO followup_app`)
	for _, table := range []string{"leads", "lead_notes", "lead_bookings"} {
		f.LAD(t, tenantdbtest.TenantA, `ANALYZE `+table)
	}
	return costs{db: f.DB, ref: ref, now: time.Now()}
}

// asked is a statement of the repository's, with its arguments.
type asked struct {
	name, sql string
	args      []any
	writes    bool
	sorts     bool
}

func (c costs) statements(t testing.TB) []asked {
	t.Helper()
	b, _, err := c.db.Booking(t.Context(), c.ref)
	if err != nil || b == nil {
		t.Fatalf("booking %v, error %v", b, err)
	}
	all := []asked{
		{"read a booking", tenantdb.SelectBookingSQL, []any{c.ref.TenantID, c.ref.BookingID}, false, false},
		{"lock a booking", tenantdb.LockBookingSQL, []any{c.ref.TenantID, c.ref.BookingID}, true, false},
		{"read a lead", tenantdb.SelectLeadSQL, []any{c.ref.TenantID, b.LeadID}, false, false},
		{"finish a call", tenantdb.FinishSQL, []any{c.ref.TenantID, c.ref.BookingID, 0, c.now, c.now, "executed", "", c.now, "", "", "", 0, true, false, false}, true, false},
	}
	r := rules()
	for _, concern := range tenantdb.Concerns {
		all = append(all, asked{"sweep, " + string(concern), string(tenantdb.ConcernSQL[concern]), []any{pgx.NamedArgs{
			"tenant": c.ref.TenantID, "at": "-infinity", "id": uuid.Nil, "limit": 100, "kinds": r.Kinds(), "since": r.ActiveSince,
			"since_roughly": r.ActiveSince, "rule": 0,
			"horizon": c.now.Add(r.Horizon), "overdue": c.now.Add(3 * time.Hour), "lapsed": c.now.Add(-r.Lease),
		}}, false, true})
	}
	return all
}

// in runs fn in a transaction of the tenant's, with the views or without.
func (c costs) in(ctx context.Context, schema string, fn func(pgx.Tx) error) error {
	return c.db.InTenantTx(ctx, c.ref.TenantID, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('search_path', $1, true)`, schema); err != nil {
			return err
		}
		return fn(tx)
	})
}

// planNode is a node of EXPLAIN (FORMAT JSON).
type planNode struct {
	Type  string `json:"Node Type"`
	Index string `json:"Index Name"`
	Once  string `json:"One-Time Filter"`
	Hit   int    `json:"Shared Hit Blocks"`
	Read  int    `json:"Shared Read Blocks"`
	Plans []planNode
}

// work lists the nodes that fetch and change rows, from the top down, and those
// that a view adds: a Subquery Scan, which hands rows on, a Result that asks for
// the setting once, a second LockRows for the view itself.
func (n planNode) work() (nodes, added []string) {
	switch {
	case n.Type == "Subquery Scan", n.Type == "Result" && n.Once != "", n.Type == "LockRows" && n.Plans[0].Type == "Subquery Scan":
		added = append(added, n.Type)
	default:
		nodes = append(nodes, strings.TrimSpace(n.Type+" "+n.Index))
	}
	for _, below := range n.Plans {
		more, views := below.work()
		nodes, added = append(nodes, more...), append(added, views...)
	}
	return nodes, added
}

// indexes are the indexes that are used, in order.
func (n planNode) indexes() (names []string) {
	if n.Index != "" {
		names = append(names, n.Index)
	}
	for _, below := range n.Plans {
		names = append(names, below.indexes()...)
	}
	return names
}

func (c costs) plan(t testing.TB, schema string, s asked) (plan planNode) {
	t.Helper()
	var text json.RawMessage
	err := c.in(t.Context(), schema, func(tx pgx.Tx) error {
		for range 2 { // the second finds everything in the cache
			if err := tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+s.sql, s.args...).Scan(&text); err != nil {
				return err
			}
		}
		return errUndo
	})
	var plans []struct{ Plan planNode }
	if unmarshal := json.Unmarshal(text, &plans); unmarshal != nil || len(plans) != 1 {
		t.Fatalf("explain %s: %v, %v", s.name, err, unmarshal)
	}
	return plans[0].Plan
}

// What a call runs is planned alike: the same nodes fetch the same pages through
// the same index.
//
// A sweep's page finds its rows through the same index and reads as many pages,
// if all that is due fits into it. If more is due, then the page costs all of it
// (TestTheSweepCostsWhatIsDueAndNotWhatIsStored): the planner does not carry the
// index's order through the barrier, and sorts.
func TestTheSameIndexesServeWithTheViewsAndWithout(t *testing.T) {
	t.Parallel()
	c := newCosts(t)
	for _, s := range c.statements(t) {
		with, plain := c.plan(t, tenantdbtest.SharedSchema, s), c.plan(t, without, s)
		got, added := with.work()
		want, none := plain.work()
		if diff := cmp.Diff(want, got); diff != "" && !s.sorts {
			t.Errorf("%s: -without +with the views:\n%s", s.name, diff)
		}
		if len(added) > 4 || len(none) > 0 { // Reread asks twice
			t.Errorf("%s: the views add %v; without them there are %v", s.name, added, none)
		}
		if used := with.indexes(); !slices.Equal(used, plain.indexes()) || len(used) == 0 {
			t.Errorf("%s uses %v, without the views %v", s.name, used, plain.indexes())
		}
		if pages, need := with.Hit+with.Read, plain.Hit+plain.Read; pages > need && !s.writes {
			t.Errorf("%s reads %d pages, without the views %d", s.name, pages, need)
		}
		t.Logf("%-18s %v, %d pages (without the views %d); added: %v", s.name, got, with.Hit+with.Read, plain.Hit+plain.Read, added)
	}
}

func (c costs) run(ctx context.Context, tx pgx.Tx, s asked) error {
	rows, err := tx.Query(ctx, s.sql, s.args...)
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

// Both ways take turns, so that whatever else this machine does hits both. The
// margin is for that: what the views add is a little planning, tens of
// microseconds, and the figures are in the log.
func TestAStatementTakesAboutAsLongWithTheViewsAsWithout(t *testing.T) {
	t.Parallel()
	c := newCosts(t)
	const rounds, margin = 100, 2.0
	for _, s := range c.statements(t) {
		took := map[string][]time.Duration{}
		for range rounds {
			for _, schema := range []string{tenantdbtest.SharedSchema, without} {
				err := c.in(t.Context(), schema, func(tx pgx.Tx) error {
					start := time.Now()
					err := c.run(t.Context(), tx, s)
					took[schema] = append(took[schema], time.Since(start))
					if err != nil {
						return fmt.Errorf("%s: %w", s.name, err)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		with, plain := median(took[tenantdbtest.SharedSchema]), median(took[without])
		ratio := float64(with) / float64(plain)
		t.Logf("%-18s %v with the views, %v without: %.2f", s.name, with.Round(time.Microsecond), plain.Round(time.Microsecond), ratio)
		if ratio > margin {
			t.Errorf("%s takes %.1f times as long with the views", s.name, ratio)
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func BenchmarkStatements(b *testing.B) {
	c := newCosts(b)
	for _, s := range c.statements(b) {
		for name, schema := range map[string]string{"with": tenantdbtest.SharedSchema, "without": without} {
			b.Run(strings.ReplaceAll(s.name, " ", "_")+"/"+name+"_views", func(b *testing.B) {
				err := c.in(b.Context(), schema, func(tx pgx.Tx) error {
					for b.Loop() {
						if err := c.run(b.Context(), tx, s); err != nil {
							return err
						}
					}
					return errUndo
				})
				if !errors.Is(err, errUndo) {
					b.Fatal(err)
				}
			})
		}
	}
}
