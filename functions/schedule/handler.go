// Package schedule is the function ScheduleFollowUp: it takes the events of
// LAD's bookings and the sweep's ticks from Pub/Sub, and sees to it that every
// booking that wants a call has a Cloud Task for its time.
//
// An event is only a hint to look at a row. The package never trusts what an
// event says about a booking beyond its name, never dials, and never fails an
// event that cannot be mended by sending it again.
package schedule

import (
	"context"
	"errors"
	"log/slog"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// Store is what the function needs of the database.
type Store interface {
	reconcile.Store
	Tenants(ctx context.Context) ([]uuid.UUID, error)
	Concerned(ctx context.Context, tenant uuid.UUID, rules followup.Rules) ([]tenantdb.Concern, error)
	Candidates(ctx context.Context, tenant uuid.UUID, c tenantdb.Concern, rules followup.Rules, after tenantdb.Cursor, limit int) ([]followup.Ref, tenantdb.Cursor, error)
}

// Handler handles events. It is safe for concurrent use.
type Handler struct {
	rules      followup.Rules
	store      Store
	reconciler *reconcile.Reconciler
	log        *slog.Logger
	now        func() time.Time // the function's own clock; only the age of a tick is measured by it
}

// New returns an error if a dependency is nil.
func New(rules followup.Rules, store Store, queue reconcile.Queue, log *slog.Logger) (*Handler, error) {
	if store == nil {
		return nil, errors.New("schedule: a store is needed")
	}
	reconciler, err := reconcile.New(rules, store, queue, log)
	if err != nil {
		return nil, err
	}
	return &Handler{rules: rules, store: store, reconciler: reconciler, log: log, now: time.Now}, nil
}

// Result says what became of an event that was dealt with.
type Result struct {
	Result string `json:"result"`           // handled, swept, dropped or rejected
	Rule   string `json:"rule,omitempty"`   // the rule that decided about the booking
	Effect string `json:"effect,omitempty"` // and what it asked for
	Detail string `json:"detail,omitempty"` // why the event was rejected
}

// Handle handles one event. An error means that the event should come again.
func (h *Handler) Handle(ctx context.Context, e cloudevents.Event) (result Result, err error) {
	m, unreadable := parse(e)
	name := "schedule event"
	if m.kind == sweepTick {
		name = "sweep"
	}
	ctx, span := tracing.StartRequest(ctx, name, trace.SpanKindConsumer, origin(e, m), m.ref,
		semconv.MessagingSystemGCPPubSub, semconv.MessagingOperationTypeProcess,
		semconv.MessagingMessageID(m.id), attribute.String("message_type", m.kind))
	defer func() {
		span.Set(attribute.String("result", result.Result), attribute.String("rule", result.Rule), attribute.String("effect", result.Effect))
		span.End(err)
	}()
	if unreadable != nil {
		// Sending it again cannot mend it, and the sweep covers the booking.
		h.log.ErrorContext(ctx, "the event cannot be read; it is acknowledged and dropped",
			"event", "event_rejected", "message_id", m.id, "error", unreadable)
		return Result{Result: "rejected", Detail: unreadable.Error()}, nil
	}
	if m.kind == sweepTick {
		return h.tick(tracing.Apart(ctx), m), nil
	}
	return h.plan(ctx, m)
}

func (h *Handler) plan(ctx context.Context, m message) (Result, error) {
	log := h.log.With("tenant_id", m.ref.TenantID.String(), "booking_id", m.ref.BookingID.String())
	d, err := h.reconciler.Booking(ctx, m.ref)
	if err != nil {
		level := slog.LevelError
		if errors.Is(err, tenantdb.ErrLocked) { // as by LAD's own transaction that the event tells of
			level = slog.LevelWarn
		}
		log.Log(ctx, level, "the booking could not be planned; the event will come again",
			"event", failure(err, "event_failed"), "message_id", m.id, "message_type", m.kind, "fault", string(tenantdb.FaultOf(err)), "error", err)
		return Result{}, err
	}
	log.InfoContext(ctx, "handled the event",
		"event", "event_handled", "message_id", m.id, "message_type", m.kind,
		"effect", string(d.Effect), "rule", string(d.Rule))
	if m.kind == bookingCancelled && tooLate(d.Rule) {
		log.WarnContext(ctx, "the booking was cancelled too late: its call was made, or may be under way",
			"event", "cancel_too_late", "message_id", m.id, "rule", string(d.Rule))
	}
	return Result{Result: "handled", Rule: string(d.Rule), Effect: string(d.Effect)}, nil
}

// failure is the event of an error, or that of a database that may have forgotten
// calls: then nothing is planned until a person has seen to it.
func failure(err error, event string) string {
	if errors.Is(err, tenantdb.ErrTimeline) {
		return "timeline_changed"
	}
	return event
}

// tooLate: the rule is one of a booking that was claimed before LAD cancelled
// it. A cancel that commits before the claim always wins.
func tooLate(rule followup.Rule) bool {
	switch rule {
	case followup.RuleClaimed, followup.RuleLeaseOver, followup.RuleHeld, followup.RuleCalled:
		return true
	default:
		return false
	}
}
