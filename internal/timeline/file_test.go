package timeline_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"lad.internal/followup/internal/logging"
	"lad.internal/followup/internal/timeline"
	"lad.internal/followup/pkg/followup"
)

func collect(t *testing.T, all iter.Seq2[timeline.Entry, error]) []timeline.Entry {
	t.Helper()
	var entries []timeline.Entry
	for e, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

var ignoreTrace = cmpopts.IgnoreUnexported(timeline.Entry{})

func TestALineIsReadAsTheFunctionsLogWroteIt(t *testing.T) {
	t.Parallel()
	ref := followup.Ref{TenantID: uuid.New(), BookingID: uuid.New()}
	var out bytes.Buffer
	log := logging.New(&out, logging.Options{Service: "execute-follow-up", Revision: "r1"})
	due := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	log.With("tenant_id", ref.TenantID.String(), "booking_id", ref.BookingID.String(), "attempt", 2).
		ErrorContext(t.Context(), "called", "event", "call_finished", "due_at", due, "call_id", "", "error", errors.New("no answer"), "took", 1500*time.Millisecond)
	log.InfoContext(t.Context(), "swept", "event", "sweep_done", slog.Group("changed", slog.Int("arm", 3)))

	entries := collect(t, timeline.Read(&out))
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	got := entries[0]
	if time.Since(got.Time.Time).Abs() > time.Minute {
		t.Errorf("its time is %v", got.Time)
	}
	want := timeline.Entry{
		Time: got.Time, Function: "execute-follow-up", Severity: "ERROR", Event: "call_finished", Message: "called", Ref: ref,
		Fields: map[string]any{"attempt": jsonNumber("2"), "due_at": "2026-03-01T09:00:00Z", "call_id": "", "error": "no answer", "took": "1.5s"},
	}
	if diff := cmp.Diff(want, got, ignoreTrace); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got, want := got.Describe(), `attempt=2 due_at=2026-03-01T09:00:00Z error="no answer" took=1.5s`; got != want {
		t.Errorf("described as %s", got)
	}
	if entries[1].Ref != (followup.Ref{}) || entries[1].Describe() != `changed={"arm":3}` {
		t.Errorf("the sweep's line is %+v, %s", entries[1], entries[1].Describe())
	}
}

func TestWhatTheFunctionsDidNotWriteIsLeftOut(t *testing.T) {
	t.Parallel()
	const good = `{"severity":"INFO","time":"2026-03-01T09:00:00Z","message":"m","event":"e"}`
	log := strings.Join([]string{
		"", "plain text", `{"cut short`, `[1]`, `"text"`, `null`, `{}`,
		`{"time":"2026-03-01T09:00:00Z","message":"no event"}`,
		`{"time":"yesterday","event":"e"}`, `{"event":"no_time"}`, `{"event":"e","time":7}`,
		good + "\r",
		`{"event":"e","time":"2026-03-01T09:00:00Z","x":"` + strings.Repeat("x", 1<<20) + `"}`, // too long
		"  " + good, // the last line may lack its end
	}, "\n")
	entries := collect(t, timeline.Read(strings.NewReader(log)))
	if len(entries) != 2 {
		t.Errorf("%d entries: %+v", len(entries), entries)
	}
	for _, e := range entries {
		if e.Event != "e" || e.Message != "m" || e.Fields != nil {
			t.Errorf("%+v", e)
		}
	}
}

func TestALongLineIsReadWhole(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("x", 200<<10) // above the buffer, below the limit
	entries := collect(t, timeline.Read(strings.NewReader(`{"event":"e","time":"2026-03-01T09:00:00Z","x":"`+value+`"}`)))
	if len(entries) != 1 || entries[0].Fields["x"] != value {
		t.Errorf("%d entries", len(entries))
	}
}

func TestALogThatCannotBeReadToItsEndIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	r := io.MultiReader(strings.NewReader(`{"event":"e","time":"2026-03-01T09:00:00Z"}`+"\n"), iotest.ErrReader(broken))
	var entries int
	var failed error
	for _, err := range timeline.Read(r) {
		if err != nil {
			failed = err
			continue
		}
		entries++
	}
	if entries != 1 || !errors.Is(failed, broken) {
		t.Errorf("%d entries, error %v", entries, failed)
	}
}

func TestOnlyAWellFormedPairOfIdsNamesABooking(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	for _, c := range []struct{ tenant, booking string }{{id, ""}, {"", id}, {id, "x"}, {"x", id}, {id, uuid.Nil.String()}} {
		line := `{"event":"e","time":"2026-03-01T09:00:00Z","tenant_id":"` + c.tenant + `","booking_id":"` + c.booking + `"}`
		entries := collect(t, timeline.Read(strings.NewReader(line)))
		if len(entries) != 1 || entries[0].Ref != (followup.Ref{}) {
			t.Errorf("%v: %+v", c, entries)
		}
	}
}

func TestEntriesAreOrderedByTimeAndLinesOfARequestShareItsFunction(t *testing.T) {
	t.Parallel()
	line := func(at, event, trace, source string) string {
		return `{"time":"2026-03-01T09:00:` + at + `Z","event":"` + event + `","logging.googleapis.com/trace":"` + trace +
			`","logging.googleapis.com/sourceLocation":{"function":"lad.internal/followup/` + source + `"}}`
	}
	entries := collect(t, timeline.Read(strings.NewReader(strings.Join([]string{
		line("03", "d", "t1", "functions/execute.(*Handler).dial"),
		line("01", "a", "", "internal/reconcile.(*Reconciler).Booking"),
		line("02.5", "b", "t1", "internal/reconcile.(*Reconciler).Booking"),
		line("02.5", "c", "t2", "functions/schedule.(*Handler).Handle"),
		`{"time":"2026-03-01T09:00:09Z","event":"e","operator":"ada"}`,
	}, "\n"))))
	timeline.Sort(entries)
	var got []string
	for _, e := range entries {
		got = append(got, e.Event+" "+e.Function)
	}
	if diff := cmp.Diff([]string{"a ", "b ExecuteFollowUp", "c ScheduleFollowUp", "d ExecuteFollowUp", "e followup"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The trace is the real logger's, from a real request's header.
func TestTheTraceOfARequestIsTheOneThatTheLoggerWrites(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logging.New(&out, logging.Options{ProjectID: "p"})
	ctx := logging.WithTrace(context.Background(), http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}})
	log.InfoContext(ctx, "first", "event", "first")
	log.With("operator", "ada").InfoContext(ctx, "second", "event", "second")
	entries := collect(t, timeline.Read(&out))
	timeline.Sort(entries)
	if len(entries) != 2 || entries[0].Function != "followup" {
		t.Errorf("%+v", entries)
	}
}
