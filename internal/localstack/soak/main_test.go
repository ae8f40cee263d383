package soak

import (
	"testing"

	"lad.internal/followup/internal/localstack/stack/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }
