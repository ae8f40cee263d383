package schedule

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"lad.internal/followup/internal/exactjson"
	"lad.internal/followup/internal/httpjson"
	"lad.internal/followup/internal/logging"
)

const (
	// maxBody bounds a request, in bytes: a message of maxData with room for
	// base64 and whatever attributes.
	maxBody = 1 << 20
	// eventTimeout bounds the handling of one event. It ends before the 60 s
	// after which Pub/Sub takes the event for lost and sends it again.
	eventTimeout = 55 * time.Second
)

// ServeHTTP receives an event as Eventarc sends it, a CloudEvent in binary or
// structured mode, or as a plain Pub/Sub push. It answers 200 to an event that
// has been dealt with, unreadable ones included, and 500 to one that should come
// again; the other statuses are for requests that are no events at all.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(logging.WithTrace(r.Context(), r.Header), eventTimeout)
	defer cancel()
	e, problem := receive(ctx, w, r)
	if problem != nil {
		h.log.WarnContext(ctx, "refused a request that is no event", "event", "request_refused",
			"status", problem.Status, "code", problem.Code)
		problem.Write(w)
		return
	}
	result, err := h.Handle(ctx, e)
	if err != nil {
		httpjson.Problem{Status: http.StatusInternalServerError, Code: "event_failed",
			Message: "the event could not be handled and should come again; the log says why"}.Write(w)
		return
	}
	httpjson.Write(w, http.StatusOK, result)
}

// receive reads the request. The body is never printed: it may hold anything.
func receive(ctx context.Context, w http.ResponseWriter, r *http.Request) (cloudevents.Event, *httpjson.Problem) {
	var none cloudevents.Event
	if problem := httpjson.CheckForm(r, "application/json", cloudevents.ApplicationCloudEventsJSON); problem != nil {
		httpjson.Discard(w, r)
		return none, problem
	}
	body, problem := httpjson.ReadBody(w, r, maxBody)
	if problem != nil {
		return none, problem
	}
	notOne := &httpjson.Problem{Status: http.StatusBadRequest, Code: "invalid_cloudevent",
		Message: "the request is not a CloudEvent of spec version 1.0"}
	message := cehttp.NewMessage(r.Header, io.NopCloser(bytes.NewReader(body)))
	encoding := message.ReadEncoding()
	if encoding == binding.EncodingUnknown {
		return plainPush(body), nil
	}
	// The SDK takes one of two equal names, and its JSON reader is not as strict.
	if encoding == binding.EncodingStructured && exactjson.Unmarshal(body, &struct{}{}) != nil {
		return none, notOne
	}
	e, err := binding.ToEvent(ctx, message)
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		return none, notOne
	}
	return *e, nil
}

// plainPush wraps the body of a push subscription that sends no CloudEvents; it
// is the very data of the CloudEvent that Eventarc would make of it.
func plainPush(body []byte) cloudevents.Event {
	e := cloudevents.NewEvent()
	e.DataEncoded = body
	return e
}
