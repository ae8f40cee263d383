package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/timeline"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/operatordb"
)

// reportFlags say whose report is wanted, and how it is measured.
type reportFlags struct {
	tenants tenantsFlags
	since   time.Duration
	within  time.Duration
	logFile string
	out     output
}

func newReport() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report --tenant ID | --all",
		Short: "Say how punctual the calls of the last hours were, and how they ended",
		Long: `Say how punctual the calls of the last hours were, and how they ended, for each
tenant: of the follow-ups that were due in the window, by the database's clock.

DUE → DIAL is from the moment a call was due (its time less FOLLOWUP_LEAD_TIME,
or when it was booked, if that was later) to the claim after which it was
dialled; a call that was tried several times counts with its last attempt.
ON TIME is the share dialled within --within, of those that were dialled or
should have been by now (MISSED). Of these LATE still wait for their call, in the
queue, for a sweep, or because dialling is paused; drift tells whose task is gone.
WAITING have a later slot, under VOICE_AGENT_LIMIT
or outside business hours; NOT CALLED have ended without a call, for a reason of
their own, which OUTCOMES names. Neither counts as missed. A booking that LAD moved
to an earlier time after its call counts by its new time.

INSERT → ENQUEUE is from the booking's insert to its first task. The row does
not keep that moment, so it takes the functions' log, with --log-file ("-" is
standard input), and is left out without one. Bookings beyond the horizon are
left out of it: they are meant to wait.`,
		Example: `  followup report --tenant a11c…
  followup report --all --since 168h --json
  followup report --all --log-file functions.log`,
		Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.tenants.flags(cmd)
	flags := cmd.Flags()
	flags.DurationVar(&f.since, "since", 24*time.Hour, "the length of the window, which ends now")
	flags.DurationVar(&f.within, "within", time.Minute, "how late a call may be and still count as on time")
	flags.StringVar(&f.logFile, "log-file", "", "measure insert → enqueue from this log `file`, or standard input (-)")
	f.out.flag(cmd)
	return cmd
}

// tenantReport is the report of one tenant, as --json prints it.
type tenantReport struct {
	TenantID  string  `json:"tenantId"`
	Due       int     `json:"due"`
	Dialled   int     `json:"dialled"`
	OnTime    int     `json:"onTime"`
	Missed    int     `json:"missed"`
	Late      int     `json:"late"`
	Paused    bool    `json:"paused"` // dialling is, for this tenant
	Waiting   int     `json:"waiting"`
	NotCalled int     `json:"notCalled"`
	Percent   *int    `json:"onTimePercent"` // null if there was nothing to be on time for
	DialLag   *lagged `json:"dueToDialSeconds"`
	// Enqueue is null without a log, or if the log says nothing of this tenant.
	Enqueue  *lagged        `json:"insertToEnqueueSeconds"`
	Outcomes []outcomeCount `json:"outcomes"`
	// Misspelt are types of bookings to come that look like a follow-up's and are none.
	Misspelt []operatordb.Lookalike `json:"misspeltTypes,omitempty"`
}

type outcomeCount struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	Count  int    `json:"count"`
}

// lagged is how long something took, in seconds.
type lagged struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

func (f *reportFlags) run(cmd *cobra.Command) error {
	if f.since <= 0 || f.within <= 0 {
		return cli.Usage("--since and --within: both must be above 0")
	}
	if err := f.tenants.check(); err != nil {
		return err
	}
	env, closeAll, err := openDatabase(cmd)
	if err != nil {
		return err
	}
	defer func() { _ = closeAll() }() // it was only read
	ctx := cmd.Context()
	tenants, err := f.tenants.list(ctx, env.DB)
	if err != nil {
		return err
	}
	var armed map[followup.Ref]arming
	if f.logFile != "" {
		err := withLogFile(cmd, f.logFile, func(all iter.Seq2[timeline.Entry, error]) (err error) {
			armed, err = firstArmings(all)
			return err
		})
		if err != nil {
			return err
		}
	}
	reports := make([]tenantReport, 0, len(tenants))
	var failed []error
	for _, tenant := range tenants {
		r, err := f.report(ctx, env, tenant, armed)
		if err != nil {
			failed = append(failed, err) // the others' reports are worth having
			continue
		}
		reports = append(reports, r)
	}
	return errors.Join(append(failed, f.print(cmd.OutOrStdout(), reports))...)
}

