package tasks

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"lad.internal/followup/internal/exactjson"
	"lad.internal/followup/pkg/followup"
)

// PayloadVersion is written into every payload. Tasks outlive deployments by up
// to the horizon, so a reader accepts every version it knows, ignores fields it
// does not know, and a field never changes its meaning.
const PayloadVersion = 1

// MaxPayload bounds a payload that is read, in bytes. One that is written has
// fewer than 600.
const MaxPayload = 64 << 10

// Payload is the body of a task: what identifies the call, and nothing that
// would be wrong by the time it fires. It holds no secret and no personal data;
// the lead's number and name are read when dialling.
type Payload struct {
	followup.Ref
	LeadID         uuid.NullUUID
	AssignedUserID uuid.NullUUID
	IdempotencyKey string
	Revision       int
}

// payloadJSON is the wire form. Ids are strings, so that a number or an object
// in their place is an error and not a guess.
type payloadJSON struct {
	Version        *int   `json:"version,omitempty"`
	TenantID       string `json:"tenantId"`
	BookingID      string `json:"bookingId"`
	LeadID         string `json:"leadId,omitempty"`
	AssignedUserID string `json:"assignedUserId,omitempty"`
	IdempotencyKey string `json:"idempotencyKey"`
	Revision       int    `json:"revision"`
}

// NewPayload is the payload of the task that next calls for.
func NewPayload(b followup.Booking, next followup.Task) Payload {
	return Payload{
		Ref:            b.Ref,
		LeadID:         b.LeadID,
		AssignedUserID: b.AssignedUserID,
		IdempotencyKey: next.Key,
		Revision:       next.Revision,
	}
}

// MarshalJSON writes the current version, in camelCase.
func (p Payload) MarshalJSON() ([]byte, error) {
	version := PayloadVersion
	return json.Marshal(payloadJSON{
		Version:        &version,
		TenantID:       p.TenantID.String(),
		BookingID:      p.BookingID.String(),
		LeadID:         optionalID(p.LeadID),
		AssignedUserID: optionalID(p.AssignedUserID),
		IdempotencyKey: p.IdempotencyKey,
		Revision:       p.Revision,
	})
}

// ParsePayload reads what MarshalJSON of this or an earlier version has
// written. Its errors name the field that is wrong and never quote its value.
func ParsePayload(body []byte) (Payload, error) {
	var raw payloadJSON
	if err := exactjson.Unmarshal(body, &raw); err != nil {
		return Payload{}, fmt.Errorf("the body is not the JSON of a task: %w", err)
	}
	if raw.Version != nil && (*raw.Version < 1 || *raw.Version > PayloadVersion) {
		return Payload{}, fmt.Errorf("version: it is none that this function knows (1 to %d)", PayloadVersion)
	}
	var p Payload
	var err error
	if p.TenantID, err = followup.ParseID(raw.TenantID); err != nil {
		return Payload{}, fmt.Errorf("tenantId: %w", err)
	}
	if p.BookingID, err = followup.ParseID(raw.BookingID); err != nil {
		return Payload{}, fmt.Errorf("bookingId: %w", err)
	}
	if p.LeadID, err = parseOptionalID(raw.LeadID); err != nil {
		return Payload{}, fmt.Errorf("leadId: %w", err)
	}
	if p.AssignedUserID, err = parseOptionalID(raw.AssignedUserID); err != nil {
		return Payload{}, fmt.Errorf("assignedUserId: %w", err)
	}
	at, ours := strings.CutPrefix(raw.IdempotencyKey, "followup:"+p.TenantID.String()+":"+p.BookingID.String()+":")
	if !ours || !isoString.MatchString(at) {
		return Payload{}, fmt.Errorf("idempotencyKey: want followup:{tenantId}:{bookingId}:{scheduled_at} of this tenant and booking")
	}
	if raw.Revision < 1 || raw.Revision > math.MaxInt32 { // the column is an integer
		return Payload{}, fmt.Errorf("revision: want 1 to %d", math.MaxInt32)
	}
	p.IdempotencyKey, p.Revision = raw.IdempotencyKey, raw.Revision
	return p, nil
}

// isoString is the form of a key's time, the one that [followup.Booking.Key]
// writes (ECMA-262, "Date Time String Format"): a time has one spelling, and so a
// call has one key.
var isoString = regexp.MustCompile(`^(?:[0-9]{4}|[+-][0-9]{6})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$`)

// optionalID is "" for the nil UUID as well: it names nobody, and a reader that
// refuses it must not find it.
func optionalID(id uuid.NullUUID) string {
	if !id.Valid || id.UUID == uuid.Nil {
		return ""
	}
	return id.UUID.String()
}

func parseOptionalID(s string) (uuid.NullUUID, error) {
	if s == "" {
		return uuid.NullUUID{}, nil
	}
	id, err := followup.ParseID(s)
	return uuid.NullUUID{UUID: id, Valid: err == nil}, err
}
