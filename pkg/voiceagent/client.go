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
// up after connecting makes the outcome Unknown.
func (c *Client) StartCall(ctx context.Context, creds Credentials, call Call) Result {
	if !creds.ready {
		return Result{Outcome: NotStarted, Detail: "not sent: no credentials, Client.Authorize comes first"}
	}
	call.Context, call.LeadName = cut(call.Context, maxContext), cut(call.LeadName, maxName)
	private := newRedactor(call, c.config.InternalServiceSecret.Reveal(), c.config.APIKey.Reveal(), creds.idToken.Reveal())

	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, fmt.Errorf("no answer within %s", c.config.Timeout))
	defer cancel()
	connected := new(atomic.Bool)
	// For HTTP/1 net/http fires GotConn when the connection is ready for the request:
	// after the TLS handshake, before the first byte of the request.
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.newRequest(ctx, creds, call)
	if err != nil {
		return Result{Outcome: Rejected, Detail: private.detail("not sent", err.Error())}
	}

	// Not http.Client: a RoundTripper follows no redirects.
	resp, err := c.transport.RoundTrip(req)
	switch {
	case err == nil:
		defer func() { _ = resp.Body.Close() }()
		return readResult(resp, private)
	case connected.Load():
		return Result{Outcome: Unknown, Detail: private.detail("connected to the voice agent, but got no answer", err.Error())}
	default:
		return Result{Outcome: NotStarted, Detail: private.detail("not connected to the voice agent", err.Error())}
	}
}

// readResult classifies by the status alone. What can be read of the body, even
// with an error, adds the call id and the message.
func readResult(resp *http.Response, private redactor) Result {
	var answered answer
	if resp.StatusCode != http.StatusSwitchingProtocols { // its body is the bare connection
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes))
		answered = parseAnswer(body)
	}
	wait, given := retryAfter(resp.Header.Get("Retry-After"), time.Now())
	result := Result{
		Outcome:    classify(resp.StatusCode, given),
		Status:     resp.StatusCode,
		RetryAfter: wait,
	}
	if result.Outcome == Accepted && !private.knows(answered.callID) {
		result.CallID = answered.callID
	}
	own := fmt.Sprintf("the voice agent answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	result.Detail = private.detail(clean(own), answered.message)
	return result
}
