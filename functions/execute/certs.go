package execute

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// errCertificates: the issuer's certificates cannot be had, so that nothing is
// known of the token.
var errCertificates = errors.New("the issuer's certificates cannot be had")

const (
	// certificatesTimeout bounds one request for them.
	certificatesTimeout = 10 * time.Second
	// certificatesPause is how long after a failure they are not asked for again.
	certificatesPause = time.Second
	// maxCertificates bounds them, in bytes. Google's have some 1.5 KB.
	maxCertificates = 1 << 20
)

// certificates is the transport of the validator's requests for the issuer's
// certificates. Anybody can cause such a request when those in the validator's
// cache are over: a token that is not signed by anybody will do. So however many
// ask at a time, one request is made; whoever hangs up does not end it for the
// others; and after a failure there is a pause.
//
// Its answers are certificates: everything else is errCertificates, so that
// neither a proxy's error page is taken for a bad token nor an empty list kept
// for hours.
type certificates struct {
	transport http.RoundTripper
	// target stands in for Google's URL, which the validator has built in; nil
	// leaves it.
	target  *url.URL
	timeout time.Duration

	flight singleflight.Group
	mu     sync.Mutex
	failed time.Time // when the last request failed, zero if it did not
}

// response is a response whose body has been read.
type response struct {
	header http.Header
	body   []byte
}

// RoundTrip implements http.RoundTripper.
func (c *certificates) RoundTrip(r *http.Request) (*http.Response, error) {
	target := r.URL
	if c.target != nil {
		target = c.target
	}
	// The context's values go along, and its end does not.
	ctx := context.WithoutCancel(r.Context())
	ch := c.flight.DoChan(target.String(), func() (any, error) { return c.fetch(ctx, target) })
	var res singleflight.Result
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case res = <-ch:
	}
	if res.Err != nil {
		return nil, fmt.Errorf("%w: %w", errCertificates, res.Err)
	}
	a := res.Val.(response)
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

// fetch is run by one goroutine at a time.
func (c *certificates) fetch(ctx context.Context, target *url.URL) (response, error) {
	if c.pausing() {
		return response{}, fmt.Errorf("the last request for them failed less than %v ago", certificatesPause)
	}
	a, err := c.get(ctx, target)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = time.Time{}
	if err != nil {
		c.failed = time.Now()
	}
	return a, err
}

func (c *certificates) pausing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.failed.IsZero() && time.Since(c.failed) < certificatesPause
}

func (c *certificates) get(ctx context.Context, target *url.URL) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return response{}, fmt.Errorf("build request: %w", err)
	}
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		return response{}, fmt.Errorf("fetch: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return response{}, fmt.Errorf("fetch: response %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCertificates+1))
	if err != nil {
		return response{}, fmt.Errorf("read: %w", err)
	}
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if len(body) > maxCertificates || json.Unmarshal(body, &set) != nil || len(set.Keys) == 0 {
		return response{}, errors.New("the answer is no list of keys (RFC 7517, section 5)")
	}
	return response{header: resp.Header, body: body}, nil
}
