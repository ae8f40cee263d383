package deploycheck_test

import (
	"testing"

	"lad.internal/followup/emulators/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }
