package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/httpjson"
	"lad.internal/followup/internal/logging"
	"lad.internal/followup/pkg/followup"
)

const (
	// stubCallPrefix begins the ids of the stub's calls, by which smoke knows that
	// the call was made there and nowhere else.
	stubCallPrefix = "00000000-57ab-"
	// stubCallsPath lists the calls, and is the one path of a GET that names no job.
	stubCallsPath = "/api/voice-agent/calls"
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
GET of ` + stubCallsPath + ` lists the calls since it was started, their numbers
masked; a GET of any other path is a question about the job that it ends in. The ids
of jobs and calls begin with "` + stubCallPrefix + `".

It checks no credentials: run it where somebody else does, as Cloud Run does for a
private service.`,
		Args: cli.ExactArgs(0),
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
	server := &http.Server{Handler: stubHandler(log), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
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
	err := server.Shutdown(bounded)
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	if err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}

// stubbed is a call that the stub has taken: what the listing tells of it.
type stubbed struct {
	JobID          string          `json:"jobId"`
	CallID         string          `json:"callId"`
	TenantID       string          `json:"tenantId"`
	BookingID      string          `json:"bookingId"`
	IdempotencyKey string          `json:"idempotencyKey"`
	At             followup.Moment `json:"at"`
	ToNumberMasked string          `json:"toNumberMasked"`
}

// stub takes calls. It answers as LAD's backend does, which the voice service's
// answers are part of.
type stub struct {
	log   *slog.Logger
	mu    sync.Mutex
	calls []stubbed
}

func stubHandler(log *slog.Logger) http.Handler {
	s := &stub{log: log, calls: []stubbed{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+stubCallsPath, s.list)
	mux.HandleFunc("GET /", s.job)
	mux.HandleFunc("POST /", s.call)
	return mux
}

func (s *stub) call(w http.ResponseWriter, r *http.Request) {
	body, problem := httpjson.ReadBody(w, r, 64<<10)
	var request struct {
		BookingID      string `json:"booking_id"`
		IdempotencyKey string `json:"idempotency_key"`
		ToNumber       string `json:"to_number"`
	}
	if problem != nil || json.Unmarshal(body, &request) != nil || request.ToNumber == "" {
		httpjson.Write(w, http.StatusBadRequest, map[string]any{"success": false, "message": "the body is no call"})
		return
	}
	c := stubbed{
		JobID: newStubID(), CallID: newStubID(), At: followup.Moment{Time: time.Now()},
		TenantID: r.Header.Get("X-Tenant-Id"), BookingID: request.BookingID,
		IdempotencyKey: cmp.Or(r.Header.Get("Idempotency-Key"), request.IdempotencyKey), ToNumberMasked: followup.Phone(request.ToNumber).String(),
	}
	if parts := strings.Split(c.IdempotencyKey, ":"); c.BookingID == "" && len(parts) > 3 {
		c.BookingID = parts[2] // the voice service's contract has no field for it
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	s.log.InfoContext(r.Context(), "start-call", "tenant_id", c.TenantID, "booking_id", c.BookingID)
	s.answer(w, c, "pending")
}

// job answers for the job that the path ends in, with the call that came of it.
func (s *stub) job(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	i := slices.IndexFunc(s.calls, func(c stubbed) bool { return c.JobID == path.Base(r.URL.Path) })
	c := stubbed{}
	if i >= 0 {
		c = s.calls[i]
	}
	s.mu.Unlock()
	if i < 0 {
		httpjson.Write(w, http.StatusNotFound, map[string]any{"success": false, "message": "job not found"})
		return
	}
	s.answer(w, c, "running")
}

// newStubID is a UUID, as the voice service's ids are, that begins with the prefix.
func newStubID() string { return stubCallPrefix + uuid.NewString()[len(stubCallPrefix):] }

func (s *stub) answer(w http.ResponseWriter, c stubbed, status string) {
	result := map[string]any{"status": status, "call_log_id": nil}
	if status == "running" {
		result["call_log_id"] = c.CallID
	}
	httpjson.Write(w, http.StatusOK, map[string]any{"success": true, "data": map[string]any{
		"job_id": c.JobID, "mode": "single", "status": status, "results": []any{result}, "error": nil,
	}})
}

func (s *stub) list(w http.ResponseWriter, r *http.Request) {
	booking := r.URL.Query().Get("bookingId")
	s.mu.Lock()
	calls := slices.DeleteFunc(slices.Clone(s.calls), func(c stubbed) bool { return booking != "" && c.BookingID != booking })
	s.mu.Unlock()
	httpjson.Write(w, http.StatusOK, calls)
}
