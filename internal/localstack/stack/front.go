package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lad.internal/followup/internal/httpjson"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
)

// listen takes the port before anything else is started: a port in use is the
// most likely thing to go wrong.
func (s *Stack) listen(ctx context.Context) error {
	address := s.options.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("something listens on %s already, perhaps another stack: end it, or choose another address with --listen (127.0.0.1:0 takes any free port)", address)
	case err != nil:
		return fmt.Errorf("listen on %s (choose another address with --listen): %w", address, err)
	}
	s.listener = l
	s.URL = localURL(l.Addr())
	s.onClose(func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// localURL is the URL for this machine of what listens on address. "All
// addresses" is none that a URL could name, and the functions send their secret
// over plain HTTP to the loopback address alone.
func localURL(address net.Addr) string {
	if tcp, ok := address.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return "http://" + address.String()
}

// serve answers on the stack's own address: LAD and, unless another is used,
// the voice agent.
func (s *Stack) serve(ctx context.Context) error {
	backend, err := lad.New(lad.Options{
		Tenants: s.Tenants,
		Publish: func(ctx context.Context, data []byte) error {
			_, err := s.Bus.Publish(ctx, data, nil)
			return err
		},
		Logger: s.options.Log,
	})
	if err != nil {
		return fmt.Errorf("start LAD's stand-in: %w", err)
	}
	s.LAD = backend
	s.onClose(func() error { backend.Close(); return nil })
	mux := http.NewServeMux()
	mux.HandleFunc("/", notFound)
	mux.HandleFunc("GET /{$}", s.index)
	mux.Handle(lad.BookingsPath, backend)
	mux.Handle(lad.BookingsPath+"/", backend)
	mux.Handle(lad.TenantsPath, backend)
	if s.Agent != nil {
		for _, path := range []string{voiceagent.StartCallPath, voiceagent.JobPath, voiceagent.ServiceStartCallPath,
			voiceagent.ServiceJobPath, voiceagent.CallsPath, voiceagent.BehaviourPath} {
			mux.Handle(path, s.Agent)
		}
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	s.onClose(func() error {
		err := server.Close()
		if end := <-served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return err
	})
	if s.options.SweepEvery > 0 {
		s.Bus.Tick(s.options.SweepEvery)
	}
	return nil
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	httpjson.Problem{Status: http.StatusNotFound, Code: "not_found", Message: "there is nothing at this path; GET / lists what there is"}.Write(w)
}

// index lists the stack's own endpoints, for people who look.
func (s *Stack) index(w http.ResponseWriter, _ *http.Request) {
	endpoints := []string{
		"GET " + lad.TenantsPath,
		"POST " + lad.BookingsPath,
		"GET " + lad.BookingsPath + "/{id}",
		"PATCH " + lad.BookingsPath + "/{id}",
	}
	if s.Agent != nil {
		endpoints = append(endpoints,
			"GET "+voiceagent.CallsPath+"?bookingId={id}",
			"POST "+voiceagent.BehaviourPath,
			"DELETE "+voiceagent.BehaviourPath)
	}
	httpjson.Write(w, http.StatusOK, map[string]any{"endpoints": endpoints, "tenantHeader": lad.TenantHeader})
}

// startAgent makes the built-in voice agent. It is served with LAD's stand-in.
func (s *Stack) startAgent(secret, jwtSecret string) (url string, err error) {
	if s.options.VoiceAgent != "" {
		return strings.TrimSuffix(s.options.VoiceAgent, "/"), nil
	}
	var limit followup.Limit
	if err := limit.UnmarshalText([]byte(s.setting("VOICE_AGENT_LIMIT", "off"))); err != nil {
		return "", fmt.Errorf("read VOICE_AGENT_LIMIT: %w", err)
	}
	s.Agent, err = voiceagent.New(voiceagent.Options{
		Logger:      s.options.Log,
		Secret:      secret,
		JWTSecret:   jwtSecret,
		Limit:       agentLimit(limit),
		Dispatched:  s.logCall,
		Deduplicate: s.setting("VOICE_AGENT_IDEMPOTENT", "false") == "true",
	})
	if err != nil {
		return "", fmt.Errorf("start the voice agent: %w", err)
	}
	s.onClose(func() error { s.Agent.Close(); return nil })
	return s.URL, nil
}

// logCall writes LAD's log of a call before the stand-in dispatches it. Without an
// entry the call has no id but its job's.
func (s *Stack) logCall(c voiceagent.Call) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	id, err := s.LAD.LogCall(ctx, lad.Call{TenantID: c.TenantID, InitiatedBy: c.InitiatedBy, LeadID: c.LeadID, AgentID: c.AgentID, JobID: c.JobID})
	if err != nil {
		s.options.Log.Error("LAD's call log has no entry", "event", "call_log_failed", "tenant_id", c.TenantID, "booking_id", c.BookingID, "error", err)
	}
	return id
}

// agentLimit is what the stand-in holds the functions to: what they are told.
func agentLimit(l followup.Limit) (limit voiceagent.Limit) {
	for _, r := range l.Rates {
		if r.Per == time.Minute {
			limit.PerMinute = r.N
		}
		if r.Per == 5*time.Second {
			limit.PerFiveSeconds = r.N
		}
	}
	return limit
}
