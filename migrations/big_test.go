package migrations_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/migrations"
)

// longestLock is what the project allows a migration to keep LAD's traffic waiting for a lock.
const longestLock = time.Second

// span is a stretch of time and what was done in it.
type span struct {
	what       string
	start, end time.Time
}

func (s span) took() time.Duration  { return s.end.Sub(s.start) }
func (s span) overlaps(o span) bool { return s.start.Before(o.end) && o.start.Before(s.end) }

// spans collects what several do at once.
type spans struct {
	mu  sync.Mutex
	all []span
}

func (s *spans) add(what string, start, end time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, span{what, start, end})
}

func (s *spans) longestDuring(during span) span {
	s.mu.Lock()
	defer s.mu.Unlock()
	var longest span
	for _, one := range s.all {
		if one.overlaps(during) && one.took() > longest.took() {
			longest = one
		}
	}
	return longest
}

// statementLog turns the package's log into spans.
type statementLog struct {
	slog.Handler
	*spans
}

func (l statementLog) Enabled(context.Context, slog.Level) bool { return true }

func (l statementLog) Handle(_ context.Context, r slog.Record) error {
	now := time.Now()
	var what string
	var took time.Duration
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "statement":
			what = a.Value.String()
		case "took":
			took = a.Value.Duration()
		}
		return true
	})
	l.add(strings.TrimPrefix(r.Message+": "+what, "statement run: "), now.Add(-took), now)
	return nil
}

// traffic is LAD at work, one statement after the other on each connection, until stopped.
func traffic(t *testing.T, c connections) (done *spans, stop func()) {
	t.Helper()
	done = &spans{}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for what, statement := range map[string]string{
		"read one":  `SELECT * FROM lead_bookings WHERE id = (SELECT id FROM lead_bookings ORDER BY id OFFSET 77 LIMIT 1)`,
		"read some": `SELECT count(*) FROM (SELECT FROM lead_bookings WHERE tenant_id = '00000000-0000-4000-8000-000000000003' LIMIT 100) AS s`,
		"insert":    `INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at) SELECT tenant_id, id, 'demo', 'system', clock_timestamp() + random() * interval '9 years' FROM leads LIMIT 1 ON CONFLICT DO NOTHING`,
		"update":    `UPDATE lead_bookings SET notes = 'changed' WHERE id = (SELECT id FROM lead_bookings ORDER BY id OFFSET 99 LIMIT 1)`,
	} {
		conn := c.as("lad_service")
		wait.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				if _, err := conn.Exec(context.WithoutCancel(ctx), statement); err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
				done.add(what, start, time.Now())
			}
		})
	}
	return done, func() { cancel(); wait.Wait() }
}

// lockWaits watches for how long LAD's connections wait for locks. What else may slow a statement of
// theirs down, such as a machine with other work, does not count.
func lockWaits(t *testing.T, c connections) (waits *spans, stop func()) {
	t.Helper()
	waits = &spans{}
	admin := adminOf(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		for ctx.Err() == nil {
			var seconds float64
			err := admin.QueryRow(context.WithoutCancel(ctx), `
				SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8
				FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.usename = 'lad_service'`).Scan(&seconds)
			if err != nil {
				t.Error(err)
				return
			}
			now := time.Now()
			waits.add("lock", now.Add(-time.Duration(seconds*float64(time.Second))), now)
		}
	})
	return waits, func() { cancel(); wait.Wait() }
}

// underTraffic runs a migration and prints, statement by statement, how long it took, for how long LAD
// waited for a lock, and how long its slowest statement took. It returns the longest wait for a lock.
func underTraffic(t *testing.T, c connections, name string, migrate func(*pgx.Conn, migrations.Options) error) time.Duration {
	t.Helper()
	statements := &spans{}
	owner := c.as("lad_owner")
	waits, unwatch := lockWaits(t, c)
	done, stop := traffic(t, c)
	start := time.Now()
	err := migrate(owner, migrations.Options{Logger: slog.New(statementLog{spans: statements})})
	whole := span{name, start, time.Now()}
	stop()
	unwatch()
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements.all {
		t.Logf("%8s  lock %6s  slowest %6s  %s", statement.took().Round(time.Millisecond),
			waits.longestDuring(statement).took().Round(time.Millisecond),
			done.longestDuring(statement).took().Round(time.Millisecond), statement.what)
	}
	longest := waits.longestDuring(whole).took()
	t.Logf("%s: %s in all; %d statements of LAD's meanwhile, the longest wait for a lock %s, the slowest statement %s", name,
		whole.took().Round(time.Millisecond), len(done.all), longest.Round(time.Millisecond),
		done.longestDuring(whole).took().Round(time.Millisecond))
	return longest
}

// TestBig takes some minutes: FOLLOWUP_BIG=1 go test -run TestBig -v
func TestBig(t *testing.T) {
	if os.Getenv("FOLLOWUP_BIG") == "" {
		t.Skip("set FOLLOWUP_BIG=1")
	}
	for _, point := range []startingPoint{
		{name: "a million rows of the dump", parts: []string{ladschema.Dump}},
		{name: "a million rows with LAD's own 001", parts: ladschema.Default},
	} {
		t.Run(point.name, func(t *testing.T) {
			c := open(t, point)
			owner := c.as("lad_owner")
			mustExec(t, owner, "SET timezone = 'UTC'")
			bulk(t, owner, 1_000_000)
			mustExec(t, adminOf(t, c), "VACUUM (ANALYZE) "+pgx.Identifier{schema, "lead_bookings"}.Sanitize())

			up := func(conn *pgx.Conn, o migrations.Options) error { return migrations.Up(t.Context(), conn, schema, o) }
			down := func(conn *pgx.Conn, o migrations.Options) error { return migrations.Down(t.Context(), conn, schema, o) }
			for _, step := range []struct {
				name string
				run  func(*pgx.Conn, migrations.Options) error
			}{{"up", up}, {"up again", up}, {"down", down}, {"up after down", up}} {
				if got := underTraffic(t, c, step.name, step.run); got > longestLock {
					t.Errorf("%s kept LAD waiting for a lock for %s", step.name, got)
				}
			}

			owner = c.as("lad_owner")
			mustExec(t, owner, "SET timezone = 'UTC'; "+allowNull)
			mustExec(t, owner, seedSQL)
			mustExec(t, owner, "ANALYZE lead_bookings")
			assertSweepIsCheap(t, c)
			if err := down(owner, migrations.Options{}); err != nil {
				t.Fatal(err)
			}
			// For comparison, and with no promise: the whole file as one string, as LAD's own runner sends it.
			underTraffic(t, c, "as one string", func(conn *pgx.Conn, _ migrations.Options) error {
				runners[1].up(t, conn, c)
				return nil
			})
		})
	}
}
