package httpjson

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// bodyTimeout is how long a body may take to come. The functions framework
	// sets no timeout of its own, and Cloud Tasks and Pub/Sub send at once.
	bodyTimeout = 20 * time.Second
	// discardTimeout and discardLimit bound what is read of a body that nobody
	// wants, the limit in bytes.
	discardTimeout = time.Second
	discardLimit   = 64 << 10
)

// ReadBody reads a request's body of at most limit bytes, a multiple of 1 KiB.
// It gives up on one that is larger at that byte, and on one that does not come
// within 20 s, and has the connection closed then, so that whoever sends without
// end neither fills memory nor keeps a place taken.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *Problem) {
	return readBody(w, r, limit, bodyTimeout)
}

// Discard reads what is there of a body that nobody wants: at most 64 KiB, for at
// most a second. It is for requests that are refused by their head. Left alone,
// net/http reads the rest by itself before it sends the answer, for as long as
// it takes, or cuts a sender off before it has read the answer.
func Discard(w http.ResponseWriter, r *http.Request) {
	_, _ = readBody(w, r, discardLimit, discardTimeout)
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64, timeout time.Duration) ([]byte, *Problem) {
	connection := http.NewResponseController(w)
	// Not every writer has a connection with deadlines; those of net/http have.
	_ = connection.SetReadDeadline(time.Now().Add(timeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, TooLarge(limit)
	case err != nil:
		return nil, &Problem{Status: http.StatusBadRequest, Code: "unreadable_body", Message: "the body ended early, or did not come in time"}
	}
	// net/http reads on to notice a client that has gone: a deadline that passes
	// while the request is worked on would be taken for one.
	_ = connection.SetReadDeadline(time.Time{})
	return body, nil
}

// TooLarge refuses a body of more than limit bytes, a multiple of 1 KiB.
func TooLarge(limit int64) *Problem {
	return &Problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Message: fmt.Sprintf("a body has at most %d KiB", limit>>10)}
}
