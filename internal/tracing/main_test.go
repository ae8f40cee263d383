package tracing_test

import (
	"testing"

	"go.uber.org/goleak"
)

// OpenCensus's worker is started by an import, for good.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}
