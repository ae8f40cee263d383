package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

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
	return printTable(w, header, rows)
}

// printTable aligns the rows' cells; without a header there is none.
func printTable(w io.Writer, header []string, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if header != nil {
		rows = append([][]string{header}, rows...)
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	return table.Flush()
}

// printable keeps what LAD or the voice agent has written from steering the
// terminal or breaking the table.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
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
