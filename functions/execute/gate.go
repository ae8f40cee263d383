package execute

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"lad.internal/followup/internal/httpjson"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

func refuse(status int, code, message string, cause error) *httpjson.Problem {
	return &httpjson.Problem{Status: status, Code: code, Message: message, Cause: cause}
}

// Verifier checks the bearer token of a task.
type Verifier interface {
	// Verify returns an error that wraps errForbidden for a valid token of
	// somebody else, errCertificates if it cannot tell, and any other error for a
	// token that is not valid.
	Verify(ctx context.Context, token string) error
}

// gate lets nobody in but Cloud Tasks. It asks in an order that costs a
// stranger's request next to nothing: the body is not looked at, and the
// database not touched, before the token is proven.
type gate struct {
	verifier Verifier
	queue    string // short name that X-CloudTasks-QueueName must carry
	taskPath func(id string) string
}

// admitted is a request that has passed the gate.
type admitted struct {
	payload     tasks.Payload
	ticket      followup.Ticket
	traceparent string // W3C trace context, as it came
}

func (g gate) check(w http.ResponseWriter, r *http.Request) (admitted, *httpjson.Problem) {
	problem := httpjson.CheckForm(r, "application/json")
	if problem == nil && r.ContentLength > tasks.MaxPayload {
		problem = httpjson.TooLarge(tasks.MaxPayload)
	}
	if problem == nil {
		problem = g.checkCaller(r)
	}
	if problem != nil {
		httpjson.Discard(w, r)
		return admitted{}, problem
	}
	body, problem := httpjson.ReadBody(w, r, tasks.MaxPayload)
	if problem != nil {
		return admitted{}, problem
	}
	payload, err := tasks.ParsePayload(body)
	if err != nil {
		return admitted{}, refuse(http.StatusBadRequest, "invalid_task", err.Error(), err)
	}
	if !strings.HasSuffix(r.URL.Path, tasks.BookingPath(payload.BookingID)) {
		return admitted{}, refuse(http.StatusBadRequest, "invalid_task", "the path does not end as that of the payload's booking", nil)
	}
	return admitted{
		payload:     payload,
		traceparent: r.Header.Get("Traceparent"),
		ticket: followup.Ticket{
			Key:      payload.IdempotencyKey,
			Revision: payload.Revision,
			TaskName: g.taskPath(r.Header.Get("X-CloudTasks-TaskName")),
		},
	}, nil
}

func (g gate) checkCaller(r *http.Request) *httpjson.Problem {
	token, err := bearerToken(r.Header)
	if err == nil {
		err = g.verifier.Verify(r.Context(), token)
	}
	switch {
	case errors.Is(err, errCertificates):
		// Not the caller's fault, so not 401; and not 503, which would slow the
		// queue down for longer than the outage lasts.
		return refuse(http.StatusBadGateway, "certificates_unavailable", "the token cannot be checked now; send the task again", err)
	case errors.Is(err, errForbidden):
		return refuse(http.StatusForbidden, "forbidden", "the token is valid, and not the one of the task invoker", err)
	case err != nil:
		return refuse(http.StatusUnauthorized, "unauthenticated", "a valid OIDC token of the task invoker is needed", err)
	}
	// These headers prove nothing by themselves: anybody may send them to a
	// public URL. Together with the token they show that the request came off
	// the configured queue.
	if !taskIDFormat.MatchString(r.Header.Get("X-CloudTasks-TaskName")) || r.Header.Get("X-CloudTasks-QueueName") != g.queue {
		return refuse(http.StatusForbidden, "forbidden", "the request does not come off the queue of follow-up calls", nil)
	}
	return nil
}

// taskIDFormat is that of cloudtaskspb.Task.name.
var taskIDFormat = regexp.MustCompile(`^[A-Za-z0-9_-]{1,500}$`)

// maxToken is far above what Google issues (some 1.2 KB), in bytes.
const maxToken = 16 << 10

// bearerToken takes the token of RFC 6750, section 2.1. Two Authorization
// headers are refused: it would be a guess which of them a proxy has checked.
// Beside X-Serverless-Authorization, Cloud Run checks that header alone, and hands
// Authorization on as it came.
func bearerToken(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) != 1 || len(h.Values("X-Serverless-Authorization")) > 0 {
		return "", errors.New("want one Authorization header, and no X-Serverless-Authorization")
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errors.New("want a bearer token")
	}
	if len(token) > maxToken {
		return "", errors.New("the token is too long")
	}
	return token, nil
}
