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

	"github.com/google/uuid"
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
	ID       string  `json:"id"`
	TenantID string  `json:"tenantId"`
	Status   *string `json:"status"`
	// ScheduledAt is the instant that Wall is in Timezone; null if the stand-in cannot read that.
	ScheduledAt        *time.Time `json:"scheduledAt" db:"-"`
	Wall               string     `json:"wall"` // scheduled_at, or its UTC reading
	Timezone           *string    `json:"timezone"`
	TaskStatus         *string    `json:"taskStatus"`
	TaskReason         *string    `json:"taskReason"`
	TaskRevision       int        `json:"taskRevision"`
	ExecutionAttempts  int        `json:"executionAttempts"`
	ClaimedAt          *time.Time `json:"claimedAt"`
	ExecutedAt         *time.Time `json:"executedAt"`
	CallID             *string    `json:"callId"`
	LastExecutionError *string    `json:"lastExecutionError"`
}

// columns are those of Booking, by its fields' names.
const columns = `id, tenant_id, status, scheduled_at::timestamp::text AS wall, timezone, task_status, task_reason, task_revision,
	COALESCE(execution_attempts, 0) AS execution_attempts, claimed_at, executed_at, call_id, last_execution_error`

type newBooking struct {
	leadID                    string
	assignedUserID            *string
	bookingType               string
	source                    string
	wall                      string
	timezone                  *string
	phone                     nullable
	countryCode, baseNumber   *string
	leadDeleted, leadArchived *bool
	note                      *string
	metadata                  json.RawMessage
	status                    *string
	createdAt                 *time.Time
}

type change struct {
	scheduledAt *time.Time
	wall        *string
	timezone    nullable
	status      *string
}

// inSchema runs f in a transaction in which unqualified names are those of the tenant's schema, and
// UTC is the time zone: LAD's servers run in it.
func (s store) inSchema(ctx context.Context, f func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('search_path', $1, true), set_config('timezone', 'UTC', true)", pgx.Identifier{s.schema}.Sanitize()); err != nil {
			return err
		}
		return f(tx)
	})
}

// create inserts a booking, with its user and its lead if they are not there, and returns the
// booking's id.
func (s store) create(ctx context.Context, b newBooking) (id string, err error) {
	err = s.inSchema(ctx, func(tx pgx.Tx) error {
		if err := s.ensureLead(ctx, tx, b); err != nil {
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
			VALUES ($1, $2, $3, $4, $5, $6::text::timestamp, $7, COALESCE($8, 'scheduled'), $9, COALESCE($10::timestamptz, now()))
			RETURNING id`,
			s.tenant, b.leadID, b.assignedUserID, b.bookingType, b.source, b.wall, b.timezone, b.status, b.metadata, b.createdAt).Scan(&id)
	})
	return id, refusal("create a booking", err)
}

// ensureLead inserts the lead, or gives a known one what the request names. LAD takes a booking's user
// from its lead, so each has one: the request's, or else the tenant's first.
func (s store) ensureLead(ctx context.Context, tx pgx.Tx, b newBooking) error {
	number := b.phone.value
	if !b.phone.given {
		number = new(fictionalNumber(b.leadID))
	}
	user := uuid.NewSHA1(uuid.MustParse(s.tenant), []byte("first user")).String()
	if b.assignedUserID != nil {
		user = *b.assignedUserID
	}
	if _, err := tx.Exec(ctx, "INSERT INTO users (id, tenant_id) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", user, s.tenant); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO leads (id, tenant_id, first_name, last_name, phone, assigned_user_id) VALUES ($1, $2, 'Alex', 'Example', $3, $5)
		ON CONFLICT (id) DO UPDATE SET phone = CASE WHEN $4 THEN excluded.phone ELSE leads.phone END,
			assigned_user_id = CASE WHEN $6 THEN excluded.assigned_user_id ELSE COALESCE(leads.assigned_user_id, excluded.assigned_user_id) END
		WHERE leads.tenant_id = excluded.tenant_id`,
		b.leadID, s.tenant, number, b.phone.given, user, b.assignedUserID != nil)
	if err == nil && tag.RowsAffected() == 0 {
		return problem{http.StatusConflict, "lead_conflict", "this lead cannot be booked"}
	}
	if err != nil || b.countryCode == nil && b.baseNumber == nil && b.leadDeleted == nil && b.leadArchived == nil {
		return err // not every LAD has the other columns
	}
	_, err = tx.Exec(ctx, `
		UPDATE leads SET country_code = COALESCE($2, country_code), base_number = COALESCE($3::text::bigint, base_number),
			is_deleted = COALESCE($4, is_deleted), is_archived = COALESCE($5, is_archived)
		WHERE id = $1`, b.leadID, b.countryCode, b.baseNumber, b.leadDeleted, b.leadArchived)
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
		if c.scheduledAt != nil && c.wall == nil {
			was, err := one(ctx, tx, `SELECT `+columns+` FROM lead_bookings WHERE tenant_id = $1 AND id = $2 FOR UPDATE`, s.tenant, id)
			if err != nil {
				return err
			}
			zone := was.Timezone
			if c.timezone.given {
				zone = c.timezone.value
			}
			wall, err := python.wallClock(*c.scheduledAt, zone)
			if err != nil {
				return err
			}
			c.wall = &wall
		}
		b, err = one(ctx, tx, `
			UPDATE lead_bookings
			SET scheduled_at = COALESCE($3::text::timestamp, scheduled_at), status = COALESCE($4, status),
				timezone = CASE WHEN $5 THEN $6 ELSE timezone END, updated_at = now()
			WHERE tenant_id = $1 AND id = $2 AND is_deleted IS NOT TRUE
			RETURNING `+columns, s.tenant, id, c.wall, c.status, c.timezone.given, c.timezone.value)
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
	b.readBack()
	for _, t := range []*time.Time{b.ClaimedAt, b.ExecutedAt} {
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
