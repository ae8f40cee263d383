package main

import (
	"testing"
	"time"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
)

func TestResolveSettlesWhatNobodyKnew(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	claimed := ago(90 * time.Second)
	rang := d.failed(followup.OutcomeUnknown, ago(2*time.Minute), claimed)
	s := d.run("resolve", "--tenant", tenantA(), id(rang), "--called", "--call-id", "call-7", "--yes").want(0, "executed")
	if row := d.Row(rang.Ref).Task; !row.ExecutedAt.Equal(claimed) || row.CallID != "call-7" || row.LastError != "" {
		t.Errorf("the row is %+v", row)
	}
	if logged := s.events("operator_resolved"); len(logged) != 1 || logged[0]["rule"] != "operator_called" || logged[0]["to"] != "executed" {
		t.Errorf("logged %v", logged)
	}

	silent := d.failed(followup.OutcomeUnknown, ago(2*time.Minute), claimed)
	s = d.run("resolve", "--tenant", tenantA(), id(silent), "--not-called", "--yes").want(0, "scheduled")
	d.onQueue(silent)
	if logged := s.events("operator_resolved"); len(logged) != 1 || logged[0]["rule"] != "operator_not_called" {
		t.Errorf("logged %v", logged)
	}

	late := d.failed(followup.OutcomeUnknown, ago(25*time.Hour), ago(25*time.Hour))
	d.run("resolve", "--tenant", tenantA(), id(late), "--not-called").want(cli.ExitUsage, "it becomes failed/expired")
	d.run("resolve", "--tenant", tenantA(), id(late), "--not-called", "--yes").want(0, "failed/expired")

	two := []followup.Booking{d.failed(followup.OutcomeUnknown, ago(2*time.Minute), claimed), d.failed(followup.OutcomeUnknown, ago(3*time.Minute), claimed)}
	d.run("resolve", "--tenant", tenantA(), "--reason", "outcome_unknown", "--claimed-before", "-1m", "--called", "--yes").want(0)
	for _, b := range two {
		if got := d.state(b); got != "executed" {
			t.Errorf("one of two is %s", got)
		}
	}
	if d.run("sweep").want(0); d.state(rang) != "executed" {
		t.Errorf("after a sweep it is %s", d.state(rang))
	}
}
