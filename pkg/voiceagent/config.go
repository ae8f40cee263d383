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

// Limits of VOICE_AGENT_JWT_TTL and VOICE_AGENT_JOB_AFTER.
const (
	minJWTTTL   = time.Minute
	maxJWTTTL   = 15 * time.Minute
	maxJobAfter = time.Minute
)

// What becomes of a call whose job has failed: values of Config.DispatchFailed.
const (
	DispatchHold       = "hold"
	DispatchNotStarted = "not_started"
)

// Config is the voice agent's part of the environment.
type Config struct {
	// BaseURL is the voice agent's scheme and host, with a path prefix if it has one.
	BaseURL string `env:"VOICE_AGENT_BASE_URL"`
	// Contract says whether that is LAD's backend or the voice service itself.
	Contract Contract `env:"VOICE_AGENT_CONTRACT, default=backend"`
	// StartCallPath is appended to BaseURL; "" is the contract's own path.
	StartCallPath string `env:"VOICE_AGENT_START_CALL_PATH"`
	// JobPath is appended to BaseURL, with the job's id for {job_id}; "" is the
	// contract's own path.
	JobPath string `env:"VOICE_AGENT_JOB_PATH"`

	// The credentials. At least one kind is needed; all that are set are sent.
	InternalServiceSecret settings.Secret `env:"INTERNAL_SERVICE_SECRET"`
	FrontendID            string          `env:"VOICE_AGENT_FRONTEND_ID"`
	APIKey                settings.Secret `env:"VOICE_AGENT_API_KEY"`
	// Audience asks for a Google ID token with this audience.
	Audience string `env:"VOICE_AGENT_AUDIENCE"`
	// JWTSecret signs a token for each call, as LAD's backend wants it; JWTTTL is
	// how long one is valid.
	JWTSecret settings.Secret `env:"VOICE_AGENT_JWT_SECRET"`
	JWTTTL    time.Duration   `env:"VOICE_AGENT_JWT_TTL, default=5m"`

	// Timeout bounds one StartCall as a whole: connecting, asking and reading the answer.
	Timeout time.Duration `env:"VOICE_AGENT_TIMEOUT, default=30s"`
	// JobAfter is how long after an accepted call its job is asked for; 0: never.
	JobAfter time.Duration `env:"VOICE_AGENT_JOB_AFTER, default=5s"`
	// DispatchFailed says what becomes of a call whose job has failed: DispatchHold
	// or DispatchNotStarted. "" is DispatchHold.
	DispatchFailed string `env:"VOICE_AGENT_DISPATCH_FAILED, default=hold"`
}

// Validate reports every missing or contradictory setting, one sentence each, as
// a joined error. It makes no connection.
func (c Config) Validate() error {
	return errors.Join(
		c.checkBaseURL(),
		c.checkContract(),
		checkPath("VOICE_AGENT_START_CALL_PATH", c.startCallPath()),
		c.checkJobPath(),
		c.checkCredentials(),
		c.checkJWT(),
		checkHeaderValue("INTERNAL_SERVICE_SECRET", c.InternalServiceSecret.Reveal()),
		checkHeaderValue("VOICE_AGENT_FRONTEND_ID", c.FrontendID),
		checkHeaderValue("VOICE_AGENT_API_KEY", c.APIKey.Reveal()),
		c.checkRest(),
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

func (c Config) checkContract() error {
	switch c.Contract {
	case Backend, Service, "":
		return nil
	default:
		return fmt.Errorf("VOICE_AGENT_CONTRACT is %q: set it to backend (LAD's backend) or to service (the voice service itself)", string(c.Contract))
	}
}

func checkPath(name, path string) error {
	u, err := url.Parse(path)
	switch {
	case !strings.HasPrefix(path, "/"):
		return errors.New(name + ` does not start with "/": set it to a path such as /api/voice-agent/calls/start-call, or leave it unset`)
	case err != nil || u.Host != "" || u.Path == "/" || strings.ContainsAny(path, "?# "):
		return errors.New(name + " is not a plain path: set it to one without query, fragment or spaces, or leave it unset")
	}
	return nil
}

func (c Config) checkJobPath() error {
	const name = "VOICE_AGENT_JOB_PATH"
	if strings.Count(c.jobPath(), jobPlaceholder) != 1 {
		return errors.New(name + " does not contain {job_id} once: set it to a path such as /calls/job/{job_id}, or leave it unset")
	}
	return checkPath(name, c.jobPath())
}

func (c Config) checkCredentials() error {
	switch {
	case c.FrontendID != "" && !c.APIKey.IsSet():
		return errors.New("VOICE_AGENT_FRONTEND_ID is set but VOICE_AGENT_API_KEY is not: set both or neither")
	case c.FrontendID == "" && c.APIKey.IsSet():
		return errors.New("VOICE_AGENT_API_KEY is set but VOICE_AGENT_FRONTEND_ID is not: set both or neither")
	case !c.InternalServiceSecret.IsSet() && c.FrontendID == "" && c.Audience == "" && !c.JWTSecret.IsSet():
		return errors.New("no credentials for the voice agent: set VOICE_AGENT_JWT_SECRET, VOICE_AGENT_FRONTEND_ID with VOICE_AGENT_API_KEY, INTERNAL_SERVICE_SECRET, or VOICE_AGENT_AUDIENCE")
	}
	return nil
}

func (c Config) checkJWT() error {
	if !c.JWTSecret.IsSet() {
		return nil
	}
	var errs []error
	if c.Contract == Service {
		errs = append(errs, errors.New("VOICE_AGENT_JWT_SECRET is set and VOICE_AGENT_CONTRACT is service, which takes no such token: unset the secret, or set the contract to backend"))
	}
	if c.Audience != "" {
		errs = append(errs, errors.New("VOICE_AGENT_JWT_SECRET and VOICE_AGENT_AUDIENCE are both set, and both tokens need the Authorization header: unset one"))
	}
	if c.JWTTTL < minJWTTTL || c.JWTTTL > maxJWTTTL {
		errs = append(errs, fmt.Errorf("VOICE_AGENT_JWT_TTL is %s: set it between %s and %s", c.JWTTTL, minJWTTTL, maxJWTTTL))
	}
	return errors.Join(errs...)
}

func (c Config) checkRest() error {
	var errs []error
	if c.Timeout < MinTimeout || c.Timeout > MaxTimeout {
		errs = append(errs, fmt.Errorf("VOICE_AGENT_TIMEOUT is %s: set it between %s and %s", c.Timeout, MinTimeout, MaxTimeout))
	}
	if c.JobAfter < 0 || c.JobAfter > maxJobAfter {
		errs = append(errs, fmt.Errorf("VOICE_AGENT_JOB_AFTER is %s: set it between 0s (never asked) and %s", c.JobAfter, maxJobAfter))
	}
	switch c.DispatchFailed {
	case DispatchHold, DispatchNotStarted, "":
	default:
		errs = append(errs, fmt.Errorf("VOICE_AGENT_DISPATCH_FAILED is %q: set it to hold or not_started", c.DispatchFailed))
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
