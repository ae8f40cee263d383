package execute

import (
	"context"
	"os"
	"time"

	"lad.internal/followup/internal/config"
	"lad.internal/followup/internal/entrypoint"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

// Name is the entry point.
const Name = "ExecuteFollowUp"

// Config is the function's environment.
type Config struct {
	Shared config.Shared
	Agent  voiceagent.Config
	Canary CanaryConfig
	OIDC   OIDCConfig
}

// finishMargin is what a lease leaves, after the longest call, for recording
// its outcome.
const finishMargin = 15 * time.Second

// Validate checks the settings against each other.
func (c Config) Validate() error {
	var problems settings.Problems
	problems.Unless(c.Shared.Rules.Lease >= c.Agent.Timeout+finishMargin,
		"FOLLOWUP_LEASE", "is %v and VOICE_AGENT_TIMEOUT is %v: set the lease at least %v above the timeout, or a call outlives the claim it was made on",
		c.Shared.Rules.Lease, c.Agent.Timeout, finishMargin)
	problems.Join(c.Canary.distinct(c.Agent))
	return problems.Err()
}

// rules are the shared ones with what follows from the voice service's settings.
func (c Config) rules() followup.Rules {
	r := c.Shared.Rules
	r.RetryDispatch = c.Agent.DispatchFailed == voiceagent.DispatchNotStarted
	r.Limit.PerCall = 1
	if c.Agent.JobAfter > 0 {
		r.Limit.PerCall = 2 // the question counts against the same limit
	}
	return r
}

func init() {
	entrypoint.HTTP(Name, config.StartLog(), func(ctx context.Context) (entrypoint.Function, error) {
		var c Config
		if err := config.Load(ctx, &c); err != nil {
			return entrypoint.Function{}, err
		}
		return build(ctx, c)
	})
}

func build(ctx context.Context, c Config) (entrypoint.Function, error) {
	agent, err := voiceagent.New(ctx, c.Agent)
	if err != nil {
		return entrypoint.Function{}, err
	}
	canary, err := openCanary(ctx, c.Canary, c.Agent)
	if err != nil {
		return entrypoint.Function{}, err
	}
	verifier, err := NewVerifier(ctx, c.OIDC, c.Shared.Tasks.TokenAudience(), c.Shared.Tasks.ServiceAccount)
	if err != nil {
		return entrypoint.Function{}, err
	}
	parts, err := c.Shared.Open(ctx)
	if err != nil {
		return entrypoint.Function{}, err
	}
	log := c.Shared.Logger(os.Stdout).With("function", Name)
	h, err := New(Parts{
		Rules:       c.rules(),
		Store:       parts.DB,
		Queue:       parts.Queue,
		Agent:       agent,
		Canary:      canary,
		Verifier:    verifier,
		QueueName:   c.Shared.Tasks.Queue,
		TaskPath:    c.Shared.Tasks.TaskPath,
		CallTimeout: c.Agent.Timeout,
		JobAfter:    c.Agent.JobAfter,
		Log:         log,
	})
	if err != nil {
		return entrypoint.Function{}, err
	}
	tracer, err := c.Shared.Tracer(ctx, Name, log)
	if err != nil {
		return entrypoint.Function{}, err
	}
	return entrypoint.Function{Handler: tracer.Handler(h), Log: log, Close: func(ctx context.Context) error {
		tracer.Close(ctx)
		return parts.Close(ctx)
	}}, nil
}
