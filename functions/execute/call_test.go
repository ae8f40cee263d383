package execute_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
	agentclient "lad.internal/followup/pkg/voiceagent"
)

// The ends of a claim.
const (
	executedRow   = "executed r1 a1 task called"
	notStartedRow = "failed/not_started r1 a1 task"
	rejectedRow   = "failed/rejected r1 a1 task"
	unknownRow    = "failed/outcome_unknown r1 a1 task"
	wrongRow      = "failed/misconfigured r1 a1 task"
	limitedRow    = "scheduled/rate_limited r2 a1 task"
	closedRow     = "scheduled/outside_hours r2 a1 task"
)

// outcomeCase is a way for the voice agent to behave, and what comes of it.
type outcomeCase struct {
	name      string
	behaviour voiceagent.Behaviour
	row       string
	status    int
}

func answering(status int) voiceagent.Behaviour {
	return voiceagent.Behaviour{Kind: voiceagent.Status, Status: status}
}

// closedUntil has business hours begin at a minute of the day, and last for one.
func closedUntil(opens time.Time) voiceagent.Behaviour {
	opens = opens.UTC()
	return voiceagent.Behaviour{Kind: voiceagent.Closed, Hours: fmt.Appendf(nil,
		`{"start":%q,"end":%q,"timezone":"UTC","allowed_days":[]}`, opens.Format("15:04"), opens.Add(time.Minute).Format("15:04"))}
}

func seconds(n int) *int { return &n }

// outcomes is the table of call outcomes. Whatever the agent answers, it is
// asked once.
func outcomes() []outcomeCase {
	cases := []outcomeCase{
		{"200 in LAD's shape", voiceagent.Behaviour{Kind: voiceagent.Accept}, executedRow, 200},
		{"201 and nothing", voiceagent.Behaviour{Kind: voiceagent.Body, Status: 201}, executedRow, 200},
		{"204", voiceagent.Behaviour{Kind: voiceagent.Body, Status: 204}, executedRow, 200},
		{"200 and no JSON", voiceagent.Behaviour{Kind: voiceagent.Body, Body: "<html>"}, executedRow, 200},
		{"200 that breaks off", voiceagent.Behaviour{Kind: voiceagent.Truncate}, executedRow, 200},
		{"503 with Retry-After", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 503, RetryAfter: seconds(2)}, notStartedRow, 502},
		{"never answers", voiceagent.Behaviour{Kind: voiceagent.Hang}, unknownRow, 200},
		{"never answers, having dialled", voiceagent.Behaviour{Kind: voiceagent.Hang, Dialled: true}, unknownRow, 200},
		{"hangs up", voiceagent.Behaviour{Kind: voiceagent.HangUp}, unknownRow, 200},
		{"hangs up, having dialled", voiceagent.Behaviour{Kind: voiceagent.HangUp, Dialled: true}, unknownRow, 200},
		{"200 that says it has failed", voiceagent.Behaviour{Kind: voiceagent.SuccessFalse}, unknownRow, 200},
		{"403 without the feature", voiceagent.Behaviour{Kind: voiceagent.UpgradeRequired}, wrongRow, 200},
		{"403 outside business hours", closedUntil(time.Now().Add(2 * time.Hour)), closedRow, 200},
	}
	for row, statuses := range map[string][]int{
		wrongRow:      {401, 403},
		limitedRow:    {429},
		notStartedRow: {425},
		rejectedRow:   {400, 402, 404, 405, 413, 415, 422, 301, 302, 307, 308},
		unknownRow:    {408, 409, 418, 500, 502, 503, 504},
	} {
		for _, status := range statuses {
			answer := 200
			if row == notStartedRow {
				answer = 502
			}
			cases = append(cases, outcomeCase{strconv.Itoa(status), answering(status), row, answer})
		}
	}
	return cases
}

func TestEveryOutcomeOfACallIsRecordedAndAnsweredAsDesigned(t *testing.T) {
	t.Parallel()
	for name, agentIdempotent := range map[string]bool{"an agent that dials again": false, "an idempotent agent": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.serve(func(p *execute.Parts) {
				p.Rules.AgentIdempotent = agentIdempotent
				p.Agent = functiontest.Client(t, w.agent.URL, time.Second)
				p.CallTimeout = time.Second
			})
			for _, tc := range outcomes() {
				if agentIdempotent && tc.row == unknownRow { // an ambiguous outcome may be tried again
					tc.row, tc.status = notStartedRow, 502
				}
				t.Run(tc.name, func(t *testing.T) {
					b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
					tc.behaviour.BookingID = b.BookingID.String()
					w.agent.Must(tc.behaviour)
					got := e.deliver(b, 1)
					after := w.Row(b.Ref)
					if got.status != tc.status || state(after) != tc.row {
						t.Errorf("answered %s and stored %q, want %d and %q", got, state(after), tc.status, tc.row)
					}
					if n := w.posts(b); n != 1 {
						t.Errorf("the voice agent was asked %d times", n)
					}
					if (after.Task.LastError == "") != (tc.row == executedRow) {
						t.Errorf("the error for people is %q", after.Task.LastError)
					}
				})
			}
		})
	}
}

func TestAVoiceAgentThatIsNotThereIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	down := w.serve(func(p *execute.Parts) { p.Agent = functiontest.Client(t, nobody, time.Second) })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	if got := down.deliver(b, 1); got.status != 502 || got.Result != "not_started" {
		t.Fatalf("answered %s", got)
	}
	if row := state(w.Row(b.Ref)); row != notStartedRow {
		t.Errorf("the row is %q", row)
	}
	up := w.serve()
	if got := up.deliver(b, 1); got.Result != "accepted" || state(w.Row(b.Ref)) != "executed r1 a2 task called" || w.posts(b) != 1 {
		t.Errorf("answered %s, the row is %q", got, state(w.Row(b.Ref)))
	}
}

