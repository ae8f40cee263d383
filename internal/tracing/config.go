package tracing

import (
	"net"
	"strings"

	"lad.internal/followup/internal/settings"
)

// Config says whether traces are recorded, and where they go.
type Config struct {
	// To is off, gcp, file:PATH or otlp:HOST:PORT.
	To string `env:"FOLLOWUP_TRACES, default=off"`
	// Ratio is the share of traces that is recorded, 0 to 1. A trace that comes
	// in as sampled is recorded whatever it says.
	Ratio float64 `env:"FOLLOWUP_TRACES_RATIO, default=1"`
}

// The kinds of exporters that Config.To names.
const (
	off    = "off"
	google = "gcp"
	file   = "file"
	otlp   = "otlp"
)

// Validate refuses what names no exporter.
func (c Config) Validate() error {
	var problems settings.Problems
	kind, where := c.exporter()
	var known bool
	switch kind {
	case off, google:
		known = where == ""
	case file:
		known = where != ""
	case otlp:
		host, port, err := net.SplitHostPort(where)
		known = err == nil && port != "" && !strings.Contains(host, "/")
	}
	problems.Unless(known, "FOLLOWUP_TRACES", "is not valid: set it to off, gcp, file:PATH or otlp:HOST:PORT")
	problems.Unless(c.Ratio >= 0 && c.Ratio <= 1, // not so for NaN
		"FOLLOWUP_TRACES_RATIO", "is %v: set it between 0 and 1, the share of traces to record", c.Ratio)
	return problems.Err()
}

// exporter takes To apart. The zero Config is off.
func (c Config) exporter() (kind, where string) {
	if c.To == "" {
		return off, ""
	}
	kind, where, _ = strings.Cut(c.To, ":")
	return kind, where
}
