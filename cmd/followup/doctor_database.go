package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/tenantdb"
)

// reachDatabase enters the database, and finds out where the tenants are.
func (d *doctor) reachDatabase(ctx context.Context) finding {
	if d.db.DB == nil {
		return skips("its settings are wrong")
	}
	if _, err := d.db.Clock(ctx); err != nil {
		return fails(reach(err), "%s", oneLine(err))
	}
	// The connection is open now, so that this measures the way there and back.
	began := d.now()
	at, err := d.db.Clock(ctx)
	if err != nil {
		return fails(reach(err), "%s", oneLine(err))
	}
	took := d.now().Sub(began)
	d.dbClock = &clockReading{skew: at.Sub(began.Add(took / 2)), within: took / 2}
	schemas, err := d.db.Schemas(ctx)
	if err != nil {
		return fails("check TENANT_REGISTRY, and grant the login SELECT on it and USAGE on its schema", "%s", oneLine(err))
	}
	d.schemas = schemas
	if len(schemas) == 0 {
		d.schemas = []string{}
		return warns("add the tenants' schemas to the registry", "it answers within %v, but the registry names no schema", took.Round(time.Microsecond))
	}
	durability, err := d.db.Durability(ctx)
	switch {
	case err != nil:
		return fails(reach(err), "%s", oneLine(err))
	case !durability.Fsync || !durability.FullPageWrites:
		return fails("have the server run with fsync and full_page_writes on: a crash may undo claims, and calls are made twice",
			"a commit may not outlive a crash: fsync is on: %v, full_page_writes is on: %v", durability.Fsync, durability.FullPageWrites)
	}
	return d.timeline(ctx, fmt.Sprintf(
		"answers within %v; %s of tenants; fsync and full_page_writes are on, and synchronous_commit, which follow-ups raise to on where it is off, is %s",
		took.Round(time.Microsecond), cli.Plural(len(schemas), "schema"), durability.SynchronousCommit))
}

// timeline says whether the database is the one that calls may be made on.
func (d *doctor) timeline(ctx context.Context, reached string) finding {
	timeline, err := d.db.Timeline(ctx)
	switch want := d.database.Timeline; {
	case err != nil:
		return warns("let the login execute pg_walfile_name and pg_current_wal_lsn; until then leave FOLLOWUP_TIMELINE unset, and pause by hand before a database is restored",
			"%s; its time line cannot be read: %s", reached, oneLine(err))
	case want == 0:
		return warns(fmt.Sprintf("set FOLLOWUP_TIMELINE=%d on both functions", timeline),
			"%s; nothing would notice that it was restored to an earlier moment", reached)
	case want != timeline:
		return fails("settle the calls that it has forgotten, and go on with the new time line: docs/playbooks/database-restored.md",
			"it was restored, or a replica has taken its place: it is on time line %d, and FOLLOWUP_TIMELINE is %d. Nothing is dialled", timeline, want)
	default:
		return passes("%s; time line %d", reached, timeline)
	}
}

// reach says what to do about a database that cannot be reached.
func reach(err error) string {
	switch tenantdb.FaultOf(err) {
	case tenantdb.ErrUnknownHost:
		return "check the host's name in DATABASE_URL, and this machine's name server"
	case tenantdb.ErrRefused:
		return "check host and port in DATABASE_URL, and that the database runs"
	case tenantdb.ErrLogin:
		return "check user and password in DATABASE_URL (or DB_USER), and that the login may connect"
	case tenantdb.ErrNoDatabase:
		return "check the database's name in DATABASE_URL (or DB_NAME)"
	case tenantdb.ErrBusy:
		return "see docs/playbooks/database-connections.md"
	default:
		return "check the network and firewalls on the way to the database (with Cloud SQL: INSTANCE_CONNECTION_NAME, DB_PRIVATE_IP, and the role Cloud SQL Client)"
	}
}

// eachSchema asks about every schema and gathers the answers, each with the
// schema's name.
func (d *doctor) eachSchema(ctx context.Context, ask func(context.Context, string) ([]string, error)) (found []string, err error) {
	for _, schema := range d.schemas {
		answers, err := ask(ctx, schema)
		if err != nil {
			return nil, err
		}
		if len(answers) > 0 {
			found = append(found, schema+": "+strings.Join(answers, "; "))
		}
	}
	return found, nil
}

