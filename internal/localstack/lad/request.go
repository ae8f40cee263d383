package lad

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/httpjson"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// problem is an error that the caller can mend.
type problem struct {
	status  int
	code    string // for machines
	message string // for people
}

func (p problem) Error() string { return p.message }

// invalid is the problem of a field, a header or a path segment.
func invalid(name string, err error) problem {
	return problem{http.StatusBadRequest, "invalid_field", name + ": " + err.Error()}
}

func write(w http.ResponseWriter, p problem) {
	httpjson.Write(w, p.status, map[string]any{"error": map[string]string{"code": p.code, "message": p.message}})
}

// decode reads a JSON object. Fields that it does not know are ignored, as LAD ignores them.
func decode(r *http.Request, into any) error {
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType != "application/json" {
		return problem{http.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return problem{http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("the body has more than %d bytes", maxBody)}
	}
	if err != nil {
		return problem{http.StatusBadRequest, "body_incomplete", "the body broke off"}
	}
	err = json.Unmarshal(body, into)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return invalid(wrongType.Field, fmt.Errorf("a JSON %s is not possible", wrongType.Value))
	case err != nil:
		return problem{http.StatusBadRequest, "malformed_json", "the body is not a JSON object"}
	}
	return nil
}

// parseID reads a UUID in its canonical form of 36 characters, in either case, and returns it in
// lower case, as Postgres does.
func parseID(s string) (string, error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || id == uuid.Nil {
		return "", errors.New("this is not a UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
	}
	return id.String(), nil
}

// optional reads a field that may be absent or null.
func optional[T any](name string, text *string, parse func(string) (T, error)) (*T, error) {
	if text == nil {
		return nil, nil
	}
	value, err := parse(*text)
	if err != nil {
		return nil, invalid(name, err)
	}
	return &value, nil
}

// required reads a field that may not.
func required[T any](name string, text *string, parse func(string) (T, error)) (value T, err error) {
	if text == nil {
		return value, problem{http.StatusBadRequest, "missing_field", name + " is missing"}
	}
	if value, err = parse(*text); err != nil {
		return value, invalid(name, err)
	}
	return value, nil
}

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s) // fractions of a second are accepted when parsing
	if err != nil {
		return time.Time{}, errors.New("this is not a time in RFC 3339, such as 2026-01-31T09:30:00Z")
	}
	return t, nil
}

var statuses = []string{"pending", "scheduled", "confirmed", "in_progress", "completed", "missed", "failed", "cancelled"}

func parseStatus(s string) (string, error) {
	if !slices.Contains(statuses, s) {
		return "", fmt.Errorf("a booking's status is one of %s", strings.Join(statuses, ", "))
	}
	return s, nil
}

func parseText(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", errors.New("this is empty")
	}
	return s, nil
}

func parseObject(raw json.RawMessage) (json.RawMessage, error) {
	var object map[string]json.RawMessage
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, invalid("metadata", errors.New("this is not a JSON object"))
	}
	return raw, nil
}

// nullable is a text field whose absence means something else than null.
type nullable struct {
	given bool
	value *string
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *nullable) UnmarshalJSON(data []byte) error {
	n.given = true
	return json.Unmarshal(data, &n.value)
}
