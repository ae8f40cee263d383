package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args  []string
		fails string
	}{
		"ready":     {args: []string{"-queue", "projects/p/locations/l/queues/q"}},
		"bad queue": {args: []string{"-queue", "q"}, fails: "does not match projects/PROJECT_ID"},
		"bad flag":  {args: []string{"-nonsense"}, fails: "flag provided but not defined"},
		"bad port":  {args: []string{"-listen", "127.0.0.1:no"}, fails: "listen for the Cloud Tasks API"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			cancelAtReady := writer(func(line []byte) {
				if bytes.Contains(line, []byte("msg=ready")) {
					cancel()
				}
			})
			err := run(ctx, append([]string{"-listen", "127.0.0.1:0", "-keys", "127.0.0.1:0"}, c.args...), slog.New(slog.NewTextHandler(cancelAtReady, nil)))
			if c.fails == "" && (err != nil || ctx.Err() == nil) || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("it ends with %v, ready: %t", err, ctx.Err() != nil)
			}
			cancel()
		})
	}
}

type writer func([]byte)

func (w writer) Write(line []byte) (int, error) { w(line); return len(line), nil }