const unreachable = "the database was not reached"

func (d *doctor) migrations(ctx context.Context) finding {
	if d.schemas == nil {
		return skips(unreachable)
	}
	lacking, err := d.eachSchema(ctx, func(ctx context.Context, schema string) (missing []string, err error) {
		statuses, err := d.db.Migrations(ctx, schema)
		if err != nil {
			return []string{oneLine(err)}, ctx.Err() // it may be this schema's alone
		}
		for _, s := range statuses {
			missing = append(missing, s.Missing...)
		}
		return missing, nil
	})
	const do = "run `followup migrate up --schema NAME`, or --all, with the login of the tables' owner"
	switch {
	case err != nil:
		return fails(do, "%s", oneLine(err))
	case len(lacking) > 0:
		return fails(do, "%s of %d lack something: %s", cli.Plural(len(lacking), "schema"), len(d.schemas), strings.Join(lacking, ". "))
	}
	lacks, err := d.optional(ctx)
	if err != nil {
		return fails(do, "%s", oneLine(err))
	}
	return passes("%s up to date%s", cli.Plural(len(d.schemas), "schema"), lacks)
}

// optional says what LAD's own tables lack and need not have: in how many schemas.
func (d *doctor) optional(ctx context.Context) (string, error) {
	var order []string
	lacking := map[string]int{}
	for _, schema := range d.schemas {
		missing, err := d.db.Optional(ctx, schema)
		if err != nil {
			return "", err
		}
		for _, what := range missing {
			if lacking[what]++; lacking[what] == 1 {
				order = append(order, what)
			}
		}
	}
	for i, what := range order {
		order[i] = fmt.Sprintf("%s (in %d of %d)", what, lacking[what], len(d.schemas))
	}
	if order == nil {
		return "", nil
	}
	return "; LAD does without, which is allowed: " + strings.Join(order, ", "), nil
}

func (d *doctor) rights(ctx context.Context) finding {
	if d.schemas == nil {
		return skips(unreachable)
	}
	const do = "let the functions log in as followup_app, or as a member of it and of nothing else, and REVOKE what is listed"
	excess, err := d.db.RoleExcess(ctx)
	if err != nil {
		return fails(do, "%s", oneLine(err))
	}
	if len(excess) == 0 {
		// Whoever is a superuser has every right: they would only be repeated.
		excess, err = d.eachSchema(ctx, func(ctx context.Context, schema string) ([]string, error) {
			return d.db.SchemaExcess(ctx, schema, d.database.Registry)
		})
	}
	switch {
	case err != nil:
		return fails(do, "%s", oneLine(err))
	case len(excess) > 0:
		return fails(do, "the login may do more than it should: %s", strings.Join(excess, ". "))
	default:
		return passes("the login has the rights of followup_app and no others")
	}
}

func (d *doctor) isolation(ctx context.Context) finding {
	if d.schemas == nil {
		return skips(unreachable)
	}
	const do = "run `followup migrate up`, which restores the views, and look for an ALTER ROLE … SET app.tenant_id or for a view that somebody has replaced"
	leaks, err := d.eachSchema(ctx, d.db.Leaks)
	switch {
	case err != nil:
		return fails(do, "%s", oneLine(err))
	case len(leaks) > 0:
		return fails(do, "tenants are not kept apart: %s", strings.Join(leaks, ". "))
	default:
		return passes("without a tenant's name nothing is seen")
	}
}

func (d *doctor) ladTrigger(ctx context.Context) finding {
	if d.schemas == nil {
		return skips(unreachable)
	}
	found, err := d.eachSchema(ctx, d.db.LADTriggers)
	switch {
	case err != nil:
		return fails("look into pg_trigger by hand", "%s", oneLine(err))
	case len(found) > 0:
		return warns("while LAD's listener and scheduler run, two systems dial: stop them, then ALTER TABLE lead_bookings DISABLE TRIGGER as the owner (docs/cut-over.md)",
			"LAD's own trigger still announces bookings: %s", strings.Join(found, ". "))
	default:
		return passes("LAD's own trigger is not installed, or disabled")
	}
}
