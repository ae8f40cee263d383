package tenantdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/phone"
)

const (
	// These locks end with the transaction. The first keeps two bookings of one
	// lead, the second two calls of anybody, from being admitted at once: each
	// would count without the other.
	lockLeadSQL = `SELECT pg_advisory_xact_lock(hashtextextended('followup lead ' || $1 || ' ' || $2, 0))`
	lockPaceSQL = `SELECT pg_advisory_xact_lock(hashtextextended('followup pace', 0))`

	// A note may hold a picture; after the claim is no time to run out of memory.
	selectLeadSQL = `SELECT left(COALESCE(first_name::text, ''), 200), left(COALESCE(last_name::text, ''), 200),
	left(COALESCE(phone::text, ''), 200), left(COALESCE(country_code, ''), 20), left(COALESCE(base_number, ''), 20),
	COALESCE(excluded, ''), left(COALESCE(latest_note::text, ''), 4096)
FROM followup_leads
WHERE tenant_id = $1 AND id = $2`

	// selectCallsSQL looks at the lead's other bookings: is one called for the same
	// minute ($4), and how many were called since $5? Called is what was claimed and
	// has not been proven not to have rung.
	selectCallsSQL = `SELECT COALESCE(bool_or(planned_for >= $4 AND planned_for < $4::timestamptz + interval '1 minute'), false),
	count(*) FILTER (WHERE claimed_at > $5)
FROM followup_bookings
WHERE tenant_id = $1 AND lead_id = $2 AND id <> $3 AND claimed_at IS NOT NULL
	AND COALESCE(task_reason, '') NOT IN ('not_started', 'rejected', 'misconfigured')`

	selectAgentsSQL  = `SELECT id, shared FROM followup_agents WHERE tenant_id = $1 OR tenant_id IS NULL ORDER BY length(id), id LIMIT 1000`
	selectNumbersSQL = `SELECT COALESCE(country_code, ''), COALESCE(base_number, ''), COALESCE(agent_id, '') FROM followup_numbers
WHERE tenant_id = $1 ORDER BY id LIMIT 1000`
	selectCallAgentSQL = `SELECT COALESCE(agent_id, '') FROM followup_call_log WHERE tenant_id = $1 AND lead_id = $3 AND id = $2::text`

	selectPaceSQL = `SELECT tenant_id, claimed_at, slot, blocked FROM followup_pace($1, $2)`
)

// Facts reads what Admit would be told about a booking, and takes no locks.
func (db *DB) Facts(ctx context.Context, b followup.Booking, rules followup.Rules) (f followup.Facts, err error) {
	err = db.inTenant(ctx, b.TenantID, func(tx transaction) error {
		var now time.Time
		if err := tx.QueryRow(ctx, clockSQL).Scan(&now); err != nil {
			return fmt.Errorf("read clock: %w", err)
		}
		f, _, err = db.facts(ctx, tx, b, rules, now, false)
		return err
	})
	if errors.Is(err, errUnknownTenant) {
		return followup.Facts{}, nil
	}
	if err != nil {
		return followup.Facts{}, fmt.Errorf("read what is known about booking %s: %w", b.Ref, err)
	}
	return f, nil
}

