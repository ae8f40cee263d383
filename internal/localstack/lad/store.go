package lad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// store is one tenant's part of LAD's tables.
type store struct {
	pool   *pgxpool.Pool
	tenant string // its id
	schema string
}

// Booking is the answer of GET and PATCH. Times are in UTC; what is null has not happened.
type Booking struct {
	ID                 string     `json:"id"`
	TenantID           string     `json:"tenantId"`
	Status             *string    `json:"status"`
	ScheduledAt        *time.Time `json:"scheduledAt"`
	TaskStatus         *string    `json:"taskStatus"`
	TaskReason         *string    `json:"taskReason"`
	TaskRevision       int        `json:"taskRevision"`
	ExecutionAttempts  int        `json:"executionAttempts"`
	ClaimedAt          *time.Time `json:"claimedAt"`
	ExecutedAt         *time.Time `json:"executedAt"`
	CallID             *string    `json:"callId"`
	LastExecutionError *string    `json:"lastExecutionError"`
}

// columns are those of Booking, by its fields' names. LAD's own migration made execution_attempts
// nullable.
const columns = `id, tenant_id, status, scheduled_at, task_status, task_reason, task_revision,
	COALESCE(execution_attempts, 0) AS execution_attempts, claimed_at, executed_at, call_id, last_execution_error`

type newBooking struct {
	leadID         string
	assignedUserID *string
	bookingType    string
	scheduledAt    time.Time
	phone          nullable
	note           *string
	metadata       json.RawMessage
	status         *string
	createdAt      *time.Time
}

type change struct {
	scheduledAt *time.Time
	status      *string
}

// inSchema runs f in a transaction in which unqualified names are those of the tenant's schema.
func (s store) inSchema(ctx context.Context, f func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('search_path', $1, true)", pgx.Identifier{s.schema}.Sanitize()); err != nil {
			return err
		}
		return f(tx)
	})
}

// create inserts a booking, and its lead if there is none, and returns the booking's id.
func (s store) create(ctx context.Context, b newBooking) (id string, err error) {
	err = s.inSchema(ctx, func(tx pgx.Tx) error {
		if err := s.ensureLead(ctx, tx, b.leadID, b.phone); err != nil {
			return err
		}
		if b.note != nil {
			if _, err := tx.Exec(ctx, "INSERT INTO lead_notes (tenant_id, lead_id, content) VALUES ($1, $2, $3)",
				s.tenant, b.leadID, *b.note); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `
			INSERT INTO lead_bookings (tenant_id, lead_id, assigned_user_id, booking_type, booking_source,
				scheduled_at, timezone, status, metadata, created_at)
			VALUES ($1, $2, $3, $4, 'local', $5, 'UTC', COALESCE($6, 'scheduled'), $7, COALESCE($8, now()))
			RETURNING id`,
			s.tenant, b.leadID, b.assignedUserID, b.bookingType, b.scheduledAt, b.status, b.metadata, b.createdAt).Scan(&id)
	})
	return id, refusal("create a booking", err)
}

// ensureLead inserts the lead, or gives a known one the number that the request names.
func (s store) ensureLead(ctx context.Context, tx pgx.Tx, id string, phone nullable) error {
	number := phone.value
	if !phone.given {
		number = new(fictionalNumber(id))
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO leads (id, tenant_id, first_name, last_name, phone) VALUES ($1, $2, 'Alex', 'Example', $3)
		ON CONFLICT (id) DO UPDATE SET phone = CASE WHEN $4 THEN excluded.phone ELSE leads.phone END
		WHERE leads.tenant_id = excluded.tenant_id`,
		id, s.tenant, number, phone.given)
	if err == nil && tag.RowsAffected() == 0 {
		return problem{http.StatusConflict, "lead_conflict", "this lead cannot be booked"}
	}
	return err
}

// fictionalNumber picks a lead's number among those that the North American Numbering Plan sets aside
// for fiction, 555-0100 to 555-0199. A lead's is always the same.
func fictionalNumber(leadID string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(leadID)) // a hash never fails to write
	return fmt.Sprintf("+120255501%02d", h.Sum32()%100)
}

// change changes a booking that is not deleted.
func (s store) change(ctx context.Context, id string, c change) (b Booking, err error) {
	err = s.inSchema(ctx, func(tx pgx.Tx) error {
		b, err = one(ctx, tx, `
			UPDATE lead_bookings
			SET scheduled_at = COALESCE($3, scheduled_at), status = COALESCE($4, status), updated_at = now()
			WHERE tenant_id = $1 AND id = $2 AND is_deleted IS NOT TRUE
			RETURNING `+columns, s.tenant, id, c.scheduledAt, c.status)
		return err
	})
	return b, refusal("change booking "+id, err)
}

// show reads a booking, a deleted one too: what became of its call is still of interest.
func (s store) show(ctx context.Context, id string) (b Booking, err error) {
	err = s.inSchema(ctx, func(tx pgx.Tx) error {
		b, err = one(ctx, tx, `SELECT `+columns+` FROM lead_bookings WHERE tenant_id = $1 AND id = $2`, s.tenant, id)
		return err
	})
	return b, refusal("show booking "+id, err)
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Booking, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return Booking{}, err
	}
	b, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Booking])
	if errors.Is(err, pgx.ErrNoRows) {
		return b, problem{http.StatusNotFound, "booking_not_found", "this tenant has no such booking"}
	}
	for _, t := range []*time.Time{b.ScheduledAt, b.ClaimedAt, b.ExecutedAt} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return b, err
}

// refusal turns what the database says of the caller's values into a problem
// (https://www.postgresql.org/docs/current/errcodes-appendix.html: class 22 is a data exception,
// 23 an integrity constraint violation).
func refusal(operation string, err error) error {
	var answer *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && (strings.HasPrefix(answer.Code, "22") || answer.Code == "23514"):
		return problem{http.StatusBadRequest, "invalid_value", "the database refuses a value: " + answer.Message}
	case errors.As(err, &answer) && strings.HasPrefix(answer.Code, "23"):
		return problem{http.StatusConflict, "conflict", "this contradicts what is stored: " + answer.Message}
	default:
		return fmt.Errorf("%s: %w", operation, err)
	}
}
