package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"github.com/sethvargo/go-envconfig"
	"google.golang.org/protobuf/types/known/durationpb"

	"lad.internal/followup/emulators/postgres"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// newWard is a desk where everything is as it must be: the queue runs and
// agrees with the settings, the endpoint is the execute function itself, and
// LAD's trigger is off.
func newWard(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t).requeue()
	for _, tenant := range []uuid.UUID{functiontest.TenantA, functiontest.TenantB} {
		d.LAD(t, tenant, "ALTER TABLE lead_bookings DISABLE TRIGGER trigger_schedule_followup_cloud_task")
	}
	d.Insert(functiontest.Seed{At: soon()})
	return d.serve(execute.OIDCConfig{Mode: "verify", Issuer: d.queue.Issuer, CertsURL: d.queue.CertsURL})
}

// serve is the desk whose endpoint is the execute function in this mode.
func (d *desk) serve(c execute.OIDCConfig) *desk {
	d.t.Helper()
	verifier, err := execute.NewVerifier(context.WithoutCancel(d.t.Context()), c, functiontest.Audience, functiontest.Account)
	if err != nil {
		d.t.Fatal(err)
	}
	agent := functiontest.NewAgent(d.t, false)
	handler, err := execute.New(execute.Parts{
		Rules: functiontest.Rules(), Store: d.DB, Queue: d.queue.Client, Agent: functiontest.Client(d.t, agent.URL, time.Second),
		Verifier: verifier, QueueName: functiontest.Queue, TaskPath: d.queue.Config.TaskPath, CallTimeout: time.Second,
		Log: (&functiontest.Log{}).Logger(),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.at(handler.ServeHTTP).with(map[string]string{"FOLLOWUP_OIDC_AUDIENCE": functiontest.Audience, "FOLLOWUP_TIMELINE": "1"})
}

// requeue is the desk with a queue of its own, which is well.
func (d *desk) requeue() *desk {
	d.t.Helper()
	queue := functiontest.NewTasks(d.t, d.queue.Config.Endpoint)
	other := d.with(map[string]string{"CLOUD_TASKS_EMULATOR_HOST": queue.Addr})
	other.queue = queue
	other.tune(&cloudtaskspb.RetryConfig{MaxAttempts: -1, MinBackoff: durationpb.New(time.Second), MaxBackoff: durationpb.New(time.Minute)})
	queue.Resume()
	return other
}

// of is the desk as a subtest uses it.
func (d *desk) of(t *testing.T) *desk {
	other := *d
	other.t = t
	return &other
}

// tune changes how the queue retries.
func (d *desk) tune(retry *cloudtaskspb.RetryConfig) {
	d.t.Helper()
	_, err := d.queue.UpdateQueue(d.t.Context(), &cloudtaskspb.UpdateQueueRequest{
		Queue: &cloudtaskspb.Queue{Name: d.queue.Config.QueuePath(), RetryConfig: retry}})
	if err != nil {
		d.t.Fatal(err)
	}
}

// at is the desk whose endpoint is this one.
func (d *desk) at(endpoint http.HandlerFunc) *desk {
	d.t.Helper()
	server := httptest.NewServer(endpoint)
	d.t.Cleanup(server.Close)
	return d.with(map[string]string{"FOLLOWUP_EXECUTION_ENDPOINT": server.URL + "/bookings/:id/execute-followup"})
}

// examined are the statuses of all checks, in their order.
func (s *session) examined() (statuses string, byName map[string]finding) {
	s.t.Helper()
	var found findings
	s.json(&found)
	byName = map[string]finding{}
	for _, c := range found.Checks {
		statuses += string(c.Status) + " "
		byName[c.Check] = c
	}
	if found.OK != (s.code == 0) {
		s.t.Errorf("ok is %v and the exit code %d", found.OK, s.code)
	}
	return strings.TrimSpace(statuses), byName
}

func TestADoctorFindsNothingWhereAllIsWell(t *testing.T) {
	t.Parallel()
	d := newWard(t)
	before := d.Checksum()
	s := d.run("doctor").want(0, "ok    configuration", "ok    database", "2 schemas of tenants", "2 schemas up to date; LAD does without, which is allowed: column lead_notes.is_deleted (in 2 of 2)", "rejects unauthenticated requests (401)",
		"tries a task again without end", "VOICE_AGENT_LIMIT 30/1m,10/5s lets a call be made every 4s, at 2 requests a call (assumed", "9 ok, 0 warn, 0 fail, 0 skip")
	if strings.Contains(s.out.String(), "→") {
		t.Errorf("there is something to do:\n%s", s.out.String())
	}
	if d.Checksum() != before || len(d.queue.List()) != 0 {
		t.Error("looking has changed something")
	}
	shared := d.with(map[string]string{"TENANT_REGISTRY": "", "TENANT_SCHEMA": tenantdbtest.SharedSchema})
	shared.run("doctor").want(0, "1 schema of tenants", "9 ok")
	d.run("doctor", "--timeout", "0s").want(cli.ExitUsage, "--timeout")
}

// Each row breaks one thing. The others are examined all the same, in the order
// configuration, database, migrations, rights, tenants, queue, endpoint,
// clocks, lad.
func TestEveryCheckFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	set := func(changed map[string]string) func(*desk) *desk {
		return func(d *desk) *desk { return d.with(changed) }
	}
	lad := func(sql string) func(*desk) *desk {
		return func(d *desk) *desk {
			own := newWard(d.t)
			own.LAD(d.t, functiontest.TenantA, sql)
			return own
		}
	}
	answers := func(code int) func(*desk) *desk {
		return func(d *desk) *desk {
			return d.at(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(code)
			})
		}
	}
	clock := func(ahead time.Duration) func(*desk) *desk {
		return func(d *desk) *desk {
			return d.at(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusUnauthorized)
			})
		}
	}
	retry := func(attempts int32, total, longest time.Duration) func(*desk) *desk {
		return func(d *desk) *desk {
			own := d.requeue()
			own.tune(&cloudtaskspb.RetryConfig{MaxAttempts: attempts, MinBackoff: durationpb.New(time.Second),
				MaxBackoff: durationpb.New(longest), MaxRetryDuration: durationpb.New(total)})
			return own
		}
	}
	ward := newWard(t) // for what changes neither database nor queue
	const well = "ok ok ok ok ok ok ok ok ok"
	for name, c := range map[string]struct {
		spoil    func(*desk) *desk
		statuses string
		check    string
		want     string // in the check's detail
	}{
		"a setting out of range": {set(map[string]string{"FOLLOWUP_MAX_LATENESS": "1s"}),
			"fail ok ok ok ok warn ok ok ok", "configuration", "FOLLOWUP_MAX_LATENESS is 1s"},
		"two settings that contradict each other": {set(map[string]string{"FOLLOWUP_LEASE": "10m"}),
			"fail ok ok ok ok ok ok ok ok", "configuration", "FOLLOWUP_DISPATCH_DEADLINE is 3m0s and FOLLOWUP_LEASE is 10m0s"},
		"no database set": {set(map[string]string{"DATABASE_URL": ""}),
			"fail skip skip skip skip ok ok ok skip", "configuration", "DATABASE_URL is missing"},
		"no project set": {set(map[string]string{"GCP_PROJECT_ID": ""}),
			"fail ok ok ok ok skip skip ok ok", "configuration", "GCP_PROJECT_ID is missing"},
		"a database that is down": {set(map[string]string{"DATABASE_URL": "postgres://followup_app:secret@127.0.0.1:1/lad"}),
			"ok fail skip skip skip ok ok ok skip", "database", "connection refused"},
		"a wrong password": {func(d *desk) *desk {
			return d.with(map[string]string{"DATABASE_URL": strings.Replace(d.DatabaseURL(), tenantdbtest.Password, "hunter2hunter2", 1)})
		}, "ok fail skip skip skip ok ok ok skip", "database", "the database refuses the login, its password, or a right that it needs (SQLSTATE 28P01)"},
		"a wrong host": {set(map[string]string{"DATABASE_URL": "postgres://followup_app:secret@database.invalid/lad"}),
			"ok fail skip skip skip ok ok ok skip", "database", "at database.invalid:5432: the database's host is not known"},
		"no such database": {func(d *desk) *desk {
			return d.with(map[string]string{"DATABASE_URL": strings.Replace(d.DatabaseURL(), "/test_", "/no_test_", 1)})
		}, "ok fail skip skip skip ok ok ok skip", "database", "there is no database of this name"},
		"no such registry": {set(map[string]string{"TENANT_REGISTRY": "lad_registry.nobody"}),
			"ok fail skip skip skip ok ok ok skip", "database", "lad_registry.nobody"},
		"a server that does not sync": {func(d *desk) *desk {
			server, err := postgres.Start(d.t.Context(), postgres.Options{Settings: map[string]string{"fsync": "off"}})
			if err != nil {
				d.t.Fatal(err)
			}
			d.t.Cleanup(func() {
				if err := server.Stop(); err != nil {
					d.t.Error(err)
				}
			})
			return d.with(map[string]string{"DATABASE_URL": server.AdminURL(), "TENANT_SCHEMA": "lad_dev", "TENANT_REGISTRY": ""})
		}, "ok fail fail fail fail ok ok ok ok", "database", "a commit may not outlive a crash: fsync is on: false, full_page_writes is on: true"},
		"commits that do not wait": {lad(`DO $$ BEGIN EXECUTE format('ALTER ROLE followup_app IN DATABASE %I SET synchronous_commit = off', current_database()); END $$`),
			well, "database", "synchronous_commit, which follow-ups raise to on where it is off, is off"},
		"a database that nobody would see restored": {set(map[string]string{"FOLLOWUP_TIMELINE": ""}),
			"ok warn ok ok ok ok ok ok ok", "database", "nothing would notice"},
		"a database that was restored": {set(map[string]string{"FOLLOWUP_TIMELINE": "7"}),
			"ok fail ok ok ok ok ok ok ok", "database", "it is on time line 1, and FOLLOWUP_TIMELINE is 7"},
		"a time line that may not be read": {func(d *desk) *desk {
			own := newWard(d.t)
			admin := connect(d.t, own.AdminURL)
			if _, err := admin.Exec(d.t.Context(), "REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC"); err != nil {
				d.t.Fatal(err)
			}
			return own
		}, "ok warn ok ok ok ok ok ok ok", "database", "its time line cannot be read"},
		"an empty registry": {lad(`DELETE FROM lad_registry.tenants`),
			"ok warn ok ok ok ok ok ok ok", "database", "the registry names no schema"},
		"a schema that lacks an index": {lad(`DROP INDEX followup_pending_idx`),
			"ok ok fail ok ok ok ok ok ok", "migrations", "tenant_a: index followup_pending_idx"},
		"a schema that is not there": {lad(`UPDATE lad_registry.tenants SET schema_name = 'tenant_x' WHERE schema_name = 'tenant_a'`),
			"ok ok fail ok fail ok ok ok ok", "migrations", "tenant_x: status of schema tenant_x: no table lead_bookings there"},
		"a right on LAD's table": {lad(`GRANT SELECT ON lead_bookings TO followup_app`),
			"ok ok ok fail ok ok ok ok ok", "rights", "tenant_a: SELECT on lead_bookings"},
		"a superuser": {func(d *desk) *desk { return d.with(map[string]string{"DATABASE_URL": d.AdminURL}) },
			"ok ok ok fail ok ok ok ok ok", "rights", "it is SUPERUSER"},
		"an open view": {lad(`CREATE OR REPLACE VIEW followup_leads AS SELECT id, tenant_id, first_name, last_name, phone,
			NULL::text AS country_code, NULL::text AS base_number, NULL::text AS excluded, NULL::text AS latest_note FROM leads`),
			"ok ok ok ok fail ok ok ok ok", "tenants", "tenant_a: followup_leads shows rows without the setting app.tenant_id"},
		"no queue": {set(map[string]string{"FOLLOWUP_QUEUE_NAME": "other"}),
			"ok ok ok ok ok fail ok ok ok", "queue", "projects/p/locations/l/queues/other does not exist"},
		"a paused queue": {func(d *desk) *desk {
			d = d.requeue()
			_, err := d.queue.PauseQueue(d.t.Context(), &cloudtaskspb.PauseQueueRequest{Name: d.queue.Config.QueuePath()})
			if err != nil {
				d.t.Fatal(err)
			}
			return d
		}, "ok ok ok ok ok fail ok ok ok", "queue", "the queue is PAUSED"},
		"a queue that may not be seen": {func(d *desk) *desk { return d.through(denying{}) },
			"ok ok ok ok ok fail ok ok ok", "queue", denial},
		"a Cloud Tasks that is down": {set(map[string]string{"CLOUD_TASKS_EMULATOR_HOST": "127.0.0.1:1"}),
			"ok ok ok ok ok fail ok ok ok", "queue", "connection refused"},
		"a queue that gives up by time":     {retry(-1, time.Hour, time.Minute), "ok ok ok ok ok fail ok ok ok", "queue", "gives a task up after 1h0m0s"},
		"a queue that gives up by attempts": {retry(5, 0, time.Minute), "ok ok ok ok ok fail ok ok ok", "queue", "FOLLOWUP_MAX_LATENESS is 24h0m0s"},
		"a queue that is told as long":      {retry(-1, 24*time.Hour, time.Minute), well, "queue", "tries a task again for 24h0m0s"},
		"a queue that waits too long":       {retry(-1, 0, time.Hour), "ok ok ok ok ok fail ok ok ok", "queue", "a task may wait 1h0m0s for its next attempt"},
		"a queue that is slower than the voice service": {func(d *desk) *desk {
			d = d.requeue()
			_, err := d.queue.UpdateQueue(d.t.Context(), &cloudtaskspb.UpdateQueueRequest{Queue: &cloudtaskspb.Queue{
				Name: d.queue.Config.QueuePath(), RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 0.4},
				RetryConfig: &cloudtaskspb.RetryConfig{MaxAttempts: -1, MaxBackoff: durationpb.New(time.Minute)}}})
			if err != nil {
				d.t.Fatal(err)
			}
			return d
		}, "ok ok ok ok ok fail ok ok ok", "queue",
			"the queue sends 0.4 tasks a second (max_dispatches_per_second), VOICE_AGENT_LIMIT (30/1m,10/5s, 2 requests a call) lets a call be made every 4s, which may take two tasks: when many calls are due, they wait in the queue"},
		"a queue with a target of its own": {func(d *desk) *desk {
			d = d.requeue()
			_, err := d.queue.UpdateQueue(d.t.Context(), &cloudtaskspb.UpdateQueueRequest{Queue: &cloudtaskspb.Queue{
				Name: d.queue.Config.QueuePath(), HttpTarget: &cloudtaskspb.HttpTarget{HttpMethod: cloudtaskspb.HttpMethod_POST},
				RetryConfig: &cloudtaskspb.RetryConfig{MaxAttempts: -1, MaxBackoff: durationpb.New(time.Minute)}}})
			if err != nil {
				d.t.Fatal(err)
			}
			return d
		}, "ok ok ok ok ok warn ok ok ok", "queue", "whatever the tasks say"},
		"a deadline as long as the grace": {set(map[string]string{"FOLLOWUP_DISPATCH_DEADLINE": "5m"}),
			"ok ok ok ok ok warn ok ok ok", "queue", "FOLLOWUP_DISPATCH_DEADLINE is 5m0s and FOLLOWUP_GRACE is 5m0s"},
		"an endpoint that lets strangers in": {answers(http.StatusOK), "ok ok ok ok ok ok fail ok ok", "endpoint", "an unauthenticated request is let in (200)"},
		"an endpoint that is not there":      {answers(http.StatusNotFound), "ok ok ok ok ok ok fail ok ok", "endpoint", "it answers 404"},
		"an endpoint that moved":             {answers(http.StatusFound), "ok ok ok ok ok ok fail ok ok", "endpoint", "it answers 302"},
		"an endpoint that is ill":            {answers(http.StatusBadGateway), "ok ok ok ok ok ok fail ok ok", "endpoint", "is not well (502)"},
		"an endpoint that is down": {set(map[string]string{"FOLLOWUP_EXECUTION_ENDPOINT": "http://127.0.0.1:1/bookings/:id/execute-followup"}),
			"ok ok ok ok ok ok fail ok ok", "endpoint", "connection refused"},
		"a private endpoint": {answers(http.StatusForbidden), "ok ok ok ok ok ok warn ok ok", "endpoint", "the service is private"},
		"a private endpoint that is meant": {func(d *desk) *desk {
			return answers(http.StatusForbidden)(d.with(map[string]string{"FOLLOWUP_OIDC_MODE": "iam"}))
		}, well, "endpoint", "Cloud Run rejects unauthenticated requests (403)"},
		"a private endpoint that is open": {set(map[string]string{"FOLLOWUP_OIDC_MODE": "iam"}),
			"ok ok ok ok ok ok fail ok ok", "endpoint", "an unauthenticated request reaches the function (401)"},
		"an endpoint that cannot check tokens": {func(d *desk) *desk {
			return d.at(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(map[bool]int{false: http.StatusUnauthorized, true: http.StatusBadGateway}[r.Header.Get("Authorization") != ""])
			})
		}, "ok ok ok ok ok ok fail ok ok", "endpoint", "a token cannot be checked (502)"},
		"an endpoint that believes everybody": {func(d *desk) *desk { return d.serve(execute.OIDCConfig{Mode: "iam", Service: "execute"}) },
			"ok ok ok ok ok ok fail ok ok", "endpoint", "a token that nobody has signed is believed (400)"},
		"a clock that is an hour ahead":  {clock(time.Hour), "ok ok ok ok ok ok ok fail ok", "clocks", "from here to the endpoint +3"},
		"a clock that is seconds behind": {clock(-4 * time.Second), "ok ok ok ok ok ok ok warn ok", "clocks", "from the endpoint to the database +"},
		"LAD's trigger, as it is installed": {func(d *desk) *desk {
			d = newWard(d.t)
			d.LAD(d.t, functiontest.TenantB, "ALTER TABLE lead_bookings ENABLE TRIGGER trigger_schedule_followup_cloud_task")
			return d
		}, "ok ok ok ok ok ok ok ok warn", "lad", "tenant_b: trigger_schedule_followup_cloud_task"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.spoil(ward.of(t)).run("doctor", "--json", "--timeout", "60s")
			statuses, checks := s.examined()
			if statuses != c.statuses {
				t.Errorf("the checks are\n%s, want\n%s\n%s", statuses, c.statuses, s.out.String())
			}
			got := checks[c.check]
			if !strings.Contains(got.Detail, c.want) || (got.Do == "") != (got.Status == passed) {
				t.Errorf("%s: %+v", c.check, got)
			}
			if code := map[bool]int{true: cli.ExitFailed}[strings.Contains(statuses, "fail")]; s.code != code {
				t.Errorf("exit code %d, want %d", s.code, code)
			}
			if strings.Contains(s.out.String(), "hunter2") {
				t.Error("the password is shown")
			}
		})
	}
}

