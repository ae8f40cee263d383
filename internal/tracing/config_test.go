package tracing_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/internal/tracing"
)

func TestTracesAreOffAndCompleteUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	var c tracing.Config
	if err := settings.Load(t.Context(), envconfig.MapLookuper(nil), &c); err != nil || c != (tracing.Config{To: "off", Ratio: 1}) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestADestinationThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for to, fine := range map[string]bool{
		"off": true, "gcp": true, "file:/tmp/spans": true, "file:C:spans": true, "otlp:localhost:4317": true, "otlp:[::1]:4317": true,
		"":   true, // the zero Config, which no environment gives
		"on": false, "off:": true, "off:x": false, "gcp:project": false, "file": false, "file:": false,
		"otlp": false, "otlp:": false, "otlp:localhost": false, "otlp:localhost:": false, "otlp://localhost:4317": false, "GCP": false,
	} {
		err := tracing.Config{To: to, Ratio: 1}.Validate()
		if (err == nil) != fine || (err != nil && !strings.HasPrefix(err.Error(), "FOLLOWUP_TRACES is ")) {
			t.Errorf("%q: %v", to, err)
		}
	}
}

func TestARatioIsAShare(t *testing.T) {
	t.Parallel()
	for ratio, fine := range map[float64]bool{0: true, 0.01: true, 1: true, -0.1: false, 1.1: false, math.NaN(): false, math.Inf(1): false} {
		err := tracing.Config{To: "off", Ratio: ratio}.Validate()
		if (err == nil) != fine {
			t.Errorf("%v: %v", ratio, err)
		}
	}
	var c tracing.Config
	err := settings.Load(t.Context(), envconfig.MapLookuper(map[string]string{"FOLLOWUP_TRACES_RATIO": "many"}), &c)
	if err == nil || !strings.HasPrefix(err.Error(), "FOLLOWUP_TRACES_RATIO cannot be read as a number") {
		t.Errorf("said %v", err)
	}
}
