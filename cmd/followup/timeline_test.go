package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/google/uuid"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/timeline"
	"lad.internal/followup/pkg/followup"
)

// announce sends the event of a booking to the real schedule function, which
// writes to log.
func (d *desk) announce(log *functiontest.Log, b followup.Booking) {
	d.t.Helper()
	handler, err := schedule.New(functiontest.Rules(), d.DB, d.queue.Client, log.Logger())
	if err != nil {
		d.t.Fatal(err)
	}
	event, err := json.Marshal(map[string]string{"type": "booking.created", "tenantId": b.TenantID.String(), "bookingId": b.BookingID.String()})
	if err != nil {
		d.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, "/", strings.NewReader(
		`{"message":{"messageId":"m1","data":"`+base64.StdEncoding.EncodeToString(event)+`"}}`))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		d.t.Fatalf("the event is answered by %d: %s", answer.Code, answer.Body)
	}
}

// keep writes a log to a file.
func keep(t *testing.T, log string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "functions.log")
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestATimelineIsWhatTheFunctionsLoggedAboutOneBooking(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mine, other := d.Insert(functiontest.Seed{At: soon()}), d.Insert(functiontest.Seed{At: soon()})
	var log functiontest.Log
	d.announce(&log, mine)
	d.announce(&log, other)
	file := keep(t, log.String())

	d.settings = nil // nothing but the log is asked
	s := d.run("timeline", id(mine), "--tenant", tenantA(), "--log-file", file)
	s.want(0, "TIME", "booking_planned", "stored the plan", "rule=arm effect=arm task_status=scheduled task_revision=1",
		"ScheduleFollowUp", "event_handled", "message_type=booking.created")
	if lines := strings.Count(s.out.String(), "\n"); lines != 3 {
		t.Errorf("%d lines:\n%s", lines, s.out.String())
	}
	var entries []timeline.Entry
	d.run("timeline", id(mine), "--tenant", tenantA(), "--log-file", file, "--json").want(0).json(&entries)
	if len(entries) != 2 || entries[0].Event != "booking_planned" || entries[1].Function != "ScheduleFollowUp" ||
		entries[0].Fields["task_revision"] != 1.0 || entries[0].Time.IsZero() {
		t.Errorf("%+v", entries)
	}
	// From standard input, in any order.
	lines := strings.SplitAfter(strings.TrimSpace(log.String())+"\n", "\n")
	reversed := lines[1] + lines[0] + "no line of ours\n"
	in := d.start(strings.NewReader(reversed), nil, "timeline", id(mine), "--tenant", tenantA(), "--log-file", "-")
	if <-in.done; in.out.String() != s.out.String() {
		t.Errorf("from standard input:\n%s", in.out.String())
	}
}

func TestATimelineThatHasNothingToShowFails(t *testing.T) {
	t.Parallel()
	booking := uuid.NewString()
	line := `{"severity":"ERROR","time":"` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `","message":"it\u001b[2J failed","event":"e","tenant_id":"` +
		tenantA() + `","booking_id":"` + booking + `"}`
	file := keep(t, line)
	d := &desk{ctx: t.Context(), t: t}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{booking, "--tenant", tenantA(), "--log-file", file}, 0, "ERROR: it [2J failed"}, // and no escape sequence
		{[]string{booking, "--tenant", tenantA(), "--log-file", file, "--since", "2h"}, 0, "ERROR"},
		{[]string{booking, "--tenant", tenantA(), "--log-file", file, "--since", "30m"}, cli.ExitFailed, "the log has no line about booking"},
		{[]string{booking, "--tenant", tenantB(), "--log-file", file}, cli.ExitFailed, "the log has no line about booking"},
		{[]string{booking, "--tenant", tenantB(), "--log-file", file, "--json"}, cli.ExitFailed, "[]\n"},
		{[]string{uuid.NewString(), "--tenant", tenantA(), "--log-file", file}, cli.ExitFailed, "the log has no line about booking"},
		{[]string{booking, "--tenant", tenantA(), "--log-file", file + ".gone"}, cli.ExitFailed, "open the log"},
		{[]string{booking, "--tenant", tenantA()}, cli.ExitUsage, "--project PROJECT or $GCP_PROJECT_ID"},
		{[]string{booking, "--log-file", file}, cli.ExitUsage, "--tenant"},
		{[]string{"x", "--tenant", tenantA(), "--log-file", file}, cli.ExitUsage, "booking"},
		{[]string{booking, "--tenant", tenantA(), "--since", "-1h"}, cli.ExitUsage, "--since"},
		{[]string{"--tenant", tenantA()}, cli.ExitUsage, "accepts 1 arg"},
	} {
		s := d.run(append([]string{"timeline"}, c.args...)...)
		s.want(c.code, c.want)
		if strings.ContainsRune(s.out.String(), 0x1b) {
			t.Errorf("%v steers the terminal", c.args)
		}
	}
}

