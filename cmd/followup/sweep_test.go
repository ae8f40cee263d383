package main

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

func TestASweepNeedsNoTenantAndSaysWhatItHasChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.Insert(functiontest.Seed{At: soon()})
	b := d.Insert(functiontest.Seed{At: soon(), Tenant: functiontest.TenantB})
	gone := d.Insert(functiontest.Seed{At: soon(), Status: "cancelled"})
	s := d.run("sweep").want(0, "3 bookings of 2 tenants looked at, 3 changed")
	want := [][]string{
		{"RULE", "CHANGED", "QUESTION"},
		{"arm", "2", followup.RuleArm.Question()},
		{"not_live", "1", followup.RuleNotLive.Question()},
	}
	if diff := cmp.Diff(want, s.table()[:3]); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	for row, want := range map[*followup.Booking]string{&a: "scheduled", &b: "scheduled", &gone: "cancelled/booking_cancelled"} {
		if got := d.state(*row); got != want {
			t.Errorf("a booking is %s, want %s", got, want)
		}
	}
	var view sweptView
	d.run("sweep", "--json").want(0).json(&view)
	if diff := cmp.Diff(sweptView{Tenants: 2, Changed: map[followup.Rule]int{}}, view); diff != "" {
		t.Errorf("a second one (-want +got):\n%s", diff)
	}
}

func TestASweepOfOneTenantLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.Insert(functiontest.Seed{At: soon()})
	b := d.Insert(functiontest.Seed{At: soon(), Tenant: functiontest.TenantB})
	var view sweptView
	d.run("sweep", "--tenant", tenantB(), "--json").want(0).json(&view)
	if view.Tenants != 1 || !maps.Equal(view.Changed, map[followup.Rule]int{followup.RuleArm: 1}) {
		t.Errorf("swept %+v", view)
	}
	if d.state(a) != "pending" || d.state(b) != "scheduled" {
		t.Errorf("A's is %s, B's is %s", d.state(a), d.state(b))
	}
}

func TestASweepThatCouldNotLookEverywhereFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.Insert(functiontest.Seed{At: soon()})
	d.LAD(t, functiontest.TenantB, "DROP VIEW followup_bookings CASCADE")
	s := d.run("sweep").want(cli.ExitFailed, "1 tenant and 0 bookings could not be looked at: the log says why", "followup migrate up")
	if len(s.events("sweep_tenant_failed")) != 1 || d.state(a) != "scheduled" {
		t.Errorf("A's is %s, with the log\n%s", d.state(a), s.err.String())
	}
}

func TestOnATerminalASweepShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 3 {
		d.Insert(functiontest.Seed{At: soon()})
	}
	d.Insert(functiontest.Seed{At: ago(25 * time.Hour)})
	term := newTerminal(t)
	s := d.start(strings.NewReader(""), term.stream, "sweep")
	s.want(0)
	functiontest.Eventually(t, "the bar is taken away", func() bool { return strings.HasSuffix(term.screen.String(), cli.EraseLine) })
	screen := term.screen.String()
	if !strings.Contains(screen, "sweeping [") || strings.Contains(screen, `"event"`) || strings.Contains(s.out.String(), "sweeping") {
		t.Errorf("the screen shows %q, standard output %q", screen, s.out.String())
	}
}

func TestABarGivesWayToTheLog(t *testing.T) {
	t.Parallel()
	var screen transcript
	b := &bar{w: &screen, show: true}
	b.start(2)
	b.step()
	if _, err := b.Write([]byte("a line\n")); err != nil {
		t.Fatal(err)
	}
	b.look()
	want := cli.EraseLine + "sweeping [" + strings.Repeat(".", 30) + "] 0%, 0 bookings looked at" + cli.EraseLine + "a line\n" +
		cli.EraseLine + "sweeping [" + strings.Repeat("#", 15) + strings.Repeat(".", 15) + "] 50%, 1 booking looked at"
	if screen.String() != want {
		t.Errorf("the screen shows\n%q, want\n%q", screen.String(), want)
	}
}
