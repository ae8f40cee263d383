// Package demo plays a script of bookings, the good and the bad ones, on the
// local stack and compares what became of each with what should have.
//
// It looks at the system from outside, as LAD and the voice agent do, and
// refuses to look into it: no scene reads the database or a log.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/localstack/stack"
)

// Result is what became of one scene.
type Result struct {
	Name     string
	Tenant   string
	Expected string
	Happened string
	Due      time.Time
	// Called is when the booking was claimed for its call; zero if it was not.
	Called time.Time
	OK     bool
}

// playTime bounds the whole script.
const playTime = 30 * time.Second

// Play starts a stack with the given options, plays all scenes on it at once,
// and ends it. What went otherwise than it should is no error, but in the
// results; there are none if ctx ends first.
func Play(ctx context.Context, o stack.Options) (results []Result, err error) {
	r := &run{
		twice:  map[string]bool{},
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	r.stack, err = stack.Start(ctx, r.options(o))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stack.Close()) }()
	if o.Progress != nil {
		o.Progress("playing the scenes")
	}
	all := scenes()
	results = make([]Result, len(all))
	playing, cancel := context.WithTimeout(ctx, playTime)
	defer cancel()
	var group errgroup.Group
	for i, s := range all {
		group.Go(func() error {
			var err error
			results[i], err = r.play(playing, s)
			if err != nil {
				return fmt.Errorf("scene %q: %w", s.name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("play the scenes: %w", context.Cause(ctx))
	}
	return results, nil
}

// run is one performance.
type run struct {
	stack  *stack.Stack
	client *http.Client

	mu    sync.Mutex
	twice map[string]bool // leads whose tasks are delivered twice
}

// deliveries is asked by Cloud Tasks how often to deliver a task.
func (r *run) deliveries(t *cloudtaskspb.Task) int {
	var payload struct {
		LeadID string `json:"leadId"`
	}
	// A task of another form is delivered once, like any other.
	_ = json.Unmarshal(t.GetHttpRequest().GetBody(), &payload)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.twice[payload.LeadID] {
		return 2
	}
	return 1
}

// booked is a scene's booking.
type booked struct {
	id     string
	twin   string // the second booking of a scene that books twice
	lead   string
	tenant lad.Tenant
	agent  int64 // the tenant's
	due    time.Time
}

func (r *run) play(ctx context.Context, s scene) (Result, error) {
	b := &booked{lead: uuid.NewString(), tenant: r.stack.Tenants[s.tenant], agent: stack.FirstAgent + int64(s.tenant), due: time.Now().Add(s.due)}
	if s.twice {
		r.mu.Lock()
		r.twice[b.lead] = true
		r.mu.Unlock()
	}
	if s.agent != nil {
		behaviour := *s.agent
		behaviour.LeadID = b.lead
		if err := r.stack.Agent.Behave(behaviour); err != nil {
			return Result{}, err
		}
	}
	if err := r.book(ctx, s, b); err != nil {
		return Result{}, err
	}
	if s.after != nil {
		if err := s.after(r, b); err != nil {
			return Result{}, err
		}
	}
	row, happened, err := r.await(ctx, s, b)
	if err != nil {
		return Result{}, err
	}
	result := Result{
		Name: s.name, Tenant: b.tenant.ID[:8], Due: b.due,
		Expected: s.want.String(), Happened: happened.String(), OK: happened == s.want,
	}
	if row.ClaimedAt != nil {
		result.Called = *row.ClaimedAt
	}
	return result, nil
}

func (r *run) book(ctx context.Context, s scene, b *booked) error {
	body := map[string]any{
		"leadId": b.lead, "assignedUserId": uuid.NewString(), "bookingType": "follow_up",
		"scheduledAt": b.due.UTC().Format(time.RFC3339Nano),
	}
	for name, value := range s.fields {
		body[name] = value
	}
	var created struct {
		ID string `json:"id"`
	}
	if err := r.request(ctx, http.MethodPost, "/api/deals-pipeline/bookings", b.tenant.ID, body, &created); err != nil {
		return err
	}
	b.id = created.ID
	if !s.double {
		return nil
	}
	body["writer"], body["timezone"] = "node", "UTC"
	if err := r.request(ctx, http.MethodPost, "/api/deals-pipeline/bookings", b.tenant.ID, body, &created); err != nil {
		return err
	}
	b.twin = created.ID
	return nil
}

// settle is how long an end must hold before it is believed: two sweeps, and
// the time of every scene that should not be called.
const settle = 8 * time.Second

// await watches the booking until it is where it should be and has stayed there
// for the settling time, or until the play is over, and says where it is.
func (r *run) await(ctx context.Context, s scene, b *booked) (row lad.Booking, happened end, err error) {
	var since time.Time
	for {
		if row, happened, err = r.look(ctx, b); err != nil {
			return row, happened, err
		}
		switch {
		case happened != s.want:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= settle:
			return row, happened, nil
		}
		select {
		case <-ctx.Done():
			return r.look(context.WithoutCancel(ctx), b)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *run) look(ctx context.Context, b *booked) (lad.Booking, end, error) {
	row, e, err := r.lookAt(ctx, b, b.id)
	if b.twin == "" || err != nil {
		return row, e, err
	}
	twinRow, twin, err := r.lookAt(ctx, b, b.twin)
	if e.reason == "duplicate" { // which of the two is called is all one
		row, e, twin = twinRow, twin, e
	}
	if twin.status == "cancelled" && twin.reason == "duplicate" {
		e.reason = "and one duplicate"
	}
	e.calls, e.posts = e.calls+twin.calls, e.posts+twin.posts
	return row, e, err
}

func (r *run) lookAt(ctx context.Context, b *booked, id string) (lad.Booking, end, error) {
	var row lad.Booking
	err := r.request(ctx, http.MethodGet, "/api/deals-pipeline/bookings/"+id, b.tenant.ID, nil, &row)
	if ctx.Err() != nil {
		err = nil // the time is up: await looks once more
	}
	calls := r.stack.Agent.Calls(id)
	e := end{status: text(row.TaskStatus), reason: text(row.TaskReason), calls: len(calls), posts: r.stack.Agent.PostsRead(id)}
	for _, call := range calls {
		if call.AgentID != b.agent {
			e.reason = "by another tenant's agent"
		}
	}
	return row, e, err
}

// request speaks to LAD's stand-in.
func (r *run) request(ctx context.Context, method, path, tenant string, body, into any) error {
	return lad.Client{URL: r.stack.URL, Tenant: tenant, HTTP: r.client}.Do(ctx, method, path, body, into)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// String is for the table.
func (e end) String() string {
	s := e.status
	if e.reason != "" {
		s += "/" + e.reason
	}
	return fmt.Sprintf("%s, %s, %s", s, cli.Plural(e.posts, "POST"), cli.Plural(e.calls, "call"))
}
