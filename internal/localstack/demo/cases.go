package demo

import (
	"time"

	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/voiceagent"
)

// scene is one booking of the demo and what should become of it.
type scene struct {
	name   string
	tenant int // index into the stack's tenants
	// due is when the booking is due, counted from the moment it is booked.
	due time.Duration
	// fields are set in the booking's JSON, beside the usual ones; they win.
	fields map[string]any
	// agent is how the voice agent behaves towards this lead.
	agent *voiceagent.Behaviour
	// twice: Cloud Tasks delivers the task twice at once.
	twice bool
	// double: the lead is booked once more, for the same moment, by the other of
	// LAD's writers and in another zone, so that LAD's index does not notice.
	double bool
	// after is done once the booking exists.
	after func(*run, *booked) error
	want  end
}

// end is where a booking should be in the end.
type end struct {
	status, reason string
	calls          int // that the voice agent dialled
	posts          int // that it read
}

const (
	historicAge = 30 * 24 * time.Hour
	// soon is when most scenes are due: long enough that the order of things
	// shows, short enough to watch.
	soon = 2 * time.Second
)

func scenes() []scene {
	called := end{status: "executed", calls: 1, posts: 1}
	return []scene{
		{name: "due in 3 seconds, by Dubai's clock (GST)", due: 3 * time.Second, want: called},
		{name: "the same, from LAD's booking page", tenant: 1, due: 3 * time.Second, fields: map[string]any{"writer": "node"}, want: called},
		{name: "due two minutes ago: called at once", tenant: 1, due: -2 * time.Minute, want: called},
		{name: "a timezone that cannot be read", due: soon,
			fields: map[string]any{"timezone": "XYZ", "wall": time.Now().UTC().Format("2006-01-02T15:04:05")},
			want:   end{status: "failed", reason: "unknown_timezone"}},
		{name: "booked twice for one moment: called once", due: soon, double: true,
			want: end{status: "executed", reason: "and one duplicate", calls: 1, posts: 1}},
		{name: "the agent takes the call, and cannot dispatch it", due: soon,
			agent: &voiceagent.Behaviour{Kind: voiceagent.DispatchFail, Error: "no_trunk"},
			want:  end{status: "failed", reason: "outcome_unknown", posts: 1}},
		{name: "a deleted lead", tenant: 1, due: soon, fields: map[string]any{"leadDeleted": true},
			want: end{status: "cancelled", reason: "lead_deleted"}},
		{name: "another tenant's agent", due: soon, fields: map[string]any{"metadata": map[string]any{"agent_id": 102}},
			want: end{status: "failed", reason: "rejected"}},
		{name: "not a follow-up", due: soon, fields: map[string]any{"bookingType": "viewing"},
			want: end{status: "pending"}},
		{name: "cancelled before its time", tenant: 1, due: 6 * time.Second, after: cancel,
			want: end{status: "cancelled", reason: "booking_cancelled"}},
		{name: "agent refuses twice (429), then accepts", due: soon,
			agent: &voiceagent.Behaviour{Kind: voiceagent.Status, Status: 429, RetryAfter: new(1), Times: 2},
			want:  end{status: "executed", calls: 1, posts: 3}},
		{name: "agent hangs up after reading: needs review", tenant: 1, due: soon,
			agent: &voiceagent.Behaviour{Kind: voiceagent.HangUp, Dialled: true},
			want:  end{status: "failed", reason: "outcome_unknown", calls: 1, posts: 1}},
		{name: "task delivered twice at once", due: soon, twice: true, want: called},
		{name: "another tenant's task for this booking", due: time.Hour, after: foreignTask,
			want: end{status: "scheduled"}},
		{name: "the lead has no phone number", tenant: 1, due: soon, fields: map[string]any{"phone": nil},
			want: end{status: "failed", reason: "rejected"}},
		{name: "booked and due before going live", due: -historicAge,
			fields: map[string]any{"createdAt": time.Now().Add(-historicAge - time.Hour).UTC().Format(time.RFC3339)},
			want:   end{status: "pending"}},
	}
}

// options are those of a stack that can play the scenes.
func (r *run) options(o stack.Options) stack.Options {
	o.Listen = ""
	o.SweepEvery = 2 * time.Second
	o.CloudTasksOptions.Deliveries = r.deliveries
	return o
}
