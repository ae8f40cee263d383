package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// checkQueue compares the queue with the settings that it must agree with.
func (d *doctor) checkQueue(ctx context.Context) finding {
	if d.queue == nil {
		return skips("its settings are wrong")
	}
	gcloud := func(verb string) string {
		return fmt.Sprintf("gcloud tasks queues %s %s --project=%s --location=%s", verb, d.tasks.Queue, d.tasks.ProjectID, d.tasks.Location)
	}
	q, err := d.queue.Queue(ctx)
	switch {
	case errors.Is(err, tasks.ErrNoQueue):
		return fails("apply the Terraform configuration, or "+gcloud("create"), "%s does not exist", d.tasks.QueuePath())
	case errors.Is(err, tasks.ErrDenied):
		return broke("grant whoever runs this command roles/cloudtasks.viewer", err)
	case err != nil:
		return broke("check GCP_PROJECT_ID, GCP_LOCATION, FOLLOWUP_QUEUE_NAME, and the way to Cloud Tasks", err)
	case !q.Running():
		return fails("when its tasks may be sent: "+gcloud("resume"), "the queue is %s: tasks are kept and none is sent", q.State)
	}
	if d.rules == nil {
		return warns("mend the configuration first", "the queue runs, but cannot be compared with FOLLOWUP_MAX_LATENESS and FOLLOWUP_GRACE, which are wrong")
	}
	if problems := disagreements(q, *d.rules); len(problems) > 0 {
		return fails("change the queue (Terraform, or "+gcloud("update")+" …) or the setting", "%s", strings.Join(problems, ". "))
	}
	switch {
	case q.Overrides:
		return warns("remove the queue's own HTTP target, unless it is meant", "the queue sends tasks to a target, or with headers or credentials, of its own, whatever the tasks say")
	case d.tasks.DispatchDeadline >= d.rules.Grace:
		return warns("set FOLLOWUP_GRACE above FOLLOWUP_DISPATCH_DEADLINE",
			"FOLLOWUP_DISPATCH_DEADLINE is %v and FOLLOWUP_GRACE is %v: the sweep makes a new task while Cloud Tasks still waits for the old one's answer",
			d.tasks.DispatchDeadline, d.rules.Grace)
	}
	budget := "without end"
	if b := q.RetryBudget(); b != tasks.Unlimited {
		budget = "for " + b.Round(time.Second).String()
	}
	return passes("runs; tries a task again %s, at most every %v; %g a second, %d at once; %s",
		budget, q.MaxBackoff, q.DispatchesPerSecond, q.ConcurrentDispatches, d.pace())
}

// pace says how fast calls are made.
func (d *doctor) pace() string {
	limit := d.rules.Limit
	if limit.Window() == 0 {
		return "VOICE_AGENT_LIMIT is off"
	}
	s := fmt.Sprintf("VOICE_AGENT_LIMIT %s lets a call be made every %v, at %s a call", short(limit), limit.Spacing(), cli.Plural(limit.PerCall, "request"))
	if d.assumed {
		s += " (assumed: the voice agent's settings are not set here)"
	}
	return s
}

// disagreements between the queue and the rules, one sentence each.
func disagreements(q tasks.Queue, rules followup.Rules) (problems []string) {
	if b := q.RetryBudget(); b < rules.MaxLateness {
		problems = append(problems, fmt.Sprintf(
			"Cloud Tasks gives a task up after %v (max_attempts, max_retry_duration), but FOLLOWUP_MAX_LATENESS is %v: a call that could still be made waits for the sweep",
			b.Round(time.Second), rules.MaxLateness))
	}
	if q.MaxBackoff >= rules.Grace {
		problems = append(problems, fmt.Sprintf(
			"a task may wait %v for its next attempt (max_backoff), but FOLLOWUP_GRACE is %v: the sweep makes a new one before it comes",
			q.MaxBackoff, rules.Grace))
	}
	// A call that waits for its turn takes two: one to get its slot, one to be made.
	if spacing := rules.Limit.Spacing(); q.DispatchesPerSecond > 0 && q.DispatchesPerSecond*spacing.Seconds() < 2 && spacing > 0 {
		problems = append(problems, fmt.Sprintf(
			"the queue sends %g tasks a second (max_dispatches_per_second), VOICE_AGENT_LIMIT (%s, %s a call) lets a call be made every %v, which may take two tasks: when many calls are due, they wait in the queue for longer than they have to",
			q.DispatchesPerSecond, short(rules.Limit), cli.Plural(rules.Limit.PerCall, "request"), spacing))
	}
	return problems
}

// short is a limit as people write it, without zeros.
func short(l followup.Limit) string {
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(l.String())
}

const unreached = "check FOLLOWUP_EXECUTION_ENDPOINT, and that this machine may reach it"

// endpoint sends an unauthenticated request, and expects to be rejected: first without
// a token, then with one that nobody has signed.
func (d *doctor) endpoint(ctx context.Context) finding {
	if d.tasks == nil {
		return skips("its settings are wrong")
	}
	code, err := d.ask(ctx, nil)
	if err != nil {
		return broke(unreached, err)
	}
	found := d.judgeAnswer(code)
	if found.Status == failed {
		return found
	}
	switch code, err = d.ask(ctx, d.forged()); {
	case err != nil:
		return broke(unreached, err)
	case code >= 500:
		return fails("read the execute function's log", "a token cannot be checked (%d)", code)
	case code != http.StatusUnauthorized && code != http.StatusForbidden:
		return fails("set FOLLOWUP_OIDC_MODE=verify for the execute function at once, or take allUsers out of the service's invokers: whoever reaches it may dial",
			"a token that nobody has signed is believed (%d)", code)
	}
	return found
}