func TestDoctorOfAllTenants(t *testing.T) {
	t.Parallel()
	d := newWard(t)
	d.LAD(t, functiontest.TenantB, "DELETE FROM voice_agents")
	at := time.Date(2100, 12, 1, 14, 0, 0, 0, time.UTC)
	for range 5 {
		d.Insert(functiontest.Seed{At: at, Timezone: "GST"})
	}
	d.Insert(functiontest.Seed{At: at, Timezone: "Mars"})
	d.Change(d.Insert(functiontest.Seed{At: at}).Ref, "booking_type = 'folow_up'")
	s := d.run("doctor", "--all").want(0, "9 ok, 3 warn", `1 booking of type "folow_up"`, "without a voice agent, so that a call is made only if its booking names one: "+tenantB(),
		tenantA()+`: 1 booking in "Mars"`, tenantB()+"  none   -", "no voice agent for this tenant", "the default agent of the tenant's active number",
		"voice_agent  GST   5         2100-12-01 18:00  2100-12-01T14:00:00Z  2100-12-01T18:00:00Z  wall    18:00 GST (Asia/Dubai) = 14:00Z",
		"voice_agent  Mars  1         2100-12-01 14:00  cannot be read        2100-12-01T14:00:00Z  none    14:00 in a zone that cannot be read")
	if strings.Contains(s.out.String(), "+1202555") {
		t.Errorf("a number is shown:\n%s", &s.out)
	}
	var found findings
	d.with(map[string]string{"FOLLOWUP_TIME_MEANS": "instant", "FOLLOWUP_DEFAULT_TIMEZONE": "Asia/Dubai"}).run("doctor", "--all", "--json").want(0).json(&found)
	a := found.Tenants[0]
	if len(found.Checks) != 12 || len(found.Tenants) != 2 || *a.Agent.ID != 7 || len(a.Times) != 3 || len(a.Times[0].Next) != 3 {
		t.Fatalf("found %+v", found)
	}
	for _, r := range a.Times {
		for _, n := range r.Next {
			if !r.Readable || n.Chosen != "instant" || n.Wall == nil || r.Zone == "GST" && n.Stored.Sub(n.Wall.Time) != 4*time.Hour {
				t.Errorf("in %s: %+v", r.Zone, n)
			}
		}
	}
	d.LAD(t, functiontest.TenantB, "DROP VIEW followup_agents")
	d.run("doctor", "--all").want(cli.ExitFailed, "fail  agents", "run `followup migrate up`", tenantB()+"  ?")
	d.with(map[string]string{"DATABASE_URL": ""}).run("doctor", "--all").want(cli.ExitFailed, "skip  agents", "skip  times", "skip  types")
}

