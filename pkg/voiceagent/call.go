package voiceagent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

const (
	// defaultVoice is what LAD's own callers send; the agent decides on its voice.
	defaultVoice = "default"
	// maxContext is the longest added_context sent, in bytes. A longer note is cut:
	// it is a prompt's background, and a pasted mail must not turn the call into a 413.
	maxContext = 16 << 10
	// maxName is the longest lead_name sent, in bytes.
	maxName   = 1 << 10
	userAgent = "lad-followup/1"
)

var (
	e164        = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`) // ITU-T E.164: at most 15 digits
	traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

// Call is one call to start. TenantID, To and IdempotencyKey are required; what
// else is empty is left out of the request.
type Call struct {
	TenantID       string // UUID; header X-Tenant-Id
	BookingID      string // UUID; LAD ignores it today
	LeadID         string // UUID
	InitiatedBy    string // UUID of the user the call is made for
	To             string // E.164, "+971501234567"
	LeadName       string
	Context        string // what the agent should know, such as the latest note
	AgentID        *int64 // nil: Config.DefaultAgentID
	IdempotencyKey string // header Idempotency-Key, and in the body
	Traceparent    string // W3C trace context to pass on; left out unless well-formed
}

// startCallRequest is LAD's contract for POST …/calls/start-call. BookingID and
// IdempotencyKey are sent along for the day that LAD deduplicates.
type startCallRequest struct {
	VoiceID        string `json:"voice_id"`
	ToNumber       string `json:"to_number"`
	AddedContext   string `json:"added_context,omitempty"`
	AgentID        *int64 `json:"agent_id,omitempty"`
	LeadName       string `json:"lead_name,omitempty"`
	LeadID         string `json:"lead_id,omitempty"`
	InitiatedBy    string `json:"initiated_by,omitempty"`
	BookingID      string `json:"booking_id,omitempty"`
	IdempotencyKey string `json:"idempotency_key"`
}

func (call Call) check() error {
	switch {
	case !e164.MatchString(call.To):
		return errors.New("the lead's number is not E.164")
	case call.TenantID == "" || !isHeaderSafe(call.TenantID):
		return errors.New("the tenant's id is missing or fits no header")
	case call.IdempotencyKey == "" || !isHeaderSafe(call.IdempotencyKey):
		return errors.New("the idempotency key is missing or fits no header")
	}
	return nil
}

// newRequest builds the POST. An error means that this call can never be sent.
func (c *Client) newRequest(ctx context.Context, creds Credentials, call Call) (*http.Request, error) {
	if err := call.check(); err != nil {
		return nil, err
	}
	agentID := call.AgentID
	if agentID == nil {
		agentID = c.config.DefaultAgentID
	}
	body, err := json.Marshal(startCallRequest{
		VoiceID:        defaultVoice,
		ToNumber:       call.To,
		AddedContext:   call.Context,
		AgentID:        agentID,
		LeadName:       call.LeadName,
		LeadID:         call.LeadID,
		InitiatedBy:    call.InitiatedBy,
		BookingID:      call.BookingID,
		IdempotencyKey: call.IdempotencyKey,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the call: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.endpoint(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	req.GetBody = nil // a body that cannot be had again cannot be sent again
	c.setHeaders(req.Header, creds, call)
	return req, nil
}

func (c *Client) setHeaders(h http.Header, creds Credentials, call Call) {
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json")
	h.Set("User-Agent", userAgent)
	h.Set("X-Tenant-Id", call.TenantID)
	h.Set("Idempotency-Key", call.IdempotencyKey)
	if traceparent.MatchString(call.Traceparent) {
		h.Set("Traceparent", call.Traceparent)
	}
	if c.config.InternalServiceSecret.IsSet() {
		h.Set("X-Internal-Service-Secret", c.config.InternalServiceSecret.Reveal())
	}
	if c.config.FrontendID != "" {
		h.Set("X-Frontend-ID", c.config.FrontendID)
		h.Set("X-API-Key", c.config.APIKey.Reveal())
	}
	if creds.idToken.IsSet() {
		h.Set("Authorization", "Bearer "+creds.idToken.Reveal())
	}
}

// cut shortens text to at most n bytes, at a rune's border.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}
