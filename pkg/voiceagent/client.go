package voiceagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
)

// Client starts calls. It is safe for concurrent use and holds no connections.
type Client struct {
	config    Config
	idTokens  IDTokens // nil without VOICE_AGENT_AUDIENCE
	transport *http.Transport
}

// Option changes how New builds a Client.
type Option func(*Client)

// WithIDTokens replaces Google as the source of ID tokens. It is used only when
// VOICE_AGENT_AUDIENCE is set.
func WithIDTokens(source IDTokens) Option {
	return func(c *Client) { c.idTokens = source }
}

// New checks the configuration (Config.Validate) and, with VOICE_AGENT_AUDIENCE,
// fetches a first ID token within ctx. It does not contact the voice agent.
func New(ctx context.Context, config Config, opts ...Option) (*Client, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("configure the voice agent: %w", err)
	}
	c := &Client{config: config, transport: newTransport()}
	for _, opt := range opts {
		opt(c)
	}
	if config.Audience != "" && c.idTokens == nil {
		source, err := googleIDTokens(ctx, config.Audience)
		if err != nil {
			return nil, fmt.Errorf("configure the voice agent: %w", err)
		}
		c.idTokens = source
	}
	return c, nil
}

// Credentials prove that everything that can fail without dialling has been done.
// Only Client.Authorize makes usable ones; they are meant for the call that follows
// at once, since an ID token lives for an hour at most.
type Credentials struct {
	ready   bool
	idToken settings.Secret
}

// Authorize prepares a call without dialling: it fetches the ID token, if one is
// configured. Nothing has been started when it fails, and it may be tried again.
func (c *Client) Authorize(ctx context.Context) (Credentials, error) {
	if c.config.Audience == "" {
		return Credentials{ready: true}, nil
	}
	token, err := c.idTokens(ctx)
	if err == nil && (token == "" || !isHeaderSafe(token)) {
		err = errors.New("the source returned no usable token")
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("fetch an ID token for the voice agent: %w", err)
	}
	return Credentials{ready: true, idToken: settings.NewSecret(token)}, nil
}

// StartCall asks the voice agent, once, to start the call, and always says what is
// known about it. It returns within VOICE_AGENT_TIMEOUT, however slowly the answer
// trickles. ctx should be one that the caller's own client cannot cancel: to give
// up after connecting makes the outcome unknown.
func (c *Client) StartCall(ctx context.Context, creds Credentials, call Call) Result {
	if !creds.ready {
		return Result{Outcome: followup.CallNotStarted, Detail: "not sent: no credentials, Client.Authorize comes first"}
	}
	call.Context, call.LeadName = cut(call.Context, maxContext), cut(call.LeadName, maxName)
	bearer, err := c.bearer(creds, call)
	if err != nil {
		return Result{Outcome: followup.CallRejected, Detail: "not sent: " + err.Error()}
	}

	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	connected := new(atomic.Bool)
	// For HTTP/1 net/http fires GotConn when the connection is ready for the request:
	// after the TLS handshake, before the first byte of the request.
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.newRequest(ctx, bearer, call)
	if err != nil {
		return Result{Outcome: followup.CallRejected, Detail: "not sent: " + err.Error()}
	}

	// Not http.Client: a RoundTripper follows no redirects.
	resp, err := c.transport.RoundTrip(req)
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		return readResult(resp, time.Now())
	}
	result := Result{Outcome: followup.CallNotStarted, Detail: "not connected to the voice agent: "}
	if connected.Load() {
		result.Outcome, result.Detail = followup.CallUnknown, "connected to the voice agent, but got no answer: "
	}
	result.Detail += failure(ctx, c.config.Timeout, err)
	return result
}

// readAnswer reads what it can of the body, even with an error.
func readAnswer(resp *http.Response) answer {
	if resp.StatusCode == http.StatusSwitchingProtocols { // its body is the bare connection
		return answer{}
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes))
	return parseAnswer(body)
}

func readResult(resp *http.Response, now time.Time) Result {
	answered := readAnswer(resp)
	wait, given := retryAfter(resp.Header.Get("Retry-After"), now)
	result := Result{
		Outcome:    classify(resp.StatusCode, given, answered),
		Status:     resp.StatusCode,
		RetryAfter: wait,
	}
	note := ""
	switch result.Outcome {
	case followup.CallAccepted:
		result.CallID, result.JobID = string(answered.callID), string(answered.jobID)
	case followup.CallLimited:
		if !given {
			result.RetryAfter = limitedFor
		}
	case followup.CallClosed:
		result.OpensAt = opensAt(answered.hours, now)
		note = "outside business hours until " + result.OpensAt.Format("2006-01-02 15:04Z")
	case followup.CallMisconfigured:
		note = "the credentials were refused"
		if answered.upgrade {
			note = "the tenant does not have the voice agent's feature"
		}
	case followup.CallUnknown:
		if answered.failed && resp.StatusCode < 300 {
			note = `"success" is false`
		}
	default: // the status says it
	}
	result.Detail = describe(resp, answered, note)
	return result
}
