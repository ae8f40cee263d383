package execute

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

// CanaryConfig sends the calls of one tenant to a stub, so that a deployment can
// be tried from end to end without ringing anybody. Both settings or neither.
type CanaryConfig struct {
	// Tenant is whose calls go to the stub: a tenant of ours, made for that.
	Tenant string `env:"VOICE_AGENT_CANARY_TENANT"`
	// URL is the stub's scheme and host, and the audience of the Google ID token
	// that is the one credential it gets.
	URL string `env:"VOICE_AGENT_CANARY_URL"`
}

// IsSet reports whether there is a canary.
func (c CanaryConfig) IsSet() bool { return c.Tenant != "" && c.URL != "" }

// ID is the canary's tenant. Validate has accepted it.
func (c CanaryConfig) ID() (uuid.UUID, error) { return followup.ParseID(c.Tenant) }

// Validate refuses half a canary: a tenant without a URL would ring somebody.
func (c CanaryConfig) Validate() error {
	var problems settings.Problems
	switch {
	case c.Tenant == "" && c.URL == "":
		return nil
	case c.URL == "":
		problems.Add("VOICE_AGENT_CANARY_URL", "is missing and VOICE_AGENT_CANARY_TENANT is set: set both or neither, or the canary's calls would ring somebody")
	case c.Tenant == "":
		problems.Add("VOICE_AGENT_CANARY_TENANT", "is missing and VOICE_AGENT_CANARY_URL is set: set both or neither")
	}
	if c.Tenant != "" {
		_, err := c.ID()
		problems.Unless(err == nil, "VOICE_AGENT_CANARY_TENANT", "is no tenant's id: set it to a UUID of 36 characters")
	}
	if c.URL != "" {
		problems.Unless(isOrigin(c.URL), "VOICE_AGENT_CANARY_URL",
			"is not a scheme and a host alone: set it to the stub's https URL, such as https://stub.example.com, or to http on this machine")
	}
	return problems.Err()
}

// isOrigin accepts https://host, and http://host of this machine. Nothing may
// follow: the URL is an audience, which Cloud Run compares as a text.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Hostname() != "" && s == u.Scheme+"://"+u.Host &&
		(u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// distinct refuses a stub that is the voice agent itself.
func (c CanaryConfig) distinct(agent voiceagent.Config) error {
	var problems settings.Problems
	host := hostOf(c.URL)
	problems.Unless(host == "" || !strings.EqualFold(host, hostOf(agent.BaseURL)),
		"VOICE_AGENT_CANARY_URL", "has the host of VOICE_AGENT_BASE_URL: set it to a stub, which rings nobody")
	return problems.Err()
}

func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Host
}

// Canary is the tenant whose calls another agent gets. Its zero value is none.
type Canary struct {
	Tenant uuid.UUID
	Agent  Agent
}

func (c Canary) check() error {
	if (c.Tenant == uuid.Nil) != (c.Agent == nil) {
		return errors.New("execute: a canary needs a tenant and an agent")
	}
	return nil
}

// agentOf is whom the tenant's calls are asked of. Credentials of one agent are
// never used with the other, since both come from here.
func (p Parts) agentOf(tenant uuid.UUID) Agent {
	if p.Canary.Agent != nil && tenant == p.Canary.Tenant {
		return p.Canary.Agent
	}
	return p.Agent
}

// agent is how the stub is reached: as the voice agent is, less everything that
// is a secret between LAD and the voice agent.
func (c CanaryConfig) agent(of voiceagent.Config) voiceagent.Config {
	return voiceagent.Config{
		BaseURL: c.URL, StartCallPath: of.StartCallPath, Audience: c.URL,
		Timeout: of.Timeout, Contract: of.Contract, JobPath: of.JobPath,
	}
}

func openCanary(ctx context.Context, c CanaryConfig, agent voiceagent.Config, opts ...voiceagent.Option) (Canary, error) {
	if !c.IsSet() {
		return Canary{}, nil
	}
	tenant, err := c.ID()
	if err != nil {
		return Canary{}, fmt.Errorf("read VOICE_AGENT_CANARY_TENANT: %w", err)
	}
	if strings.HasPrefix(c.URL, "http://") {
		opts = append([]voiceagent.Option{voiceagent.WithIDTokens(localToken)}, opts...)
	}
	client, err := voiceagent.New(ctx, c.agent(agent), opts...)
	if err != nil {
		return Canary{}, fmt.Errorf("open the canary's agent: %w", err)
	}
	return Canary{Tenant: tenant, Agent: client}, nil
}

// localToken stands where Google's token would: on a developer's machine there is
// nobody to sign one, and a stub on it asks for none.
func localToken(context.Context) (string, error) { return "local", nil }