func (f *reportFlags) report(ctx context.Context, env *environment, tenant uuid.UUID, armed map[followup.Ref]arming) (tenantReport, error) {
	db, err := env.DB.Report(ctx, tenant, env.Rules, f.since, f.within)
	if err != nil {
		return tenantReport{}, err
	}
	r := tenantReport{TenantID: tenant.String(), Due: db.Due, Dialled: db.Dialled, OnTime: db.OnTime, Missed: db.Missed, Late: db.Late, Paused: env.Rules.Paused.Covers(tenant), Waiting: db.Waiting, NotCalled: db.NotCalled,
		Outcomes: make([]outcomeCount, 0, len(db.Outcomes))}
	if expected := db.Dialled + db.Missed; expected > 0 {
		percent := 100 * db.OnTime / expected // rounded down: 100 % is all of them
		r.Percent = &percent
	}
	if db.Dialled > 0 {
		r.DialLag = laggedBy(db.Dialled, db.Lag)
	}
	for _, o := range db.Outcomes {
		r.Outcomes = append(r.Outcomes, outcomeCount{Status: string(o.Status), Reason: string(o.Reason), Count: o.Count})
	}
	if r.Misspelt, err = env.DB.Lookalikes(ctx, tenant, env.Rules); err != nil {
		return tenantReport{}, err
	}
	r.Enqueue, err = f.enqueueLag(ctx, env, tenant, armed)
	return r, err
}

func laggedBy(n int, p operatordb.Percentiles) *lagged {
	return &lagged{Count: n, P50: p.P50.Seconds(), P95: p.P95.Seconds(), P99: p.P99.Seconds(), Max: p.Max.Seconds()}
}

// arming is a booking's first task, as the log tells of it.
type arming struct{ at, due time.Time }

// firstArmings finds the first task of each booking.
func firstArmings(all iter.Seq2[timeline.Entry, error]) (map[followup.Ref]arming, error) {
	first := map[followup.Ref]arming{}
	for e, err := range all {
		if err != nil {
			return nil, err
		}
		if e.Event != "booking_planned" || e.Fields["effect"] != string(followup.Arm) || fmt.Sprint(e.Fields["task_revision"]) != "1" {
			continue
		}
		due, _ := e.Fields["due_at"].(string)
		at, err := time.Parse(time.RFC3339Nano, due)
		if seen, ok := first[e.Ref]; err == nil && (!ok || e.Time.Before(seen.at)) {
			first[e.Ref] = arming{at: e.Time.Time, due: at}
		}
	}
	return first, nil
}

// enqueueLag joins the log's armings with the rows' time of insert, for the
// bookings that were made in the window and could be armed at once.
func (f *reportFlags) enqueueLag(ctx context.Context, env *environment, tenant uuid.UUID, armed map[followup.Ref]arming) (*lagged, error) {
	var ids []uuid.UUID
	for ref := range armed {
		if ref.TenantID == tenant {
			ids = append(ids, ref.BookingID)
		}
	}
	bookings, err := env.DB.Bookings(ctx, tenant, ids)
	if err != nil || len(bookings) == 0 {
		return nil, err
	}
	from := time.Now().Add(-f.since)
	var lags []time.Duration
	for _, b := range bookings {
		a := armed[b.Ref]
		switch {
		case b.CreatedAt.Before(from), b.CreatedAt.Before(env.Rules.ActiveSince):
		case a.due.Add(env.Rules.LeadTime).After(b.CreatedAt.Add(env.Rules.Horizon)):
		default:
			lags = append(lags, a.at.Sub(b.CreatedAt))
		}
	}
	if len(lags) == 0 {
		return nil, nil
	}
	slices.Sort(lags)
	return laggedBy(len(lags), operatordb.Percentiles{P50: percentile(lags, 50), P95: percentile(lags, 95), P99: percentile(lags, 99), Max: percentile(lags, 100)}), nil
}