func TestTheWaitThatTheVoiceAgentAsksForIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	for name, tc := range map[string]struct {
		behaviour voiceagent.Behaviour
		want      string
	}{
		"425 with a wait":           {voiceagent.Behaviour{Kind: voiceagent.Status, Status: 425, RetryAfter: seconds(7)}, "7"},
		"425 without":               {answering(425), ""},
		"503 with a wait":           {voiceagent.Behaviour{Kind: voiceagent.Status, Status: 503, RetryAfter: seconds(90)}, "90"},
		"a rejection":               {voiceagent.Behaviour{Kind: voiceagent.Status, Status: 400, RetryAfter: seconds(7)}, ""},
		"half the grace":            {voiceagent.Behaviour{Kind: voiceagent.Status, Status: 503, RetryAfter: seconds(150)}, "150"},
		"longer than that":          {voiceagent.Behaviour{Kind: voiceagent.Status, Status: 503, RetryAfter: seconds(1 << 30)}, "150"},
		"429: another task will do": {voiceagent.Behaviour{Kind: voiceagent.Status, Status: 429, RetryAfter: seconds(7)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
			tc.behaviour.BookingID = b.BookingID.String()
			w.agent.Must(tc.behaviour)
			if got := e.deliver(b, 1).header.Get("Retry-After"); got != tc.want {
				t.Errorf("Retry-After is %q, want %q", got, tc.want)
			}
		})
	}
}

// All tenants share the queue's rate: one who is paused must not use it up.
func TestAPausedTenantsTaskIsAskedToWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Rules.Paused.All = true })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	if got := e.deliver(b, 1); got.status != 409 || got.header.Get("Retry-After") != "150" {
		t.Errorf("answered %s, Retry-After %q", got, got.header.Get("Retry-After"))
	}
}

// busyAgent refuses for a while.
type busyAgent struct {
	execute.Agent
	wait time.Duration
}

func (b busyAgent) StartCall(context.Context, agentclient.Credentials, agentclient.Call) agentclient.Result {
	return agentclient.Result{Outcome: followup.CallNotStarted, Status: 503, RetryAfter: b.wait}
}

func TestAWaitUpToADateIsRoundedUpToSeconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for wait, want := range map[time.Duration]string{0: "", time.Millisecond: "1", 1400 * time.Millisecond: "2", 2 * time.Second: "2"} {
		e := w.serve(func(p *execute.Parts) { p.Agent = busyAgent{p.Agent, wait} })
		b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
		if got := e.deliver(b, 1); got.status != 502 || got.header.Get("Retry-After") != want {
			t.Errorf("asked to wait %v: %s with Retry-After %q, want %q", wait, got, got.header.Get("Retry-After"), want)
		}
	}
}

func TestASecondExecutionSucceedsWithoutAskingTheVoiceAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	if got := e.deliver(b, 1); got.status != 200 || got.Result != "accepted" {
		t.Fatalf("the first execution got %s", got)
	}
	row := w.Row(b.Ref)
	for range 3 {
		if got := e.deliver(b, 1); got.status != 200 || got.Result != "called" {
			t.Errorf("a later execution got %s", got)
		}
	}
	if w.posts(b) != 1 || w.Row(b.Ref) != row {
		t.Errorf("the voice agent was asked %d times, the row is %+v", w.posts(b), w.Row(b.Ref))
	}
	if call := w.agent.Calls(b.BookingID.String())[0]; call.JobID != row.Task.CallID || call.IdempotencyKey != b.Key() {
		t.Errorf("the call is %+v, the row says %+v", call, row.Task)
	}
}

func TestAHundredDeliveriesAtOnceMakeOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Two instances, as Cloud Run would start them.
	instances := []*endpoint{w.serve(), w.serve()}
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	w.agent.Must(voiceagent.Behaviour{Kind: voiceagent.Slow, DelayMS: 200})
	answers := make(chan string)
	for i := range 100 {
		e := instances[i%len(instances)]
		r := e.request(payload(b, 1))
		go func() {
			got, err := try(r)
			answers <- fmt.Sprintf("%d %s %v", got.status, got.Result, err)
		}()
	}
	results := map[string]int{}
	for range 100 {
		results[<-answers]++
	}
	for result := range results {
		switch result {
		case "200 accepted <nil>", "200 called <nil>", "409 claimed <nil>", "409 row_locked <nil>":
		case "503 database_busy <nil>": // a hundred at a pool of four: the task comes again
		default:
			t.Errorf("an answer was %s", result)
		}
	}
	if results["200 accepted <nil>"] != 1 || w.posts(b) != 1 || w.calls(b) != 1 {
		t.Errorf("%v; the voice agent was asked %d times", results, w.posts(b))
	}
	if row := state(w.Row(b.Ref)); row != executedRow {
		t.Errorf("the row is %q", row)
	}
}

func TestTheCallerWhoHangsUpDoesNotBreakOffTheCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	w.agent.Must(voiceagent.Behaviour{Kind: voiceagent.Slow, DelayMS: 300})
	r := e.request(payload(b, 1))
	conn, err := net.Dial("tcp", r.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	functiontest.Eventually(t, "the voice agent is asked", func() bool { return w.posts(b) == 1 })
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	functiontest.Eventually(t, "the outcome is recorded", func() bool { return state(w.Row(b.Ref)) == executedRow })
	if w.posts(b) != 1 {
		t.Errorf("the voice agent was asked %d times", w.posts(b))
	}
}