// Nobody listens to what is sent there.
func silent(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	return lis.Addr().String()
}

func TestACheckThatHangsEndsAtItsTimeoutAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	d := newWard(t)
	address := silent(t)
	for name, c := range map[string]struct{ setting, value, statuses string }{
		"database": {"DATABASE_URL", "postgres://followup_app:secret@" + address + "/lad?sslmode=disable", "ok fail skip skip skip ok ok ok skip"},
		"queue":    {"CLOUD_TASKS_EMULATOR_HOST", address, "ok ok ok ok ok fail ok ok ok"},
		"endpoint": {"FOLLOWUP_EXECUTION_ENDPOINT", "http://" + address + "/bookings/:id/execute-followup", "ok ok ok ok ok ok fail ok ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := d.of(t).with(map[string]string{c.setting: c.value}).run("doctor", "--json", "--timeout", "8s")
			if statuses, checks := s.examined(); statuses != c.statuses {
				t.Errorf("the checks are %s: %+v", statuses, checks)
			}
		})
	}
}

func TestThisMachinesOwnClockIsCheckedToo(t *testing.T) {
	t.Parallel()
	d := newWard(t)
	ctx := withEnvironment(context.Background(), envconfig.MapLookuper(d.settings))
	for behind, want := range map[time.Duration]checkStatus{time.Millisecond: passed, 4 * time.Second: warned, time.Minute: failed} {
		// A busy machine may take too long for a clock to be read exactly, and says
		// so; then it is read again.
		functiontest.Eventually(t, fmt.Sprintf("a clock %v behind is %s", behind, want), func() bool {
			report := examine(ctx, 10*time.Second, false, func() time.Time { return time.Now().Add(-behind) })
			return slices.ContainsFunc(report.Checks, func(f finding) bool { return f.Check == "clocks" && f.Status == want })
		})
	}
}
