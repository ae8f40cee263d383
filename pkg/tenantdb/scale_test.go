package tenantdb_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// The sweep costs what is due and not what is stored: of many rows, nearly all
// of them no follow-ups that stay pending for ever, it reads about as many pages
// as there are rows to look at. FOLLOWUP_BIG=1 asks on 1,000,000 rows, of which
// 1,000 are due, and prints the plans' figures.
func TestTheSweepCostsWhatIsDueAndNotWhatIsStored(t *testing.T) {
	t.Parallel()
	rows, due := 40_000, 100
	if os.Getenv("FOLLOWUP_BIG") != "" {
		rows, due = 1_000_000, 1000
	}
	f := tenantdbtest.New(t)
	// Of every 100 rows one is a follow-up, in history or in the far future; the
	// due ones come on top.
	lead := f.NewLead(t, tenantdbtest.TenantA)
	f.LAD(t, tenantdbtest.TenantA, `INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, created_at)
		SELECT $1, $3, CASE WHEN n % 100 = 0 THEN 'follow_up' ELSE 'viewing' END, 'voice_agent',
			now() + CASE WHEN n % 200 = 0 THEN interval '1 year' ELSE interval '-1 year' END, now() - interval '2 years'
		FROM generate_series(1, $2::int) AS n`, tenantdbtest.TenantA, rows, lead)
	// What an earlier sweep has seen is timed.
	f.LAD(t, tenantdbtest.TenantA, `UPDATE lead_bookings SET call_at = scheduled_at AT TIME ZONE 'Asia/Dubai', call_at_wall = scheduled_at, call_at_zone = timezone, call_at_rule = $1
		WHERE booking_type = 'follow_up' AND scheduled_at > now()`, followup.Times{}.Rule())
	f.LAD(t, tenantdbtest.TenantA, `INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, call_at, call_at_wall, call_at_zone, call_at_rule)
		SELECT $1, $3, 'follow_up', 'voice_agent', at AT TIME ZONE 'Asia/Dubai', 'GST', at, at AT TIME ZONE 'Asia/Dubai', 'GST', $4
		FROM generate_series(1, $2::int) AS n, LATERAL (SELECT now() + n * interval '1 second') AS moment (at)`, tenantdbtest.TenantA, due, lead, followup.Times{}.Rule())
	f.LAD(t, tenantdbtest.TenantA, `ANALYZE lead_bookings`)

	var found int
	var after tenantdb.Cursor
	for {
		refs, end, err := f.DB.Candidates(t.Context(), tenantdbtest.TenantA, tenantdb.Due, rules(), after, 100)
		if err != nil {
			t.Fatal(err)
		}
		found, after = found+len(refs), end
		if len(refs) < 100 {
			break
		}
	}
	if found != due {
		t.Errorf("%d rows are due, %d were found", due, found)
	}
	for _, c := range tenantdb.Concerns {
		pages, took := pagesRead(t, f, c)
		// A page of 100 sorts all that is due behind it: an index entry and a row
		// each, and the way down the index.
		if most := 3*due + 50; pages > most {
			t.Errorf("%s reads %d pages of a table of %d rows, of which %d are due", c, pages, rows, due)
		}
		t.Logf("%-10s %5d pages, %.2f ms, of %d rows with %d due", c, pages, took, rows, due)
	}
}

// pagesRead is what the first page of a concern costs, as the functions ask.
func pagesRead(t *testing.T, f *tenantdbtest.Fixture, c tenantdb.Concern) (pages int, milliseconds float64) {
	t.Helper()
	var text json.RawMessage
	err := pgx.BeginFunc(t.Context(), f.DB.Pool(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT set_config('search_path', $1, true), set_config('app.tenant_id', $2, true)`,
			f.Schema(tenantdbtest.TenantA), tenantdbtest.TenantA.String())
		if err != nil {
			return err
		}
		r, now := rules(), time.Now()
		return tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+tenantdb.ConcernSQL[c], pgx.NamedArgs{
			"tenant": tenantdbtest.TenantA, "at": "-infinity", "id": uuid.Nil, "limit": 100, "kinds": r.Kinds(),
			"since": r.ActiveSince, "since_roughly": r.ActiveSince.Add(-24 * time.Hour), "rule": followup.Times{}.Rule(), "horizon": now.Add(r.Horizon), "overdue": now.Add(-r.Grace), "lapsed": now.Add(-r.Lease),
		}).Scan(&text)
	})
	if err != nil {
		t.Fatalf("explain %s: %v", c, err)
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
		Took float64 `json:"Execution Time"`
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		t.Fatalf("read the plan of %s: %v", c, err)
	}
	return plans[0].Plan.Hit + plans[0].Plan.Read, plans[0].Took
}
