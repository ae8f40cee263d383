package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/localstack/soak"
	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
)

func TestTheSoaksTableNamesEveryViolationAndFails(t *testing.T) {
	t.Parallel()
	tenant, booking := uuid.New(), uuid.New()
	good := soak.Report{
		Seed: 42, Bookings: 400, Tenants: 2, Booking: 10 * time.Second, Settling: 1500 * time.Millisecond, Promised: 45 * time.Second,
		Kills: soak.KillCount{Schedule: 1, Execute: 2}, Calls: 390, Cancelled: 9,
		Ends:           map[string]int{"executed": 385, "cancelled/booking_cancelled": 9, "failed/outcome_unknown": 6},
		UnknownByAgent: 5, UnknownByKill: 1, Lag: soak.Lag{P50: 12 * time.Millisecond, Max: time.Second},
	}
	bad := good
	bad.Violated = 3
	bad.Violations = []soak.Violation{{
		Kind: promise.CalledTwice, Booking: followup.Ref{TenantID: tenant, BookingID: booking}, Detail: "2 calls with the key \x1b[2J",
	}}
	for _, c := range []struct {
		name    string
		report  soak.Report
		failure string
		want    []string
	}{
		{"all is well", good, "", []string{
			"bookings                           400 of 2 tenants",
			"came due in                        10s, 40 a second",
			"settled in                         1.5s after the last fault; lease, grace and two sweeps are 45s",
			"SIGKILLs                           2 of ExecuteFollowUp, 1 of ScheduleFollowUp",
			"ended failed/outcome_unknown       6",
			"unknown outcomes                   1.50 %: 5 left open by the voice agent, 1 by a kill",
			"called after                       p50 12ms, p95 0s, p99 0s, max 1s",
			"nothing was called twice, nothing was lost",
		}},
		{"three violations", bad, "3 violations with seed 42", []string{
			"violations                         3",
			"VIOLATION called twice: tenant " + tenant.String() + ", booking " + booking.String() + ": 2 calls with the key  [2J",
			"and 2 violations more",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			failure := ""
			if err := printSoak(&out, &c.report); err != nil {
				failure = err.Error()
			}
			if failure != c.failure {
				t.Errorf("it says %q, want %q", failure, c.failure)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want+"\n") {
					t.Errorf("the table lacks %q:\n%s", want, &out)
				}
			}
		})
	}
}

func TestTheSoakShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	half := soak.Progress{Planned: 200, Booked: 150, Ended: 100, Kills: 1}
	line := "soaking [" + strings.Repeat("#", 15) + strings.Repeat(".", 15) + "] 50%, 100 of 200 bookings ended, 1 kill, 0s"
	for _, c := range []struct {
		name string
		show bool
		want string
	}{
		{"a bar on a terminal", true, cli.EraseLine + line + cli.EraseLine + line + cli.EraseLine},
		{"a line now and then elsewhere", false, "devstack: " + line + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			m := &soakMeter{w: &out, show: c.show, began: time.Now()}
			m.draw(half)
			m.draw(half)
			m.clear()
			if out.String() != c.want {
				t.Errorf("it shows %q, want %q", &out, c.want)
			}
		})
	}
}

func TestASoakPrintsItsSeedAndItsAccount(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), stacktest.Function(t), "soak", "--function", stacktest.Function(t),
		"--bookings", "20", "--tenants", "3", "--rate", "20", "--sweep-every", "2s", "--kill-every", "5s", "--seed", "7")
	cmd.Env = append(cmd.Environ(), commandEnv+"=1")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s%s", err, &out, &errOut)
	}
	for _, want := range []string{
		"seed 7; the same again: devstack soak --bookings 20 --tenants 3 --kill-every 5s --misbehave 0.05 --seed 7\n",
		"20 of 3 tenants\n", "nothing was called twice, nothing was lost\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, &out)
		}
	}
	if !strings.Contains(errOut.String(), "of 20 bookings ended") {
		t.Errorf("it does not say how far it is:\n%s", &errOut)
	}
}

func TestASoakThatCannotBePlayedIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--bookings", "0"}, {"--tenants", "0"}, {"--misbehave", "1.5"}, {"--kill-every", "1ms"}, {"--rate", "0"}, {"--sweep-every", "0s"},
	} {
		code, _, errOut := runCommand(t, append([]string{"soak"}, args...)...)
		if code != cli.ExitFailed || !strings.Contains(errOut, "devstack: soak: ") {
			t.Errorf("%v: exit code %d with %q", args, code, errOut)
		}
	}
}
