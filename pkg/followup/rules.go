package followup

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Rules are the settings that the decisions depend on. Their zero value decides
// nothing sensibly: load them from the environment, or fill in every field, and
// ask Validate.
type Rules struct {
	// ActiveSince is when this system went live for LAD. A booking made and due
	// before it is history and never touched; without this rule the first sweep
	// would ring every follow-up ever booked.
	ActiveSince time.Time `env:"FOLLOWUP_ACTIVE_SINCE, required" help:"the moment this system goes live, as 2026-01-31T00:00:00Z"`
	// BookingTypes are the types that are follow-ups, compared by Kind.
	BookingTypes []string `env:"FOLLOWUP_BOOKING_TYPES, default=follow_up,follow-up,auto-follow-up,followup,auto_follow_up,auto_followup,manual_followup,manual_follow_up,scheduled_followup,scheduled_call"`
	// Horizon is how far ahead of a call its task is created. Cloud Tasks takes
	// at most 30 days.
	Horizon time.Duration `env:"FOLLOWUP_HORIZON, default=168h"`
	// LeadTime is how long before scheduled_at the lead is rung.
	LeadTime time.Duration `env:"FOLLOWUP_LEAD_TIME, default=0s"`
	// MaxLateness is how long after its time (or after it was booked, if that
	// was later) a call may still be made.
	MaxLateness time.Duration `env:"FOLLOWUP_MAX_LATENESS, default=24h"`
	// MaxBackdate is how far back a time may lie when it is booked. 0: no bound but
	// MaxLateness, which then counts from the booking.
	MaxBackdate time.Duration `env:"FOLLOWUP_MAX_BACKDATE, default=1h"`
	// Lease is how long a claim is believed to be at work. It outlasts the call
	// and the recording of its outcome.
	Lease time.Duration `env:"FOLLOWUP_LEASE, default=2m"`
	// Grace is how long after its due time a task may still be on its way before
	// the row is armed again.
	Grace time.Duration `env:"FOLLOWUP_GRACE, default=5m"`
	// AgentIdempotent says that the voice agent itself deduplicates by
	// Idempotency-Key, so an ambiguous outcome may be tried again.
	AgentIdempotent bool `env:"VOICE_AGENT_IDEMPOTENT, default=false"`
	// RetryDispatch says that a job of the voice service that failed has rung
	// nobody, so that the call may be tried again.
	RetryDispatch bool
	// MaxCalls bounds how often a lead is rung.
	MaxCalls CallShare `env:"FOLLOWUP_MAX_CALLS_PER_LEAD, default=3/168h"`
	// Limit is the voice service's, which holds for all tenants together.
	Limit Limit `env:"VOICE_AGENT_LIMIT, default=30/1m,10/5s"`
	// DefaultAgentID is for tenants with no agent of their own to choose, and only
	// if it belongs to that tenant or to none; nil: no such agent.
	DefaultAgentID *int64 `env:"DEFAULT_FOLLOW_UP_AGENT_ID, noinit"`
	// Paused stops dialling, for everybody or for some tenants. Everything else
	// goes on.
	Paused Pause `env:"FOLLOWUP_PAUSED, default=false"`
}

// Earliness is how much before its time a task may dial: Cloud Tasks and the
// database do not share a clock.
const Earliness = 5 * time.Second

// maxHorizon is below Cloud Tasks' limit of 30 days by a day, for the lead time
// and clocks that differ.
const maxHorizon = 29 * 24 * time.Hour

// Validate reports every setting that is out of range or contradicts another,
// one sentence each, joined.
func (r Rules) Validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if r.ActiveSince.IsZero() {
		problem("FOLLOWUP_ACTIVE_SINCE is missing: set it to the moment this system goes live, as 2026-01-31T00:00:00Z")
	}
	if len(r.Kinds()) == 0 {
		problem("FOLLOWUP_BOOKING_TYPES names no booking type: list at least one, separated by commas, or leave it unset for LAD's own")
	}
	if r.Horizon <= 0 || r.Horizon > maxHorizon {
		problem("FOLLOWUP_HORIZON is %v: set it above 0 and to at most %v, since Cloud Tasks refuses tasks more than 30 days ahead", r.Horizon, maxHorizon)
	}
	if r.LeadTime < 0 || r.Horizon > 0 && r.LeadTime >= r.Horizon {
		problem("FOLLOWUP_LEAD_TIME is %v: set it to 0 or more and below FOLLOWUP_HORIZON (%v)", r.LeadTime, r.Horizon)
	}
	if r.MaxLateness < time.Minute {
		problem("FOLLOWUP_MAX_LATENESS is %v: set it to 1m or more, or a call that meets one busy signal is given up", r.MaxLateness)
	}
	if r.MaxBackdate < 0 {
		problem("FOLLOWUP_MAX_BACKDATE is %v: set it to 0 or more", r.MaxBackdate)
	}
	if r.Lease < time.Second {
		problem("FOLLOWUP_LEASE is %v: set it to 1s or more, longer than VOICE_AGENT_TIMEOUT", r.Lease)
	}
	if r.DefaultAgentID != nil && *r.DefaultAgentID < 1 {
		problem("DEFAULT_FOLLOW_UP_AGENT_ID is %d: set it to the number of an agent, or leave it unset", *r.DefaultAgentID)
	}
	if r.Grace < time.Second {
		problem("FOLLOWUP_GRACE is %v: set it to 1s or more", r.Grace)
	}
	return errors.Join(problems...)
}

// Kinds are the normal forms of BookingTypes, sorted and without repeats: what
// booking_kind is compared with.
func (r Rules) Kinds() []string {
	kinds := make([]string, 0, len(r.BookingTypes))
	for _, t := range r.BookingTypes {
		if k := Kind(t); k != "" {
			kinds = append(kinds, k)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

func (r Rules) isFollowUp(b Booking) bool {
	kind := Kind(b.Type)
	return slices.ContainsFunc(r.BookingTypes, func(t string) bool { return kind != "" && Kind(t) == kind })
}

// Pause says for whom dialling is paused.
type Pause struct {
	All     bool
	Tenants []uuid.UUID
}

// UnmarshalText reads "true", "false", or a list of tenant ids separated by
// commas.
func (p *Pause) UnmarshalText(text []byte) error {
	switch s := strings.TrimSpace(string(text)); strings.ToLower(s) {
	case "", "false":
		*p = Pause{}
	case "true":
		*p = Pause{All: true}
	default:
		var tenants []uuid.UUID
		for part := range strings.SplitSeq(s, ",") {
			id, err := ParseID(strings.TrimSpace(part))
			if err != nil {
				return fmt.Errorf("want true, false, or tenant ids separated by commas: %v", err) //nolint:errorlint // settings shows the innermost error alone, and this is the sentence to show
			}
			tenants = append(tenants, id)
		}
		*p = Pause{Tenants: tenants}
	}
	return nil
}

// Covers reports whether tenant is paused.
func (p Pause) Covers(tenant uuid.UUID) bool {
	return p.All || slices.Contains(p.Tenants, tenant)
}
