// Package httpjson is the form of both functions' answers: JSON, and for a
// refused request an object error with a stable code for machines and a
// sentence for people. It reads their bodies too, within bounds of size and time.
// It refuses to quote anything of a request.
package httpjson

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Problem is a refused request. Its JSON is
// {"error":{"code":"…","message":"…"}}.
type Problem struct {
	Status  int
	Code    string // stable, snake_case
	Message string
	Cause   error // for the log; not written
}

// CheckForm looks at what can be seen without the body: a POST of one of these media
// types, without a content encoding.
func CheckForm(r *http.Request, media ...string) *Problem {
	sent, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		return &Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "send a POST"}
	case err != nil || !slices.Contains(media, sent):
		return &Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Message: "send " + strings.Join(media, " or ")}
	case r.Header.Get("Content-Encoding") != "":
		return &Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Message: "send the body without a content encoding"}
	default:
		return nil
	}
}

// Write answers with the problem, and with the header that its status calls for
// (RFC 9110, sections 10.2.1 and 11.6.1).
func (p Problem) Write(w http.ResponseWriter) {
	switch p.Status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	Write(w, p.Status, struct {
		Error detail `json:"error"`
	}{detail{p.Code, p.Message}})
}

// Write answers with body as JSON. The length is given, so that the answer is
// complete for the caller even if the process ends right after it. A failed
// write is ignored: the caller is gone, and what happened is in the row and in
// the log.
func Write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"the answer could not be written"}}`)
	}
	text = append(text, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
