package voiceagent

import (
	"net/http"

	"github.com/google/uuid"
)

// contract is what differs between LAD's backend and the voice service.
type contract interface {
	paths() (startCall, job string)
	// authenticate says who calls, if the credentials do, or why they are refused.
	authenticate(http.Header) (caller, *refusal)
	// parse reads a start-call's body. With a refusal the request holds what could
	// be read.
	parse(body []byte) (startCall, *refusal)
	accept(w http.ResponseWriter, job map[string]any)
	describe(w http.ResponseWriter, job map[string]any)
	refuse(w http.ResponseWriter, status int, message string)
}

// caller is whom a token is for; both are "" without one.
type caller struct{ tenantID, userID string }

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

// targets are the fields by their names on the wire. Not a tagged struct:
// encoding/json would take Voice_ID for voice_id.
func (req *startCall) targets() map[string]any {
	return map[string]any{
		"voice_id": &req.VoiceID, "to_number": &req.ToNumber, "from_number": &req.FromNumber,
		"added_context": &req.AddedContext, "agent_id": &req.AgentID, "lead_name": &req.LeadName,
		"lead_id": &req.LeadID, "initiated_by": &req.InitiatedBy, "llm_provider": &req.LLMProvider,
		"llm_model": &req.LLMModel, "knowledge_base_store_ids": &req.KnowledgeBaseStoreIDs,
		"booking_id": &req.BookingID, "idempotency_key": &req.IdempotencyKey,
	}
}

// isUUID accepts the 36-character form only: uuid.Parse alone takes three more.
func isUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}