func TestWithoutCredentialsThePersonIsToldOfLogFiles(t *testing.T) {
	t.Parallel()
	d := &desk{t: t, ctx: withLogging(t.Context(), option.WithAuthCredentialsFile(option.ServiceAccount, t.TempDir()+"/gone.json"))}
	d.run("timeline", uuid.NewString(), "--tenant", tenantA(), "--project", "p").want(cli.ExitFailed, "kept in a file")
}

// recorded is Cloud Logging with two entries, which it gives in one page.
type recorded struct {
	loggingpb.UnimplementedLoggingServiceV2Server
	entries []*loggingpb.LogEntry
	mu      sync.Mutex
	asked   []*loggingpb.ListLogEntriesRequest
}

func (r *recorded) ListLogEntries(_ context.Context, in *loggingpb.ListLogEntriesRequest) (*loggingpb.ListLogEntriesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, in)
	return &loggingpb.ListLogEntriesResponse{Entries: r.entries}, nil
}

// serve starts it. Commands that run under the context read from it.
func (r *recorded) serve(t *testing.T) context.Context {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	loggingpb.RegisterLoggingServiceV2Server(g, r)
	var serving sync.WaitGroup
	serving.Go(func() { _ = g.Serve(lis) })
	t.Cleanup(func() { g.Stop(); serving.Wait() })
	return withLogging(t.Context(), option.WithEndpoint(lis.Addr().String()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
}

func TestATimelineIsReadFromCloudLogging(t *testing.T) {
	t.Parallel()
	booking := uuid.NewString()
	server := &recorded{}
	for _, text := range []string{
		`{"timestamp":"2026-03-01T09:00:01Z","severity":"INFO","jsonPayload":{"message":"called","event":"call_finished"},
			"resource":{"labels":{"service_name":"execute"}},"labels":{"tenant_id":"` + tenantA() + `","booking_id":"` + booking + `"}}`,
		`{"timestamp":"2026-03-01T09:00:00Z","severity":"INFO","jsonPayload":{"message":"calling","event":"call_started"},
			"resource":{"labels":{"service_name":"execute"}},"labels":{"tenant_id":"` + tenantA() + `","booking_id":"` + booking + `"}}`,
	} {
		e := &loggingpb.LogEntry{}
		if err := protojson.Unmarshal([]byte(text), e); err != nil {
			t.Fatal(err)
		}
		e.Timestamp.Seconds += time.Now().Unix() - 1_772_355_600 - 60 // a minute ago
		server.entries = append(server.entries, e)
	}
	d := &desk{t: t, settings: map[string]string{"GCP_PROJECT_ID": "from-the-environment"}, ctx: server.serve(t)}
	for project, args := range map[string][]string{
		"from-the-environment": {"timeline", booking, "--tenant", tenantA(), "--since", "1h"},
		"from-the-flag":        {"timeline", booking, "--tenant", tenantA(), "--since", "1h", "--project", "from-the-flag"},
	} {
		server.asked = nil
		out := d.run(args...).want(0, "execute").out.String()
		first, second := strings.Index(out, "call_started"), strings.Index(out, "call_finished")
		if first < 0 || second < first {
			t.Errorf("printed:\n%s", out)
		}
		if len(server.asked) != 1 || server.asked[0].GetResourceNames()[0] != "projects/"+project ||
			!strings.Contains(server.asked[0].GetFilter(), `labels.booking_id="`+booking+`"`) {
			t.Errorf("asked for %v", server.asked)
		}
	}
}
