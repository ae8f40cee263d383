// Package config is what both functions and the command read from the
// environment, and the parts that they open with it. Settings that only one of
// them needs stand beside it in that one.
package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/internal/logging"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
)

// Shared are the settings that both functions need.
type Shared struct {
	Rules    followup.Rules
	Database tenantdb.Config
	Tasks    tasks.Config
	Log      Log
	Traces   tracing.Config
}

// Log says what is logged.
type Log struct {
	Level string `env:"LOG_LEVEL, default=info"`
	// Service and Revision are set by Cloud Run (container runtime contract).
	Service  string `env:"K_SERVICE"`
	Revision string `env:"K_REVISION"`
}

// Validate refuses a level that does not exist.
func (l Log) Validate() error {
	var problems settings.Problems
	_, err := logging.ParseLevel(l.Level)
	problems.Unless(err == nil, "LOG_LEVEL", "is not valid: set it to debug, info, notice, warn, error or critical")
	return problems.Err()
}

// Validate checks the settings against each other.
func (s Shared) Validate() error {
	var problems settings.Problems
	problems.Unless(s.Tasks.DispatchDeadline > s.Rules.Lease,
		"FOLLOWUP_DISPATCH_DEADLINE", "is %v and FOLLOWUP_LEASE is %v: set the deadline above the lease, or Cloud Tasks sends a task again while its call may be under way",
		s.Tasks.DispatchDeadline, s.Rules.Lease)
	return problems.Err()
}

// Load reads target, a pointer to a struct that contains a Shared, from the
// process's environment.
func Load(ctx context.Context, target any) error {
	return settings.Load(ctx, envconfig.OsLookuper(), target)
}

// Logger is the log on w.
func (s Shared) Logger(w io.Writer) *slog.Logger {
	level, err := logging.ParseLevel(s.Log.Level)
	if err != nil {
		level = slog.LevelInfo // Validate has refused it
	}
	return logging.New(w, logging.Options{
		ProjectID: s.Tasks.ProjectID,
		Level:     level,
		Service:   s.Log.Service,
		Revision:  s.Log.Revision,
	})
}

// Tracer records the function's traces. It is nil unless FOLLOWUP_TRACES is set.
func (s Shared) Tracer(ctx context.Context, function string, log *slog.Logger) (*tracing.Tracer, error) {
	return tracing.Open(ctx, s.Traces, tracing.Options{
		Function: function, Service: s.Log.Service, Revision: s.Log.Revision,
		ProjectID: s.Tasks.ProjectID, Location: s.Tasks.Location,
		Log: log,
	})
}

// StartLog is the log of a process that has no configuration yet.
func StartLog() *slog.Logger {
	return logging.New(os.Stdout, logging.Options{ProjectID: os.Getenv("GCP_PROJECT_ID"), Service: os.Getenv("K_SERVICE"), Revision: os.Getenv("K_REVISION")})
}

// Parts are the adapters that both functions work with.
type Parts struct {
	DB    *tenantdb.DB
	Queue *tasks.Client
}

// Open opens database and queue. Nothing is contacted yet.
func (s Shared) Open(ctx context.Context) (Parts, error) {
	db, err := tenantdb.Open(ctx, s.Database)
	if err != nil {
		return Parts{}, err
	}
	queue, err := tasks.New(ctx, s.Tasks)
	if err != nil {
		return Parts{}, errors.Join(err, db.Close())
	}
	return Parts{DB: db, Queue: queue}, nil
}

// Close closes both.
func (p Parts) Close(context.Context) error {
	if err := errors.Join(p.Queue.Close(), p.DB.Close()); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
