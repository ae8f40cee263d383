package voiceagent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/google/uuid"
)

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// startCall is LAD's request. booking_id and idempotency_key are ignored by LAD
// today; here they find the call in the book.
type startCall struct {
	VoiceID               string
	ToNumber              string
	FromNumber            string
	AddedContext          string
	AgentID               *int64
	LeadName              string
	LeadID                string
	InitiatedBy           string
	LLMProvider           string
	LLMModel              string
	KnowledgeBaseStoreIDs []string
	BookingID             string
	IdempotencyKey        string
}

// parseStartCall checks the body against the contract. With an error the request
// holds what could be read.
func parseStartCall(body []byte) (startCall, error) {
	var req startCall
	dec := json.NewDecoder(bytes.NewReader(body))
	var fields map[string]json.RawMessage
	if err := dec.Decode(&fields); err != nil || fields == nil {
		return req, errors.New("the body is not a JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return req, errors.New("something follows the JSON object")
	}
	// Not a tagged struct: encoding/json would take Voice_ID for voice_id and null
	// for a missing field.
	targets := map[string]any{
		"voice_id": &req.VoiceID, "to_number": &req.ToNumber, "from_number": &req.FromNumber,
		"added_context": &req.AddedContext, "agent_id": &req.AgentID, "lead_name": &req.LeadName,
		"lead_id": &req.LeadID, "initiated_by": &req.InitiatedBy, "llm_provider": &req.LLMProvider,
		"llm_model": &req.LLMModel, "knowledge_base_store_ids": &req.KnowledgeBaseStoreIDs,
		"booking_id": &req.BookingID, "idempotency_key": &req.IdempotencyKey,
	}
	var errs []error
	for name, value := range fields {
		target, known := targets[name]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("unknown field %q", name))
		case string(value) == "null" || json.Unmarshal(value, target) != nil:
			errs = append(errs, fmt.Errorf("%s has the wrong type", name))
		}
	}
	return req, errors.Join(append(errs, req.check(fields))...)
}

func (req startCall) check(fields map[string]json.RawMessage) error {
	var errs []error
	if req.VoiceID == "" {
		errs = append(errs, errors.New("voice_id is required"))
	}
	for name, number := range map[string]string{"to_number": req.ToNumber, "from_number": req.FromNumber} {
		if _, given := fields[name]; (given || name == "to_number") && !e164.MatchString(number) {
			errs = append(errs, fmt.Errorf("%s is not E.164", name))
		}
	}
	for name, id := range map[string]string{"lead_id": req.LeadID, "initiated_by": req.InitiatedBy} {
		if _, given := fields[name]; given && !isUUID(id) {
			errs = append(errs, fmt.Errorf("%s is no UUID", name))
		}
	}
	return errors.Join(errs...)
}

// isUUID accepts the 36-character form only: uuid.Parse alone takes three more.
func isUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}
