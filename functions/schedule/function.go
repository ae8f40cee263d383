package schedule

import (
	"context"
	"os"

	"lad.internal/followup/internal/config"
	"lad.internal/followup/internal/entrypoint"
)

// Name is the entry point.
const Name = "ScheduleFollowUp"

// Config is the function's environment.
type Config struct {
	Shared config.Shared
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
	parts, err := c.Shared.Open(ctx)
	if err != nil {
		return entrypoint.Function{}, err
	}
	log := c.Shared.Logger(os.Stdout).With("function", Name)
	h, err := New(c.Shared.Rules, parts.DB, parts.Queue, log)
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