// ask posts an empty object to the endpoint, which is no task, and says how that is
// answered.
func (d *doctor) ask(ctx context.Context, header http.Header) (code int, err error) {
	url := strings.ReplaceAll(d.tasks.Endpoint, ":id", uuid.Nil.String())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Content-Type", "application/json")
	began := d.now()
	response, err := stranger.Do(request)
	if err != nil {
		return 0, err
	}
	took := d.now().Sub(began)
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // what it says besides does not matter
	_ = response.Body.Close()
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		// The header leaves out what has passed of its second (RFC 9110, section 5.6.7).
		const half = time.Second / 2
		d.webClock = &clockReading{skew: at.Add(half).Sub(began.Add(took / 2)), within: took/2 + half}
	}
	return response.StatusCode, nil
}

// forged is what Cloud Tasks sends, but for the signature of its token: in its place
// is what Cloud Run puts there, which anybody can.
func (d *doctor) forged() http.Header {
	now := d.now().Unix()
	part := func(format string, args ...any) string {
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, format, args...))
	}
	token := part(`{"alg":"RS256","typ":"JWT"}`) + "." + part(
		`{"iss":"https://accounts.google.com","aud":%q,"email":%q,"email_verified":true,"iat":%d,"exp":%d}`,
		d.tasks.TokenAudience(), d.tasks.ServiceAccount, now, now+3600) + ".SIGNATURE_REMOVED_BY_GOOGLE"
	return http.Header{
		"Authorization":          {"Bearer " + token},
		"X-Cloudtasks-Queuename": {d.tasks.Queue},
		"X-Cloudtasks-Taskname":  {"doctor"},
	}
}

// stranger has no credentials, follows no redirect and keeps no connection.
var stranger = &http.Client{
	Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (d *doctor) judgeAnswer(code int) finding {
	switch {
	case code == http.StatusUnauthorized && d.oidcMode == "iam":
		return fails("take allUsers out of the service's invokers, or run the execute function with FOLLOWUP_OIDC_MODE=verify (and set it here)",
			"an unauthenticated request reaches the function (401), so that nobody checks the tokens' signatures: FOLLOWUP_OIDC_MODE=iam needs a private service")
	case code == http.StatusUnauthorized:
		return passes("rejects unauthenticated requests (401), and a token that nobody has signed")
	case code == http.StatusForbidden && d.oidcMode == "iam":
		return passes("Cloud Run rejects unauthenticated requests (403), and a token that nobody has signed, as FOLLOWUP_OIDC_MODE=iam needs")
	case code == http.StatusForbidden:
		// Cloud Run answers so for a private service, and takes the signature out
		// of the tokens that it lets through.
		return warns("run the execute function with FOLLOWUP_OIDC_MODE=iam (and set it here), or make the service public",
			"an unauthenticated request is rejected before the function (403): the service is private, so that FOLLOWUP_OIDC_MODE=verify would refuse every task")
	case code >= 200 && code < 300:
		return fails("take the endpoint off the network at once: whoever reaches it may dial. Check what FOLLOWUP_EXECUTION_ENDPOINT names",
			"an unauthenticated request is let in (%d)", code)
	case code >= 500:
		return fails("read the execute function's log", "the endpoint is not well (%d)", code)
	default:
		return fails("set FOLLOWUP_EXECUTION_ENDPOINT to the URL of the execute function", "it answers %d, where the execute function answers 401", code)
	}
}

// clockReading is another clock, as seen from this machine's.
type clockReading struct {
	skew   time.Duration // how far it is ahead
	within time.Duration // how exact that is
}

// skewWarning is the skew from which on something is wrong with a clock.
const skewWarning = 2 * time.Second

// clocks compares the clocks. Cloud Tasks sends a task by Google's clock, which
// the endpoint's is, and the database's decides whether it is time.
func (d *doctor) clocks(context.Context) finding {
	if d.dbClock == nil && d.webClock == nil {
		return skips("neither the database nor the endpoint has told its time")
	}
	worst, seen := passed, []string{}
	compare := func(what string, a, b clockReading) {
		skew, within := b.skew-a.skew, a.within+b.within
		beyond := skew.Abs() - within // certainly
		switch {
		case beyond > followup.Earliness:
			worst = failed
		case beyond > skewWarning && worst == passed:
			worst = warned
		}
		seen = append(seen, fmt.Sprintf("%s %+.1fs (±%.1fs)", what, skew.Seconds(), within.Seconds()))
	}
	here := clockReading{}
	if d.dbClock != nil {
		compare("from here to the database", here, *d.dbClock)
	}
	if d.webClock != nil {
		compare("from here to the endpoint", here, *d.webClock)
	}
	if d.dbClock != nil && d.webClock != nil {
		compare("from the endpoint to the database", *d.webClock, *d.dbClock)
	}
	f := finding{Status: worst, Detail: strings.Join(seen, ", ")}
	if worst != passed {
		f.Do = fmt.Sprintf("let NTP set the clock that is wrong: a task may be early by %v and no more, and tokens and reports go by the time too", followup.Earliness)
	}
	return f
}
