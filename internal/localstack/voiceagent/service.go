package voiceagent

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// service is the contract of the voice service itself: lenient in what it reads.
type service struct{ *Server }

func (service) paths() (startCall, job string) { return ServiceStartCallPath, ServiceJobPath }

func (s service) authenticate(h http.Header) (caller, *refusal) {
	o := s.options
	if o.FrontendID != "" && same(h, "X-Frontend-ID", o.FrontendID) && same(h, "X-API-Key", o.APIKey) {
		return caller{}, nil
	}
	if o.Block {
		s.bad.take()
	}
	return caller{}, &refusal{http.StatusUnauthorized, "Invalid frontend id or API key"}
}

func (service) parse(body []byte) (startCall, *refusal) {
	malformed := func(what string) *refusal { return &refusal{http.StatusUnprocessableEntity, what} }
	var req startCall
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return req, malformed("the body is not a JSON object")
	}
	for name, target := range req.targets() {
		if value, given := fields[name]; given && json.Unmarshal(value, target) != nil {
			return req, malformed(name + " has the wrong type")
		}
	}
	number, ok := normalised(req.ToNumber)
	switch {
	case req.VoiceID == "":
		return req, malformed("voice_id is required")
	case !ok:
		return req, malformed("to_number is no telephone number")
	case req.AgentID != nil && *req.AgentID < 1:
		return req, malformed("agent_id is not positive")
	case req.LeadID != "" && !isUUID(req.LeadID), req.InitiatedBy != "" && !isUUID(req.InitiatedBy):
		return req, malformed("lead_id or initiated_by is no UUID")
	}
	req.ToNumber = number
	if req.AgentID == nil && req.VoiceID == "default" {
		return req, &refusal{http.StatusBadRequest, `voice_id "default" needs an agent_id`}
	}
	return req, nil
}

var digits = regexp.MustCompile(`^[0-9]{7,15}$`)

// normalised reads +971…, 00971…, 971… and, as a number of the United Arab
// Emirates, 0….
func normalised(number string) (string, bool) {
	number = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(number)
	number = strings.TrimPrefix(strings.TrimPrefix(number, "+"), "00")
	if local, ok := strings.CutPrefix(number, "0"); ok {
		number = "971" + local
	}
	return "+" + number, digits.MatchString(number)
}

func (service) accept(w http.ResponseWriter, job map[string]any) {
	answer(w, http.StatusAccepted, job)
}

func (service) describe(w http.ResponseWriter, job map[string]any) { answer(w, http.StatusOK, job) }

func (service) refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"detail": message})
}
