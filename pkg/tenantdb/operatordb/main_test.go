package operatordb_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/operatordb"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func open(db *tenantdb.DB) operatordb.DB { return operatordb.DB{DB: db} }

// rules are the product's defaults, live since yesterday.
func rules() followup.Rules {
	return followup.Rules{
		ActiveSince:  time.Now().Add(-24 * time.Hour),
		BookingTypes: []string{"follow_up", "scheduled_call"},
		Horizon:      7 * 24 * time.Hour,
		MaxLateness:  24 * time.Hour,
		Lease:        2 * time.Minute,
		Grace:        5 * time.Minute,
	}
}

// micro is a time that Postgres can store exactly.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// What a function could be made to do to LAD's tables must not be in its program.
func TestTheFunctionsLinkNoDDLAndNoWriteOfLADsColumns(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"lad.internal/followup", "lad.internal/followup/cmd/function"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		linked := strings.Fields(string(out))
		if !slices.Contains(linked, "lad.internal/followup/pkg/tenantdb") {
			t.Fatalf("%s links only %v", program, linked)
		}
		for _, not := range []string{"lad.internal/followup/migrations", "lad.internal/followup/pkg/tenantdb/operatordb"} {
			if slices.Contains(linked, not) {
				t.Errorf("%s links %s", program, not)
			}
		}
	}
}
