// Package contract holds real requests and answers against docs/openapi.yaml, so
// that the document cannot say anything else than what is sent. It is for tests
// only, and refuses to know an operation that the document does not describe.
package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// The operations of the document.
const (
	ExecuteFollowUp  = "executeFollowUp"
	StartCall        = "startCall"
	GetJob           = "getJob"
	ServiceStartCall = "serviceStartCall"
	ServiceGetJob    = "serviceGetJob"
)

// AgentOperation is the operation of a request to the voice agent at the contracts'
// own paths, "" if it is none.
func AgentOperation(r *http.Request) string {
	path, backend := strings.CutPrefix(r.URL.Path, "/api/voice-agent")
	switch {
	case path == "/calls/start-call" && backend:
		return StartCall
	case path == "/calls/start-call":
		return ServiceStartCall
	case strings.HasPrefix(path, "/calls/job/") && backend:
		return GetJob
	case strings.HasPrefix(path, "/calls/job/"):
		return ServiceGetJob
	}
	return ""
}

// Exchange is a request and its answer, as they went over the wire.
type Exchange struct {
	Request     *http.Request // its body is not read
	RequestBody []byte
	Status      int
	Header      http.Header
	Body        []byte
}

// Document is docs/openapi.yaml. It is safe for concurrent use.
type Document struct{ spec *openapi3.T }

// Load reads the document of the repository that the working directory is in,
// and refuses one that is no valid OpenAPI.
var Load = sync.OnceValues(func() (*Document, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for ; ; dir = filepath.Dir(dir) {
		name := filepath.Join(dir, "docs", "openapi.yaml")
		if _, err := os.Stat(name); err == nil {
			return read(name)
		}
		if dir == filepath.Dir(dir) {
			return nil, errors.New("no folder above has docs/openapi.yaml")
		}
	}
})

func read(name string) (*Document, error) {
	spec, err := openapi3.NewLoader().LoadFromFile(name)
	if err == nil {
		err = spec.Validate(context.Background())
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return &Document{spec: spec}, nil
}

// CheckRequest says how a request differs from what the operation takes.
func (d *Document) CheckRequest(operation string, e Exchange) error {
	in, err := d.input(operation, e)
	if err != nil {
		return err
	}
	if err := openapi3filter.ValidateRequest(e.Request.Context(), in); err != nil {
		return fmt.Errorf("a request of %s is not as documented: %w", operation, err)
	}
	return nil
}

// CheckAnswer says how an answer differs from what the operation promises for
// its status. A status that the document does not have is a difference.
func (d *Document) CheckAnswer(operation string, e Exchange) error {
	in, err := d.input(operation, e)
	if err != nil {
		return err
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: e.Status, Header: e.Header,
		Body:    io.NopCloser(bytes.NewReader(e.Body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(e.Request.Context(), out); err != nil {
		return fmt.Errorf("an answer %d of %s is not as documented: %w", e.Status, operation, err)
	}
	return nil
}

// The paths with a parameter.
var (
	bookingPath = regexp.MustCompile(`/bookings/([^/]*)/execute-followup$`)
	jobPath     = regexp.MustCompile(`/job/([^/]*)$`)
)

func (d *Document) input(operation string, e Exchange) (*openapi3filter.RequestValidationInput, error) {
	route := d.route(operation)
	if route == nil {
		return nil, fmt.Errorf("docs/openapi.yaml has no operation %s", operation)
	}
	r := e.Request.Clone(e.Request.Context())
	r.Body = io.NopCloser(bytes.NewReader(e.RequestBody))
	params := map[string]string{"bookingId": "00000000-0000-0000-0000-000000000000"} // another path is refused
	if m := bookingPath.FindStringSubmatch(r.URL.Path); m != nil {
		params["bookingId"] = m[1]
	}
	if m := jobPath.FindStringSubmatch(r.URL.Path); m != nil {
		params["job_id"] = m[1]
	}
	return &openapi3filter.RequestValidationInput{
		Request: r, Route: route, PathParams: params,
		Options: &openapi3filter.Options{AuthenticationFunc: hasCredentials},
	}, nil
}

func (d *Document) route(operation string) *routers.Route {
	for path, item := range d.spec.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == operation {
				return &routers.Route{Spec: d.spec, Path: path, PathItem: item, Method: method, Operation: op}
			}
		}
	}
	return nil
}

// hasCredentials looks whether the credentials of a scheme are there. Whether
// they are good is for others to check.
func hasCredentials(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	header, prefix := in.SecurityScheme.Name, ""
	if in.SecurityScheme.Type == "http" {
		header, prefix = "Authorization", "Bearer "
	}
	value := in.RequestValidationInput.Request.Header.Get(header)
	if len(value) <= len(prefix) || !strings.EqualFold(value[:len(prefix)], prefix) { // RFC 9110, section 11.1: the scheme in any case
		return fmt.Errorf("no %s", header)
	}
	return nil
}
