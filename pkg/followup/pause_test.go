package followup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestAPauseIsReadFromWordsOrTenants(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Pause{
		"":              {},
		" ":             {},
		"false":         {},
		" False ":       {},
		"true":          {All: true},
		"TRUE\n":        {All: true},
		tenant.String(): {Tenants: []uuid.UUID{tenant}},
		tenant.String() + " , " + booking.String(): {Tenants: []uuid.UUID{tenant, booking}},
	} {
		got := Pause{All: true, Tenants: []uuid.UUID{booking}} // of which nothing may remain
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
}

// A pause that is misread dials, so nothing is guessed.
func TestAPauseThatIsNeitherIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"yes", "1", "0", "no", "all", "true,false", "*", ",",
		tenant.String() + ",", tenant.String() + ",true", tenant.String() + " " + booking.String(),
		"00000000-0000-0000-0000-000000000000", "{" + tenant.String() + "}",
	} {
		got := Pause{All: true}
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
		if !got.All || got.Tenants != nil {
			t.Errorf("%q was refused but left %+v", text, got)
		}
	}
}

func TestAPauseCoversWhomItNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pause Pause
		want  bool
	}{
		{Pause{}, false},
		{Pause{All: true}, true},
		{Pause{Tenants: []uuid.UUID{tenant}}, true},
		{Pause{Tenants: []uuid.UUID{booking, tenant}}, true},
		{Pause{Tenants: []uuid.UUID{booking}}, false},
	} {
		if got := c.pause.Covers(tenant); got != c.want {
			t.Errorf("%+v covers %s is %v", c.pause, tenant, got)
		}
	}
}
