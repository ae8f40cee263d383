package demo_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"lad.internal/followup/internal/localstack/demo"
	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

func TestEveryBookingOfTheDemoEndsAsItShould(t *testing.T) {
	t.Parallel()
	results, err := demo.Play(t.Context(), stack.Options{Function: stacktest.Function(t)})
	if err != nil {
		t.Fatal(err)
	}
	tenants, called := map[string]bool{}, 0
	for _, r := range results {
		tenants[r.Tenant] = true
		if !r.OK || r.Expected != r.Happened {
			t.Errorf("%s: expected %s, happened %s", r.Name, r.Expected, r.Happened)
		}
		switch {
		case strings.HasPrefix(r.Happened, "executed"):
			called++
			if r.Called.Before(r.Due) {
				t.Errorf("%s: called at %v, before its time, %v", r.Name, r.Called, r.Due)
			}
		case strings.Contains(r.Happened, "outcome_unknown"):
		case !r.Called.IsZero():
			t.Errorf("%s: %s, and yet it was claimed at %v", r.Name, r.Happened, r.Called)
		}
	}
	if len(results) != 16 || len(tenants) != 2 || called != 6 {
		t.Errorf("%d bookings of %d tenants, %d of them called: is the whole script played?", len(results), len(tenants), called)
	}
}

func TestADemoThatIsBrokenOffHasNoResults(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	results, err := demo.Play(ctx, stack.Options{
		Function: stacktest.Function(t),
		Progress: func(what string) {
			if what == "playing the scenes" {
				cancel()
			}
		},
	})
	if results != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Play gives %v, %v", results, err)
	}
}
