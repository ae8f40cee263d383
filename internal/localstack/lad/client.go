package lad

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Client speaks to the stand-in as one tenant's user.
type Client struct {
	URL    string // of the server
	Tenant string
	HTTP   *http.Client
}

// Do sends a request, with a body unless that is nil, and decodes the answer into into
// unless that is nil. An answer other than a 2xx is an error.
func (c Client) Do(ctx context.Context, method, path string, body, into any) error {
	fail := func(err error) error { return fmt.Errorf("%s %s: %w", method, path, err) }
	content, err := json.Marshal(body)
	if err != nil {
		return fail(err)
	}
	if body == nil {
		content = nil
	}
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(content))
	if err != nil {
		return fail(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(TenantHeader, c.Tenant)
	response, err := c.HTTP.Do(request)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = response.Body.Close() }() // it has been read, or is of no use
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fail(err)
	case response.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fail(err)
	}
	return nil
}
