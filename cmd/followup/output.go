package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
)

// output prints for people, or with --json for machines.
type output struct{ json bool }

func (o *output) flag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON for machines")
}

// print prints value as JSON, or rows under a header as a table.
func (o *output) print(w io.Writer, value any, header []string, rows [][]string) error {
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(value)
	}
	return cli.Table(w, header, rows)
}

// moment is a time for people, to the second: "-" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return followup.FormatTime(t)
}

// momentOrNull is a time for machines: null for none.
func momentOrNull(t time.Time) *followup.Moment {
	if t.IsZero() {
		return nil
	}
	return &followup.Moment{Time: t}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
