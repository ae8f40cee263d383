package deploycheck_test

import (
	"testing"

	"lad.internal/followup/internal/localstack/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }
