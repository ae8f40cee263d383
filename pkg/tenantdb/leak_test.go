package tenantdb_test

import (
	"testing"

	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// All turns share the one connection of the pool, until one loses it.
func TestLeak(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), poolOfOne, patient)
	newTurns(t, f, f.DB).take(t, 1)
}
