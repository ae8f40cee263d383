package voiceagent

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"lad.internal/followup/internal/settings"
)

// Limits of VOICE_AGENT_TIMEOUT.
const (
	MinTimeout = time.Second
	MaxTimeout = 10 * time.Minute
)

// Config is the voice agent's part of the environment.
type Config struct {
	// BaseURL is the voice agent's scheme and host, with a path prefix if it has one.
	BaseURL string `env:"VOICE_AGENT_BASE_URL"`
	// StartCallPath is appended to BaseURL. LAD's own backend has the default; the
	// external voice service has /calls/start-call.
	StartCallPath string `env:"VOICE_AGENT_START_CALL_PATH, default=/api/voice-agent/calls/start-call"`

	// The credentials. At least one kind is needed; all that are set are sent.
	InternalServiceSecret settings.Secret `env:"INTERNAL_SERVICE_SECRET"`
	FrontendID            string          `env:"VOICE_AGENT_FRONTEND_ID"`
	APIKey                settings.Secret `env:"VOICE_AGENT_API_KEY"`
	// Audience asks for a Google ID token with this audience.
	Audience string `env:"VOICE_AGENT_AUDIENCE"`

	// Timeout bounds one StartCall as a whole: connecting, asking and reading the answer.
	Timeout time.Duration `env:"VOICE_AGENT_TIMEOUT, default=30s"`
	// DefaultAgentID is the agent_id for calls that name none; nil sends none.
	DefaultAgentID *int64 `env:"DEFAULT_FOLLOW_UP_AGENT_ID, noinit"`
}

// Validate reports every missing or contradictory setting, one sentence each, as
// a joined error. It makes no connection.
func (c Config) Validate() error {
	return errors.Join(
		c.checkBaseURL(),
		c.checkPath(),
		c.checkCredentials(),
		checkHeaderValue("INTERNAL_SERVICE_SECRET", c.InternalServiceSecret.Reveal()),
		checkHeaderValue("VOICE_AGENT_FRONTEND_ID", c.FrontendID),
		checkHeaderValue("VOICE_AGENT_API_KEY", c.APIKey.Reveal()),
		c.checkNumbers(),
	)
}

func (c Config) checkBaseURL() error {
	const name = "VOICE_AGENT_BASE_URL"
	if c.BaseURL == "" {
		return errors.New(name + " is missing: set it to the voice agent's URL, such as https://voice.example.com")
	}
	// The value is not printed: a URL may carry a password.
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil:
		return errors.New(name + " is not a URL: set it to one such as https://voice.example.com")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New(name + " does not start with https://: give it the scheme and the host, such as https://voice.example.com")
	case u.Hostname() == "":
		return errors.New(name + " has no host: set it to a URL such as https://voice.example.com")
	case u.User != nil:
		return errors.New(name + " contains a user name or password: remove it and use INTERNAL_SERVICE_SECRET, or VOICE_AGENT_FRONTEND_ID and VOICE_AGENT_API_KEY")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(c.BaseURL, "#"):
		return errors.New(name + " contains a query or fragment: end it before the ? or #")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New(name + " is http:// to another machine, which would send the credentials in clear: use https://")
	}
	return nil
}

func (c Config) checkPath() error {
	const name = "VOICE_AGENT_START_CALL_PATH"
	u, err := url.Parse(c.StartCallPath)
	switch {
	case !strings.HasPrefix(c.StartCallPath, "/"):
		return errors.New(name + ` does not start with "/": set it to a path such as /api/voice-agent/calls/start-call`)
	case err != nil || u.Host != "" || u.Path == "/" || strings.ContainsAny(c.StartCallPath, "?# "):
		return errors.New(name + " is not a plain path: set it to one without query, fragment or spaces, such as /api/voice-agent/calls/start-call")
	}
	return nil
}

func (c Config) checkCredentials() error {
	switch {
	case c.FrontendID != "" && !c.APIKey.IsSet():
		return errors.New("VOICE_AGENT_FRONTEND_ID is set but VOICE_AGENT_API_KEY is not: set both or neither")
	case c.FrontendID == "" && c.APIKey.IsSet():
		return errors.New("VOICE_AGENT_API_KEY is set but VOICE_AGENT_FRONTEND_ID is not: set both or neither")
	case !c.InternalServiceSecret.IsSet() && c.FrontendID == "" && c.Audience == "":
		return errors.New("no credentials for the voice agent: set INTERNAL_SERVICE_SECRET, VOICE_AGENT_FRONTEND_ID with VOICE_AGENT_API_KEY, or VOICE_AGENT_AUDIENCE")
	}
	return nil
}

func (c Config) checkNumbers() error {
	var errs []error
	if c.Timeout < MinTimeout || c.Timeout > MaxTimeout {
		errs = append(errs, fmt.Errorf("VOICE_AGENT_TIMEOUT is %s: set it between %s and %s", c.Timeout, MinTimeout, MaxTimeout))
	}
	if c.DefaultAgentID != nil && *c.DefaultAgentID < 1 {
		errs = append(errs, fmt.Errorf("DEFAULT_FOLLOW_UP_AGENT_ID is %d: set it to the number of an agent, or leave it unset", *c.DefaultAgentID))
	}
	return errors.Join(errs...)
}

// checkHeaderValue refuses what net/http would refuse at the first call. The usual
// cause is a secret stored with the newline of an `echo`.
func checkHeaderValue(name, value string) error {
	if !isHeaderSafe(value) {
		return errors.New(name + " contains a line break, an outer space or another character that an HTTP header cannot carry: store it again without (printf, not echo)")
	}
	return nil
}

// isHeaderSafe accepts printable ASCII without spaces at the ends: narrower than
// RFC 9110 section 5.5, which still carries obsolete bytes above 127.
func isHeaderSafe(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(value) == value
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// endpoint is the URL to POST to. Validate has accepted both parts.
func (c Config) endpoint() string {
	return strings.TrimRight(c.BaseURL, "/") + c.StartCallPath
}
