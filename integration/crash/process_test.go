package crash_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lad.internal/followup/emulators/process"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// killStride: without FOLLOWUP_CRASH=all every so-many-th step is killed.
const killStride = 9

// doomed are the scenarios of a real process, in which time goes by itself.
var doomed = []scenario{
	{name: "schedule_new", by: byEvent, prepare: func(r *run) { r.book(0); r.deliver(functiontest.Created) }},
	{name: "execute_due", by: byTask, prepare: func(r *run) { r.book(0) }, fire: func(r *run) { r.heard(functiontest.Created) }},
	{name: "sweep_due", by: byEvent, prepare: func(r *run) { r.book(0); r.deliver(functiontest.Tick) }},
}

// The same with the functions' own program, as it is deployed, ended by SIGKILL
// at a step: what a crash within this process cannot show is thereby shown.
func TestAProcessMayBeKilledAtAnyStep(t *testing.T) {
	t.Parallel()
	group, err := process.NewGroup()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := group.Close(time.Second); err != nil {
			t.Error(err)
		}
	})
	program := buildFunction(t, group)
	every := killStride
	if exhaustive() {
		every = 1
	}
	for _, plan := range doomed {
		t.Run(plan.name, func(t *testing.T) {
			t.Parallel()
			steps := playUntil(t, group, program, plan, spoiled{fault: none, rival: nobody}, func(r *run) bool {
				return slices.Contains(r.steps, "update")
			}).steps
			t.Logf("%d steps: %s", len(steps), strings.Join(steps, ", "))
			first, last := 1, len(steps)
			if plan.isTick() { // the booking's part of it
				first = slices.Index(steps, "read booking") - 1
			}
			if plan.by == byEvent {
				// The task is due now, and may be quicker than its planner, who then looks
				// once more: that is in some runs only.
				last = slices.Index(steps, "update") + 2
			}
			i := 0
			for step := first; step <= last; step++ {
				for _, f := range []fault{crashBefore, crashAfter} {
					if i++; (i-1)%every != 0 {
						continue
					}
					c := spoiled{fault: f, step: step, rival: nobody}
					t.Run(c.String(), func(t *testing.T) {
						t.Parallel()
						playUntil(t, group, program, plan, c, func(r *run) bool { return r.reached })
					})
				}
			}
		})
	}
}

// playUntil plays a case until it is the one that is meant: on a busy machine a
// process may be refused its connection, or find its booking called already, and
// then takes fewer steps. Every one that is played keeps the promises.
func playUntil(t *testing.T, group *process.Group, program string, plan scenario, what spoiled, meant func(*run) bool) *run {
	t.Helper()
	for try := 1; ; try++ {
		r, said := playProcess(t, group, program, plan, what)
		if meant(r) {
			return r
		}
		t.Logf("try %d has taken other steps: %s; the process says:\n%s", try, strings.Join(r.steps, ", "), said)
		if try == 3 {
			t.Fatalf("%s is not to be had", what)
		}
	}
}

func buildFunction(t *testing.T, group *process.Group) (program string) {
	t.Helper()
	dir, err := group.Folder("crash-")
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "function")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", program, "lad.internal/followup/cmd/function").CombinedOutput(); err != nil {
		t.Fatalf("build cmd/function: %v\n%s", err, out)
	}
	return program
}

// playProcess plays a case whose victim is a process, in a world of its own.
func playProcess(t *testing.T, group *process.Group, program string, plan scenario, what spoiled) (_ *run, said string) {
	t.Helper()
	w := newWorld(t, setup{realTime: true})
	r := &run{world: w, t: t, plan: plan, what: what, locked: make(chan struct{}), free: make(chan struct{})}
	target, victim, output := w.startProcess(t, group, program, plan)
	ended := make(chan struct{})
	var once sync.Once
	handler := http.Handler(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		defer once.Do(func() { close(ended) })
		relay := httputil.NewSingleHostReverseProxy(target)
		relay.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
		relay.ServeHTTP(rw, req)
	}))
	plan.prepare(r)
	r.seam.arm(plot{fault: what.fault, faultAt: what.step})
	status := http.StatusOK
	if plan.by == byTask {
		r.takesTask.Store(&handler)
		plan.fire(r)
	} else {
		r.takesEvent.Store(&handler)
		status = r.push(context.Background(), r.delivered)
	}
	if err := within("the end of the victim's work", ended); err != nil {
		t.Fatalf("%s: %v", r, err)
	}
	r.steps, r.reached, _ = r.seam.seen()
	if what.fault.crash() && r.reached {
		if err := within("the end of the process", victim.Ended()); err != nil {
			t.Fatal(err)
		}
		if how := victim.How(); how != "signal: killed" {
			t.Fatalf("the process ended %s, want by SIGKILL", how)
		}
	}
	r.seam.disarm()
	if status != http.StatusOK { // Pub/Sub sends it again; the task may hold the row's lock meanwhile
		functiontest.Eventually(t, "the event is taken once the process is dead", func() bool {
			return r.delivered.To(r.healthy.Schedule) == http.StatusOK
		})
	}
	r.endInRealTime()
	r.check()
	if len(r.problems) > 0 {
		t.Error(r.report())
	}
	_ = victim.Signal(syscall.SIGKILL) // most are dead already
	<-victim.Ended()
	return r, output.String()
}

