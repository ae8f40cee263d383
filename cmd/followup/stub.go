package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/logging"
)

const (
	// stubCallPrefix begins the ids of the stub's calls, by which smoke knows that
	// the call was made there and nowhere else.
	stubCallPrefix = "00000000-57ab-"
	// stubGrace is what a request under way gets when the stub is told to end:
	// Cloud Run gives 10 s (container runtime contract).
	stubGrace = 5 * time.Second
)

func newStub() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stub",
		Short: "Serve a voice agent that takes every call and rings nobody",
		Long: `Serve a voice agent that takes every call and rings nobody, for the canary tenant of
a deployment (VOICE_AGENT_CANARY_URL). It listens on $PORT of all addresses, 8080 if
that is not set, and ends on SIGTERM.

A POST to any path is a call, since VOICE_AGENT_START_CALL_PATH may name any. A
GET of ` + voiceagent.CallsPath + ` lists the calls since it was started, their numbers
masked; a GET of any other path is a question about the job that it ends in. The ids
of jobs and calls begin with "` + stubCallPrefix + `".

It checks no credentials: run it where somebody else does, as Cloud Run does for a
private service.`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			port := "8080"
			if set, ok := lookuper(cmd.Context()).Lookup("PORT"); ok && set != "" {
				port = set
			}
			var lc net.ListenConfig
			l, err := lc.Listen(cmd.Context(), "tcp", net.JoinHostPort("", port))
			if err != nil {
				return fmt.Errorf("listen (PORT says where): %w", err)
			}
			return serveStub(cmd.Context(), l, logging.New(cmd.OutOrStdout(), logging.Options{}))
		},
	}
	return cmd
}

// serveStub serves until ctx ends.
func serveStub(ctx context.Context, l net.Listener, log *slog.Logger) error {
	handler, err := stubHandler(log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	log.InfoContext(ctx, "taking calls, and ringing nobody", "event", "stub_started", "address", l.Addr().String())
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stubGrace)
	defer cancel()
	err = server.Shutdown(bounded)
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	if err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}

// stubHandler is the stand-in without its way to be told to misbehave.
func stubHandler(log *slog.Logger) (http.Handler, error) {
	agent, err := voiceagent.New(voiceagent.Options{Logger: log, Open: true, CallIDPrefix: stubCallPrefix})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	at := func(to func(string) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			other := r.Clone(r.Context())
			other.URL.Path = to(r.URL.Path)
			agent.ServeHTTP(w, other)
		}
	}
	mux.Handle("GET "+voiceagent.CallsPath, agent)
	mux.HandleFunc("GET /", at(func(asked string) string { return voiceagent.JobPath + path.Base(asked) }))
	mux.HandleFunc("POST /", at(func(string) string { return voiceagent.StartCallPath }))
	return mux, nil
}
