package voiceagent

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// backend is the contract of LAD's backend, held strictly.
type backend struct{ *Server }

func (backend) paths() (startCall, job string) { return StartCallPath, JobPath }

func (b backend) authenticate(h http.Header) (caller, *refusal) {
	o := b.options
	switch {
	case o.Secret == "" && o.JWTSecret == "", !same(h, "X-Internal-Service-Secret", o.Secret):
		return caller{}, &refusal{http.StatusUnauthorized, "invalid credentials"}
	case o.JWTSecret == "":
		return caller{}, nil
	}
	token, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	if !ok {
		return caller{}, &refusal{http.StatusUnauthorized, "no token"}
	}
	var claims struct {
		jwt.RegisteredClaims
		UserID   string `json:"userId"`
		TenantID string `json:"tenantId"`
	}
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(o.JWTSecret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	if err != nil || !isUUID(claims.UserID) || !isUUID(claims.TenantID) {
		return caller{}, &refusal{http.StatusForbidden, "invalid token"}
	}
	return caller{tenantID: claims.TenantID, userID: claims.UserID}, nil
}

// same compares a header with a secret; none is asked for where want is "".
func same(h http.Header, name, want string) bool {
	return want == "" || subtle.ConstantTimeCompare([]byte(h.Get(name)), []byte(want)) == 1
}

// dialable is what LAD's backend checks of to_number.
var dialable = regexp.MustCompile(`^\+[0-9]{2,15}$`)

func (backend) parse(body []byte) (startCall, *refusal) {
	var req startCall
	dec := json.NewDecoder(bytes.NewReader(body))
	var fields map[string]json.RawMessage
	if err := dec.Decode(&fields); err != nil || fields == nil {
		return req, &refusal{http.StatusBadRequest, "the body is not a JSON object"}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return req, &refusal{http.StatusBadRequest, "something follows the JSON object"}
	}
	targets := req.targets()
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
	if err := errors.Join(append(errs, req.check(fields))...); err != nil {
		return req, &refusal{http.StatusBadRequest, err.Error()}
	}
	if req.AgentID == nil {
		// It goes on to the voice service as the text "default", whose 422 comes back so.
		return req, &refusal{http.StatusBadGateway, "the voice service answered 422: agent_id is not an integer"}
	}
	return req, nil
}

func (req startCall) check(fields map[string]json.RawMessage) error {
	var errs []error
	if req.VoiceID == "" {
		errs = append(errs, errors.New("voice_id is required"))
	}
	for name, number := range map[string]string{"to_number": req.ToNumber, "from_number": req.FromNumber} {
		if _, given := fields[name]; (given || name == "to_number") && !dialable.MatchString(number) {
			errs = append(errs, fmt.Errorf("%s is not + and 2 to 15 digits", name))
		}
	}
	for name, id := range map[string]string{"lead_id": req.LeadID, "initiated_by": req.InitiatedBy} {
		if _, given := fields[name]; given && !isUUID(id) {
			errs = append(errs, fmt.Errorf("%s is no UUID", name))
		}
	}
	return errors.Join(errs...)
}

// accept answers 200 around what the voice service has answered.
func (backend) accept(w http.ResponseWriter, job map[string]any) {
	answer(w, http.StatusOK, map[string]any{"success": true, "message": "Call initiated", "data": job})
}

func (backend) describe(w http.ResponseWriter, job map[string]any) {
	answer(w, http.StatusOK, map[string]any{"success": true, "data": job})
}

func (backend) refuse(w http.ResponseWriter, status int, message string) { refuse(w, status, message) }
