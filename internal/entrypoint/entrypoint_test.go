package entrypoint

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAWrongConfigurationEndsTheProcessBeforeItServesWithOneLine(t *testing.T) {
	t.Parallel()
	p := start(t, "Misconfigured")
	if code := p.exitCode(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	var others []string
	for _, line := range p.output {
		if !strings.Contains(line, `"event":"built"`) {
			others = append(others, line)
		}
	}
	if len(others) != 1 {
		t.Fatalf("want one line, got\n%s", strings.Join(others, "\n"))
	}
	line := map[string]any{}
	if err := json.Unmarshal([]byte(others[0]), &line); err != nil {
		t.Fatal(err)
	}
	if line["severity"] != "CRITICAL" || line["event"] != "start_failed" || line["function"] != "Misconfigured" ||
		line["error"] != "FIRST is missing: set it\nSECOND is 0: set it to 1" {
		t.Errorf("got %v", line)
	}
}

func TestOnlyTheFunctionThatIsServedIsBuilt(t *testing.T) {
	t.Parallel()
	p := start(t, "Other")
	p.ready()
	p.expect("/any/path", http.StatusOK, "other")
	p.expect("/Good", http.StatusOK, "other")
	if built := p.one("built"); built["function"] != "Other" {
		t.Errorf("built %v", built)
	}
}

func TestTheServedFunctionIsBuiltBeforeThePortOpens(t *testing.T) {
	t.Parallel()
	p := start(t, "Good")
	p.ready()
	p.one("main_reached")
	printed := p.printed()
	if built := strings.Index(printed, `"built"`); built < 0 || built > strings.Index(printed, `"main_reached"`) {
		t.Errorf("printed\n%s", printed)
	}
}

func TestWithoutATargetEachFunctionIsBuiltOnceByItsFirstRequest(t *testing.T) {
	t.Parallel()
	p := start(t, "")
	p.ready()
	if built := p.lines("built"); len(built) != 0 {
		t.Fatalf("built before any request: %v", built)
	}
	answers := make(chan string)
	const requests = 10
	for range requests {
		go func() {
			status, body := p.get("/Other")
			answers <- http.StatusText(status) + " " + body
		}()
	}
	for range requests {
		if got := <-answers; got != "OK other" {
			t.Errorf("got %q", got)
		}
	}
	if built := p.one("built"); built["function"] != "Other" {
		t.Errorf("built %v", built)
	}
}

func TestWithoutATargetAWrongConfigurationIsAnsweredAndSparesTheOthers(t *testing.T) {
	t.Parallel()
	p := start(t, "")
	p.ready()
	p.expect("/Misconfigured", http.StatusInternalServerError, problem("start_failed"))
	p.expect("/Misconfigured", http.StatusInternalServerError, problem("start_failed"))
	p.expect("/Other", http.StatusOK, "other")
	if line := p.one("start_failed"); line["severity"] != "CRITICAL" {
		t.Errorf("logged %v", line)
	}
	if _, body := p.get("/Misconfigured"); strings.Contains(body, "FIRST") {
		t.Errorf("the answer tells the configuration: %s", body)
	}
}

func TestSIGTERMWaitsForTheRequestAtWorkAndThenCloses(t *testing.T) {
	t.Parallel()
	p := start(t, "Good")
	p.ready()
	type answer struct {
		status int
		body   string
	}
	answered := make(chan answer, 1)
	go func() {
		status, body := p.get("/wait")
		answered <- answer{status, body}
	}()
	p.eventually("the request is at work", func() bool { return len(p.lines("waiting")) == 1 })

	p.terminate()
	p.eventually("new requests are refused", func() bool {
		status, body := p.get("/")
		return status == http.StatusBadGateway && strings.Contains(body, problem("stopping"))
	})
	if closed := p.lines("closed"); len(closed) != 0 {
		t.Error("closed while a request was at work")
	}
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got != (answer{http.StatusOK, "done waiting"}) {
		t.Errorf("the request at work was answered %+v", got)
	}
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if closed := p.lines("closed"); len(closed) != 1 {
		t.Errorf("closed %d times", len(closed))
	}
}

func TestSIGTERMEndsAnIdleProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "Good")
	p.ready()
	p.expect("/", http.StatusOK, "good")
	p.terminate()
	if code := p.exitCode(); code != 0 || len(p.lines("closed")) != 1 {
		t.Errorf("exit code %d, closed %d times", code, len(p.lines("closed")))
	}
}

func TestAPanicIsLoggedWithoutItsValueAnsweredAndSurvived(t *testing.T) {
	t.Parallel()
	p := start(t, "Good")
	p.ready()
	p.expect("/panic", http.StatusInternalServerError, problem("internal"))
	p.expect("/", http.StatusOK, "good")

	line := p.one("panic")
	stack, _ := line["stack_trace"].(string)
	if line["severity"] != "ERROR" || line["error"] != "a value of type string" ||
		!strings.HasPrefix(stack, "panic: a value of type string") || !strings.Contains(stack, "main_test.go") {
		t.Errorf("got %v", line)
	}
	for _, leak := range []string{"1234567", "swordfish"} {
		if strings.Contains(p.printed(), leak) {
			t.Errorf("%q was printed", leak)
		}
	}
}

func TestStopGivesUpOnARequestThatDoesNotEndAndClosesNothingUnderIt(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	closed := false
	s := newServer(Function{
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)),
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(entered)
			<-release
		}),
		Close: func(context.Context) error { closed = true; return nil },
	})
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	}()
	<-entered
	if err := s.stop(10 * time.Millisecond); err == nil || closed {
		t.Errorf("error %v, closed %v", err, closed)
	}
	close(release)
	<-served
}

func TestStopReportsWhatCloseReports(t *testing.T) {
	t.Parallel()
	failed := errors.New("pool is stuck")
	s := newServer(Function{Close: func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("Close got no deadline")
		}
		return failed
	}})
	if err := s.stop(time.Minute); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}