// startProcess starts the victim, and returns where it listens and, once it has
// ended, what it said.
func (w *world) startProcess(t *testing.T, group *process.Group, program string, plan scenario) (*url.URL, *process.Process, *bytes.Buffer) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // nobody has connected
	_, port, _ := net.SplitHostPort(address)
	target, name := &url.URL{Scheme: "http", Host: address}, schedule.Name
	if plan.by == byTask {
		name = execute.Name
	}
	database := w.Config
	throughSeam(t, w.seam)(&database)
	c := exec.Command(program)
	said := &bytes.Buffer{}
	c.Stdout, c.Stderr = said, said
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "FUNCTION_TARGET=" + name, "PORT=" + port, "LOCAL_ONLY=true",
		"DATABASE_URL=" + database.URL.Reveal(), "TENANT_SCHEMA=" + tenantdbtest.SharedSchema,
		"CLOUD_TASKS_EMULATOR_HOST=" + tasksThroughSeam(t, w.queue.Server, w.seam),
		"GCP_PROJECT_ID=" + w.config.ProjectID, "GCP_LOCATION=" + w.config.Location, "FOLLOWUP_QUEUE_NAME=" + w.config.Queue,
		"GCP_CLOUD_TASKS_SERVICE_ACCOUNT=" + w.config.ServiceAccount, "FOLLOWUP_EXECUTION_ENDPOINT=" + w.config.Endpoint,
		"FOLLOWUP_OIDC_AUDIENCE=" + w.config.Audience, "FOLLOWUP_OIDC_ISSUER=" + w.queue.Issuer, "FOLLOWUP_OIDC_CERTS_URL=" + w.queue.CertsURL,
		"VOICE_AGENT_BASE_URL=" + agentThroughSeam(t, w.agent.Server, w.seam), "VOICE_AGENT_START_CALL_PATH=" + voiceagent.StartCallPath,
		"INTERNAL_SERVICE_SECRET=" + functiontest.Secret, "VOICE_AGENT_TIMEOUT=" + (5 * time.Second).String(),
		"VOICE_AGENT_JOB_AFTER=" + (4 * dispatchAfter).String(),
		"FOLLOWUP_ACTIVE_SINCE=" + w.rules.ActiveSince.UTC().Format(time.RFC3339),
	}
	victim, err := group.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = victim.Signal(syscall.SIGKILL) // most are dead already
		<-victim.Ended()
	})
	w.seam.kill = func() {
		_ = victim.Signal(syscall.SIGKILL)
		<-victim.Ended()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if process.Listens(t.Context(), address) {
			return target, victim, said
		}
		select {
		case <-victim.Ended():
			t.Fatalf("the function ended at its start, %s: %s", victim.How(), said.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the function does not listen")
		}
	}
}

// endInRealTime sweeps until the booking has an end, and a lease longer.
func (r *run) endInRealTime() {
	const pause = 200 * time.Millisecond
	ctx := context.Background()
	deadline := time.Now().Add(patience)
	b := r.row(r.t, r.ref)
	for ; !r.over(b); b = r.row(r.t, r.ref) {
		if time.Now().After(deadline) {
			r.fail("the booking has no end: %s", fmt.Sprint(b.Task))
			return
		}
		time.Sleep(pause)
		r.healthy.Schedule.Sweep(ctx)
	}
	time.Sleep(r.rules.Lease + pause)
	r.healthy.Schedule.Sweep(ctx)
	idle, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.queue.WaitIdle(idle); err != nil {
		r.t.Fatal(err)
	}
	if now := r.row(r.t, r.ref); now.Task != b.Task || now.Task.Status == followup.InProgress {
		r.fail("the end did not last: %+v became %+v", b.Task, now.Task)
	}
}