// percentile is the percentile of sorted values as PostgreSQL's percentile_disc takes
// it: the first that at least p % do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	i := (p*len(sorted) + 99) / 100
	return sorted[max(i, 1)-1]
}

func (f *reportFlags) print(w io.Writer, reports []tenantReport) error {
	header := []string{"TENANT", "DUE", "DIALLED", "ON TIME", "MISSED", "LATE", "WAITING", "NOT CALLED", "DUE → DIAL p50", "p95", "p99"}
	if f.logFile != "" {
		header = append(header, "INSERT → ENQUEUE p50", "p95", "p99")
	}
	header = append(header, "OUTCOMES")
	rows := make([][]string, 0, len(reports))
	for _, r := range reports {
		onTime := "-"
		if r.Percent != nil {
			onTime = strconv.Itoa(*r.Percent) + " %"
		}
		late := strconv.Itoa(r.Late)
		if r.Paused {
			late += " (paused)"
		}
		row := []string{r.TenantID, strconv.Itoa(r.Due), strconv.Itoa(r.Dialled), onTime, strconv.Itoa(r.Missed), late, strconv.Itoa(r.Waiting), strconv.Itoa(r.NotCalled)}
		row = append(row, r.DialLag.cells()...)
		if f.logFile != "" {
			row = append(row, r.Enqueue.cells()...)
		}
		rows = append(rows, append(row, outcomesCell(r.Outcomes)))
	}
	if err := f.out.print(w, reports, header, rows); err != nil || f.out.json {
		return err
	}
	_, err := fmt.Fprintf(w, "\nfollow-ups due in the last %s; on time: dialled within %s\n", span(f.since), span(f.within))
	for _, r := range reports {
		for _, m := range r.Misspelt {
			_, err = fmt.Fprintf(w, "%s: %s to come of type %q, which is no follow-up's: not called\n", r.TenantID, cli.Plural(m.Count, "booking"), m.Type)
		}
	}
	if err == nil && f.logFile == "" {
		_, err = fmt.Fprintln(w, "insert → enqueue is left out: the rows do not keep it; give the functions' log with --log-file")
	}
	return err
}

func (l *lagged) cells() []string {
	if l == nil {
		return []string{"-", "-", "-"}
	}
	cells := make([]string, 0, 3)
	for _, s := range []float64{l.P50, l.P95, l.P99} {
		cells = append(cells, time.Duration(s*float64(time.Second)).Round(time.Millisecond).String())
	}
	return cells
}

// outcomesCell is one cell: the most frequent first.
func outcomesCell(all []outcomeCount) string {
	slices.SortStableFunc(all, func(a, b outcomeCount) int { return cmp.Compare(b.Count, a.Count) })
	parts := make([]string, 0, len(all))
	for _, o := range all {
		name := o.Status
		if o.Reason != "" {
			name += "/" + o.Reason
		}
		parts = append(parts, fmt.Sprintf("%d %s", o.Count, name))
	}
	return orDash(strings.Join(parts, ", "))
}

// tenantsFlags choose one tenant or all of them.
type tenantsFlags struct {
	tenant string
	all    bool
	id     uuid.UUID
}

func (f *tenantsFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.tenant, "tenant", "", "the tenant's `id`")
	cmd.Flags().BoolVar(&f.all, "all", false, "look at every tenant")
}

func (f *tenantsFlags) check() (err error) {
	if (f.tenant == "") == !f.all {
		return cli.Usage("say whose bookings: --tenant ID, or --all")
	}
	if f.tenant != "" {
		f.id, err = parseTenant(f.tenant)
	}
	return err
}

func (f *tenantsFlags) list(ctx context.Context, db operatordb.DB) ([]uuid.UUID, error) {
	if !f.all {
		return []uuid.UUID{f.id}, nil
	}
	return db.Tenants(ctx)
}

// span is a duration without the zeros that time.Duration ends with.
func span(d time.Duration) string {
	s := d.String()
	for _, zeros := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zeros) {
			s = s[:len(s)-len(zeros)+1]
		}
	}
	return s
}
