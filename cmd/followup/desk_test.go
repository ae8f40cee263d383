package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"
	"golang.org/x/sys/unix"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// desk is where a test's operator works: the command with settings of its own,
// on a real database and a real queue. The queue is paused, and nobody sweeps.
type desk struct {
	*functiontest.Database
	queue    *functiontest.Tasks
	settings map[string]string
	ctx      context.Context
	t        *testing.T
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{Database: functiontest.NewDatabase(t), queue: functiontest.NewTasks(t, "https://execute.example/bookings/:id/execute-followup"), ctx: t.Context(), t: t}
	d.settings = map[string]string{
		"DATABASE_URL": d.DatabaseURL(), "TENANT_REGISTRY": tenantdbtest.Registry,
		"GCP_PROJECT_ID": d.queue.Config.ProjectID, "GCP_LOCATION": d.queue.Config.Location,
		"FOLLOWUP_QUEUE_NAME": d.queue.Config.Queue, "GCP_CLOUD_TASKS_SERVICE_ACCOUNT": functiontest.Account,
		"FOLLOWUP_EXECUTION_ENDPOINT": d.queue.Config.Endpoint, "CLOUD_TASKS_EMULATOR_HOST": d.queue.Addr,
		"FOLLOWUP_ACTIVE_SINCE": time.Now().Add(-48 * time.Hour).UTC().Format(time.RFC3339),
		"FOLLOWUP_OPERATOR":     "Grace",
	}
	return d
}

// with is the same desk with some settings changed; "" takes one away.
func (d *desk) with(changed map[string]string) *desk {
	other := *d
	other.settings = maps.Clone(d.settings)
	maps.Copy(other.settings, changed)
	return &other
}

// under is the same desk, whose commands run under another context.
func (d *desk) under(ctx context.Context) *desk {
	other := *d
	other.ctx = ctx
	return &other
}

// session is a command at work, or its end.
type session struct {
	code     int
	out, err transcript
	done     chan struct{}
	t        *testing.T
}

// run runs the command to its end, with an empty standard input.
func (d *desk) run(args ...string) *session {
	d.t.Helper()
	s := d.start(bytes.NewReader(nil), nil, args...)
	<-s.done
	for _, text := range []string{s.out.String(), s.err.String()} {
		if strings.Contains(text, "15112345678") || strings.Contains(text, "Lovelace") {
			d.t.Errorf("%v shows the lead:\n%s", args, text)
		}
	}
	return s
}

// start starts the command; errOut, if not nil, becomes its standard error.
func (d *desk) start(in io.Reader, errOut io.Writer, args ...string) *session {
	s := &session{done: make(chan struct{}), t: d.t}
	if errOut == nil {
		errOut = &s.err
	}
	ctx := withEnvironment(d.ctx, envconfig.MapLookuper(d.settings))
	go func() {
		defer close(s.done)
		s.code = run(ctx, args, in, &s.out, errOut)
	}()
	d.t.Cleanup(func() { <-s.done })
	return s
}

// want checks the exit code, and what both outputs together have said.
func (s *session) want(code int, parts ...string) *session {
	s.t.Helper()
	<-s.done
	all := s.out.String() + s.err.String()
	if s.code != code {
		s.t.Errorf("exit code %d, want %d, with\n%s", s.code, code, all)
	}
	for _, part := range parts {
		if !strings.Contains(all, part) {
			s.t.Errorf("%q is not in\n%s", part, all)
		}
	}
	return s
}

// table is the standard output as lines of cells, headers included.
func (s *session) table() [][]string {
	var rows [][]string
	for line := range strings.Lines(s.out.String()) {
		var cells []string
		for cell := range strings.SplitSeq(strings.TrimRight(line, "\n"), "  ") {
			if cell = strings.TrimSpace(cell); cell != "" {
				cells = append(cells, cell)
			}
		}
		rows = append(rows, cells)
	}
	return rows
}

// json decodes the standard output, which must be nothing but that.
func (s *session) json(into any) {
	s.t.Helper()
	<-s.done
	decoder := json.NewDecoder(strings.NewReader(s.out.String()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || decoder.More() {
		s.t.Fatalf("standard output is not one JSON value (%v):\n%s", err, s.out.String())
	}
}

// events are the lines of the log with this event.
func (s *session) events(event string) (found []map[string]any) {
	for text := range strings.Lines(s.err.String()) {
		line := map[string]any{}
		if json.Unmarshal([]byte(text), &line) == nil && line["event"] == event {
			found = append(found, line)
		}
	}
	return found
}

// state is a booking's, as failed/rejected.
func (d *desk) state(b followup.Booking) string { return standing(d.Row(b.Ref).Task) }

// failed is a booking whose call ended so when it was claimed.
func (d *desk) failed(reason followup.Reason, due, claimed time.Time) followup.Booking {
	d.t.Helper()
	return d.Insert(functiontest.Seed{At: due, Task: followup.Task{
		Status: followup.Failed, Reason: reason, Revision: 3, Attempts: 1, ClaimedAt: claimed,
		Key: functiontest.CurrentKey, LastError: "402: not enough credits",
	}})
}

func tenantA() string { return functiontest.TenantA.String() }
func tenantB() string { return functiontest.TenantB.String() }

func id(b followup.Booking) string { return b.BookingID.String() }

// soon is in an hour, and ago that long before now; both without fractions.
func soon() time.Time                   { return ago(-time.Hour) }
func ago(since time.Duration) time.Time { return time.Now().Add(-since).UTC().Truncate(time.Second) }

// transcript is an output that is read while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

// String is everything that has been written.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// terminal is a pseudo-terminal: what the operator types on, and sees.
type terminal struct {
	keyboard *os.File // the operator's side
	stream   *os.File // the command's side
	screen   transcript
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(int(number))), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{keyboard: master, stream: slave}
	var seeing sync.WaitGroup
	seeing.Go(func() { _, _ = io.Copy(&term.screen, master) }) // ends with EIO when the slave is closed
	t.Cleanup(func() {
		_, _ = io.WriteString(master, "\n") // ends a read that nobody waits for any more
		_ = slave.Close()
		seeing.Wait()
		_ = master.Close()
	})
	return term
}

func (term *terminal) types(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(term.keyboard, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// atPrompt starts the command on a terminal and waits until it asks.
func (d *desk) atPrompt(args ...string) (*terminal, *session) {
	d.t.Helper()
	term := newTerminal(d.t)
	s := d.start(term.stream, nil, args...)
	functiontest.Eventually(d.t, "the command asks", func() bool { return strings.Contains(s.err.String(), "Type yes") })
	return term, s
}
