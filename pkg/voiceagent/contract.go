package voiceagent

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Contract says who answers at Config.BaseURL.
type Contract string

// The two contracts. The zero Contract is Backend.
const (
	// Backend is LAD's backend: it checks the tenant's feature, hours and credits,
	// and passes the call on to the voice service.
	Backend Contract = "backend"
	// Service is the voice service itself.
	Service Contract = "service"
)

// jobPlaceholder stands in a job's path for its id.
const jobPlaceholder = "{job_id}"

func (c Config) startCallPath() string {
	switch {
	case c.StartCallPath != "":
		return c.StartCallPath
	case c.Contract == Service:
		return "/calls/start-call"
	default:
		return "/api/voice-agent/calls/start-call"
	}
}

func (c Config) jobPath() string {
	switch {
	case c.JobPath != "":
		return c.JobPath
	case c.Contract == Service:
		return "/calls/job/" + jobPlaceholder
	default:
		return "/api/voice-agent/calls/job/" + jobPlaceholder
	}
}

// startCallURL is the URL to POST to. Validate has accepted both parts.
func (c Config) startCallURL() string {
	return strings.TrimRight(c.BaseURL, "/") + c.startCallPath()
}

func (c Config) jobURL(jobID string) string {
	return strings.TrimRight(c.BaseURL, "/") + strings.Replace(c.jobPath(), jobPlaceholder, url.PathEscape(jobID), 1)
}

// bearer is the token for the Authorization header: the JWT that LAD's backend
// wants, signed for this call's tenant and user, or the ID token, or "".
func (c *Client) bearer(creds Credentials, call Call) (string, error) {
	if !c.config.JWTSecret.IsSet() {
		return creds.idToken.Reveal(), nil
	}
	if call.InitiatedBy == "" {
		return "", errors.New("the booking has no assigned user, for whom the voice agent's token would be signed (VOICE_AGENT_JWT_SECRET)")
	}
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"userId": call.InitiatedBy, "tenantId": call.TenantID,
		"iat": now.Unix(), "exp": now.Add(c.config.JWTTTL).Unix(),
	}).SignedString([]byte(c.config.JWTSecret.Reveal()))
}