// facts asks everything in one round trip, or in two under a limit: the locks come
// first, since a statement sees what was committed before it began.
func (db *DB) facts(ctx context.Context, tx transaction, b followup.Booking, rules followup.Rules, now time.Time, lock bool) (followup.Facts, time.Time, error) {
	var f followup.Facts
	at := db.clock(now)
	batch := &batch{}
	if lock {
		batch.Queue(lockLeadSQL, b.TenantID.String(), b.LeadID.UUID.String())
		if rules.Limit.Window() > 0 {
			batch.Queue(lockPaceSQL)
		}
	}
	batch.Queue(clockSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	batch.Queue(selectLeadSQL, b.TenantID, b.LeadID).QueryRow(func(row pgx.Row) error {
		return db.scanLead(row, b.TenantID, &f.Lead)
	})
	batch.Queue(selectCallsSQL, b.TenantID, b.LeadID, b.BookingID, b.ScheduledAt.Truncate(time.Minute), at.Add(-rules.MaxCalls.Per)).
		QueryRow(func(row pgx.Row) error { return row.Scan(&f.Lead.Twin, &f.Lead.Calls) })
	batch.Queue(selectAgentsSQL, b.TenantID).Query(func(rows pgx.Rows) error { return scanAgents(rows, &f.Agents) })
	batch.Queue(selectNumbersSQL, b.TenantID).Query(func(rows pgx.Rows) error { return scanNumbers(rows, &f.Agents) })
	if b.CallRef.Valid {
		batch.Queue(selectCallAgentSQL, b.TenantID, b.CallRef.UUID, b.LeadID).QueryRow(func(row pgx.Row) error {
			return scanCallAgent(row, &f.Agents)
		})
	}
	if window := rules.Limit.Window(); window > 0 {
		batch.Queue(selectPaceSQL, at.Add(-window), at).Query(func(rows pgx.Rows) error { return scanPace(rows, &f.Ledger) })
	}
	if err := tx.SendBatch(ctx, &batch.Batch).Close(); err != nil {
		return followup.Facts{}, now, fmt.Errorf("read lead, agents and calls: %w", err)
	}
	return f, now, nil
}

// Lead reads whom a booking's call would ring. It is the zero Lead if the
// tenant has no such lead.
func (db *DB) Lead(ctx context.Context, b followup.Booking) (followup.Lead, error) {
	f, err := db.Facts(ctx, b, followup.Rules{})
	return f.Lead, err
}

// scanLead leaves the lead zero if the tenant has none of the id.
func (db *DB) scanLead(row pgx.Row, tenant uuid.UUID, lead *followup.Lead) error {
	var raw phone.Raw
	err := row.Scan(&lead.FirstName, &lead.LastName, &raw.Phone, &raw.CountryCode, &raw.BaseNumber, &lead.Excluded, &lead.LatestNote)
	if errors.Is(err, pgx.ErrNoRows) {
		lead.NumberProblem = "there is no such lead"
		return nil
	}
	if err != nil {
		return err
	}
	number, err := phone.Parse(raw, db.regions.For(tenant))
	if err != nil {
		number, lead.NumberProblem = "", err.Error()
	}
	lead.Number = followup.Phone(number)
	return nil
}

// scanAgents: a row without an id says that the schema has no table of agents.
func scanAgents(rows pgx.Rows, into *followup.Agents) error {
	into.Known = true
	var id *string
	var shared bool
	_, err := pgx.ForEachRow(rows, []any{&id, &shared}, func() error {
		if id == nil {
			into.Known = false
			return nil
		}
		if n, err := strconv.ParseInt(*id, 10, 64); err == nil {
			into.List = append(into.List, followup.Agent{ID: n, Shared: shared})
		}
		return nil
	})
	return err
}

func scanNumbers(rows pgx.Rows, into *followup.Agents) error {
	var raw phone.Raw
	var agent string
	_, err := pgx.ForEachRow(rows, []any{&raw.CountryCode, &raw.BaseNumber, &agent}, func() error {
		var n followup.CallerNumber
		number, _ := phone.Parse(raw, "") // a number that is none is not sent
		n.Number = followup.Phone(number)
		n.AgentID, _ = strconv.ParseInt(agent, 10, 64)
		into.Numbers = append(into.Numbers, n)
		return nil
	})
	return err
}

func scanCallAgent(row pgx.Row, into *followup.Agents) error {
	var agent string
	err := row.Scan(&agent)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	into.OfCall, _ = strconv.ParseInt(agent, 10, 64) // 0: the call names none
	return err
}

func scanPace(rows pgx.Rows, into *followup.Ledger) error {
	var tenant uuid.UUID
	var claimed, slot *time.Time
	var blocked bool
	_, err := pgx.ForEachRow(rows, []any{&tenant, &claimed, &slot, &blocked}, func() error {
		switch {
		case claimed != nil:
			into.Claims = append(into.Claims, followup.Entry{Tenant: tenant, At: *claimed})
		case blocked && slot != nil:
			if slot.After(into.BlockedUntil) {
				into.BlockedUntil = *slot
			}
		case slot != nil:
			into.Slots = append(into.Slots, followup.Entry{Tenant: tenant, At: *slot})
		}
		return nil
	})
	return err
}

// metadata reads which agent a booking names, and which call led to it. odd is
// metadata that LAD has encoded twice, or nested in itself: JSON again.
func metadata(agent, call, odd *string) (agentID string, callRef uuid.NullUUID) {
	if odd != nil && agent == nil {
		var inner struct {
			AgentID  json.RawMessage `json:"agent_id"`
			CallID   string          `json:"call_id"`
			Metadata json.RawMessage `json:"metadata"`
		}
		text := []byte(*odd)
		for range 3 { // a text in a text in a text is nobody's any more
			var again string
			if json.Unmarshal(text, &again) != nil {
				break
			}
			text = []byte(again)
		}
		switch err := json.Unmarshal(text, &inner); {
		case err != nil && bytes.HasPrefix(text, []byte("{")): // cut off, or not JSON
			return "unreadable metadata", callRef // said by the rule that asks for the agent
		case err != nil: // a text or a list, which names no agent
		case inner.AgentID == nil && inner.Metadata != nil:
			nested := string(inner.Metadata)
			return metadata(nil, call, &nested)
		case inner.AgentID != nil && string(inner.AgentID) != "null":
			agentID = strings.Trim(string(inner.AgentID), `"`)
		}
		if call == nil {
			call = &inner.CallID
		}
	}
	if agent != nil {
		agentID = strings.TrimSpace(*agent)
	}
	if call != nil {
		if id, err := followup.ParseID(*call); err == nil {
			callRef = uuid.NullUUID{UUID: id, Valid: true}
		}
	}
	return agentID, callRef
}
