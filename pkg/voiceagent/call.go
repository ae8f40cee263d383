package voiceagent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"lad.internal/followup/pkg/followup"
)

const (
	// defaultVoice is what LAD's own callers send; the agent decides on its voice.
	defaultVoice = "default"
	// maxContext is how much of added_context reaches the agent, and maxName what is
	// sent of a name, in characters. The voice service cuts the rest itself.
	maxContext = 500
	maxName    = 200
	// maxRequest bounds a request's body, in bytes of JSON.
	maxRequest = 16 << 10
	userAgent  = "lad-followup/1"
)

var (
	e164        = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`) // ITU-T E.164: at most 15 digits
	traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

// Call is one call to start. TenantID, To, AgentID and IdempotencyKey are required,
// and InitiatedBy where its token is signed (Config.JWTSecret); what else is empty
// is left out of the request.
type Call struct {
	TenantID       string         // UUID; header X-Tenant-Id, and in the token
	BookingID      string         // UUID; LAD ignores it today
	LeadID         string         // UUID
	InitiatedBy    string         // UUID of the user the call is made for
	To             followup.Phone // "+971501234567"
	From           followup.Phone // "": the voice service chooses
	LeadName       string
	Context        string // what the agent should know, such as the latest note
	AgentID        int64
	IdempotencyKey string // header Idempotency-Key, and in the body
	Traceparent    string // W3C trace context to pass on; left out unless well-formed
}

// startCallRequest is LAD's contract for POST …/calls/start-call. BookingID and
// IdempotencyKey are sent to LAD's backend for the day that it deduplicates.
type startCallRequest struct {
	VoiceID        string `json:"voice_id"`
	ToNumber       string `json:"to_number"`
	FromNumber     string `json:"from_number,omitempty"`
	AddedContext   string `json:"added_context,omitempty"`
	AgentID        int64  `json:"agent_id"`
	LeadName       string `json:"lead_name,omitempty"`
	LeadID         string `json:"lead_id,omitempty"`
	InitiatedBy    string `json:"initiated_by,omitempty"`
	BookingID      string `json:"booking_id,omitempty"`
	IdempotencyKey string `json:"idempotency_key,omitempty"`
}

func (call Call) check() error {
	switch {
	case !e164.MatchString(string(call.To)):
		return errors.New("the lead's number is not E.164")
	case call.From != "" && !e164.MatchString(string(call.From)):
		return errors.New("the caller's number is not E.164")
	case call.AgentID < 1:
		return errors.New("no voice agent")
	case call.TenantID == "" || !isHeaderSafe(call.TenantID):
		return errors.New("the tenant's id is missing or fits no header")
	case call.IdempotencyKey == "" || !isHeaderSafe(call.IdempotencyKey):
		return errors.New("the idempotency key is missing or fits no header")
	}
	return nil
}

// newRequest builds the POST. An error means that this call can never be sent.
func (c *Client) newRequest(ctx context.Context, bearer string, call Call) (*http.Request, error) {
	if err := call.check(); err != nil {
		return nil, err
	}
	body, err := c.encode(call)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.startCallURL(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	req.GetBody = nil // a body that cannot be had again cannot be sent again
	c.setHeaders(req.Header, bearer, call)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", call.IdempotencyKey)
	return req, nil
}

func (c *Client) encode(call Call) ([]byte, error) {
	request := startCallRequest{
		VoiceID:      defaultVoice,
		ToNumber:     string(call.To),
		FromNumber:   string(call.From),
		AddedContext: call.Context,
		AgentID:      call.AgentID,
		LeadName:     call.LeadName,
		LeadID:       call.LeadID,
		InitiatedBy:  call.InitiatedBy,
	}
	if c.config.Contract != Service {
		request.BookingID, request.IdempotencyKey = call.BookingID, call.IdempotencyKey
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // a note in HTML would become six times as long
	if err := enc.Encode(request); err != nil {
		return nil, fmt.Errorf("encode the call: %w", err)
	}
	if body.Len() > maxRequest {
		return nil, fmt.Errorf("the request would have %d bytes, and at most %d are sent", body.Len(), maxRequest)
	}
	return body.Bytes(), nil
}

// setHeaders sets what a call and a question about its job have in common.
func (c *Client) setHeaders(h http.Header, bearer string, call Call) {
	h.Set("Accept", "application/json")
	h.Set("User-Agent", userAgent)
	h.Set("X-Tenant-Id", call.TenantID)
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
	if bearer != "" {
		h.Set("Authorization", "Bearer "+bearer)
	}
}

// cut shortens text to at most n characters.
func cut(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
