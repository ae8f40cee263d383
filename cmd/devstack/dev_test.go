package main

import (
	"encoding/json"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/localstack/voiceagent"
)

func TestDevSaysInOneLineThatItIsReadyAndEndsOnASignal(t *testing.T) {
	t.Parallel()
	stacktest.NeedProc(t)
	for name, signal := range map[string]func(pid int) error{
		"Ctrl-C in its terminal": func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) },
		"kill":                   func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDev(t, launch{})
			if len(d.tenants) != 2 {
				t.Errorf("the tenants are %+v", d.tenants)
			}
			user := d.user(0)
			id := user.Book(t, time.Now(), nil)
			user.Await(t, id, "executed")
			var calls []voiceagent.Call
			if get(t, d.url+voiceagent.CallsPath+"?bookingId="+id, &calls); len(calls) != 1 {
				t.Errorf("the voice agent saw %+v", calls)
			}
			processes := stacktest.Descendants(t, d.command.Process.Pid)
			if err := signal(d.command.Process.Pid); err != nil {
				t.Fatal(err)
			}
			d.awaitEnd(t)
			if code := d.command.ProcessState.ExitCode(); code != 0 {
				t.Errorf("it ended with %v: %s", d.command.ProcessState, &d.errOut)
			}
			if out := d.out.all(); len(out) != 1 {
				t.Errorf("standard output has more than one line: %q", out)
			}
			d.leavesNothing(t, processes)
		})
	}
}

func TestNothingIsLeftOfADevThatIsKilled(t *testing.T) {
	t.Parallel()
	stacktest.NeedProc(t)
	for _, step := range []string{"starting a throw-away PostgreSQL", "creating two tenants", "starting ExecuteFollowUp", "starting ScheduleFollowUp"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			d := launchDev(t, launch{killAt: step})
			d.awaitEnd(t)
			if len(d.out.all()) > 0 {
				t.Errorf("it had got ready: %s", &d.out)
			}
			d.leavesNothing(t, nil)
		})
	}
	t.Run("in the middle of a call", func(t *testing.T) {
		t.Parallel()
		d := startDev(t, launch{})
		user := d.user(1)
		lead := uuid.NewString()
		post(t, d.url+voiceagent.BehaviourPath, `{"leadId":"`+lead+`","behaviour":"hang"}`)
		user.Await(t, user.Book(t, time.Now(), map[string]any{"leadId": lead}), "in_progress")
		processes := stacktest.Descendants(t, d.command.Process.Pid)
		if len(processes) < 5 { // keeper, postgres, two functions, a warden
			t.Errorf("it has the processes %v", processes)
		}
		if err := d.command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		d.awaitEnd(t)
		d.leavesNothing(t, processes)
	})
}

func TestADevThatIsStoppedWhileItStartsEndsInPeace(t *testing.T) {
	t.Parallel()
	d := launchDev(t, launch{})
	await(t, "its first step", func() bool { return len(d.errOut.all()) > 0 })
	if err := d.command.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	d.awaitEnd(t)
	if code := d.command.ProcessState.ExitCode(); code != 0 || len(d.out.all()) > 0 {
		t.Errorf("it ended with %v, and said %q and %s", d.command.ProcessState, d.out.all(), &d.errOut)
	}
	d.leavesNothing(t, nil)
}

func TestDevSaysThatThePortIsInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	code, out, errOut := runCommand(t, "dev", "--listen", taken.Addr().String())
	if code != cli.ExitFailed || out != "" || !strings.Contains(errOut, "something listens on "+taken.Addr().String()+" already") {
		t.Errorf("exit code %d with %q and %q", code, out, errOut)
	}
}

func TestDevRunsForAnOrdinaryUserFromAnyFolder(t *testing.T) {
	t.Parallel()
	how := launch{workDir: "/", program: copyForEverybody(t)} // and no HOME
	if os.Geteuid() == 0 {
		const nobody = 65534
		how.user = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	d := startDev(t, how)
	user := d.user(0)
	user.Await(t, user.Book(t, time.Now(), nil), "executed")
	processes := stacktest.Descendants(t, d.command.Process.Pid)
	if err := d.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.awaitEnd(t)
	d.leavesNothing(t, processes)
}

func TestTheExampleTellsWhatBecomesOfItsBookings(t *testing.T) {
	t.Parallel()
	d := startDev(t, launch{args: []string{"--example", "--quiet"}})
	steps := []string{`booked [0-9a-f-]{36}, due at`, `scheduled: a Cloud Task`, `executed: called at \d\d:\d\d:\d\d\.\d{3}, \S+ after its time`}
	for _, tenant := range d.tenants {
		for _, step := range steps {
			line := regexp.MustCompile(`(?m)^devstack: example of tenant ` + tenant.ID[:8] + `: ` + step)
			await(t, line.String(), func() bool { return line.MatchString(d.errOut.String()) })
		}
	}
	select {
	case <-d.ended:
		t.Error("it ended with the example")
	default:
	}
	if out := d.out.all(); len(out) != 1 {
		t.Errorf("standard output has more than one line: %q", out)
	}
}

func TestTheHintsAreWordsThatLADTakes(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printHints(&out, "http://127.0.0.1:8080", "a11ce000-0000-4000-8000-000000000001", time.Unix(0, 0))
	match := regexp.MustCompile(`curl -s http://127\.0\.0\.1:8080` + lad.BookingsPath +
		` -H 'X-Tenant-Id: a11ce000-0000-4000-8000-000000000001' -H 'Content-Type: application/json' -d '([^']*)'`).FindStringSubmatch(out.String())
	if match == nil {
		t.Fatalf("there is no request in %s", &out)
	}
	var body map[string]string
	decode(t, []byte(match[1]), &body)
	if body["scheduledAt"] != "1970-01-01T00:00:30Z" || body["bookingType"] != "follow_up" || len(body) != 4 {
		t.Errorf("the request is %v", body)
	}
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
}

func post(t *testing.T, url, body string) {
	t.Helper()
	resp, err := stacktest.Client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("POST %s: %s", url, resp.Status)
	}
}
