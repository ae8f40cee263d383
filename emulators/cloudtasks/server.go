package cloudtasks

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc"
)

// Options configure a Server. The zero value of every field but Issuer stands for what the service
// does.
type Options struct {
	// Issuer is the iss claim of the tokens, for example the address under which JWKSHandler is served.
	// NewServer requires it; Start fills it in.
	Issuer string
	// Clock is the source of time; nil is the system's clock.
	Clock Clock
	// Logger receives one record per attempt that did not succeed; nil logs nothing.
	Logger *slog.Logger
	// HTTPClient pushes the tasks. Its CheckRedirect and Timeout are not used. nil is a client without
	// proxy that opens a connection for each attempt, so that an attempt is never more than one request:
	// net/http repeats some POSTs by itself when a reused connection breaks.
	HTTPClient *http.Client

	// TaskTombstone is how long the name of a deleted or finished task stays blocked. 0 is 24 hours, the
	// most that CreateTaskRequest.task speaks of; negative blocks nothing.
	TaskTombstone time.Duration
	// QueueTombstone is how long the name of a deleted queue stays blocked. 0 is 3 days, the most that
	// DeleteQueue speaks of; negative blocks nothing.
	QueueTombstone time.Duration

	// KeyMaxAge is how long verifiers may cache the JWKS; 0 is one hour.
	KeyMaxAge time.Duration
	// KeyOverlap is how long a retired key stays published; 0 is two hours, which outlives every token it
	// has signed.
	KeyOverlap time.Duration
	// SigningKeys are used, in this order, before new keys are generated.
	SigningKeys []*rsa.PrivateKey

	// Deliveries, if set, decides how many copies of a dispatch go out at once: 1 is the ordinary case,
	// 2 or more the duplicates that at-least-once delivery allows, 0 loses the task without a trace. The
	// task it is given is a copy. It is called concurrently.
	Deliveries func(*cloudtaskspb.Task) int
	// OnAttempt, if set, is told of every attempt that has ended. It is called concurrently, for one task
	// in order unless several attempts of it are under way at once, and before the attempt counts as over
	// for WaitIdle: it must call neither that nor ManualClock.Advance.
	OnAttempt func(Attempt)
}

// Server is a Cloud Tasks service in memory. Its RPC methods may also be called directly.
type Server struct {
	cloudtaskspb.UnimplementedCloudTasksServer

	clock          Clock
	log            *slog.Logger
	client         *http.Client
	issuer         string
	keys           *keyRing
	keyMaxAge      time.Duration
	taskTombstone  time.Duration
	queueTombstone time.Duration
	deliveries     func(*cloudtaskspb.Task) int
	onAttempt      func(Attempt)

	ctx      context.Context // of all attempts; ended by Close
	cancel   context.CancelCauseFunc
	unsettle func()

	mu       sync.Mutex
	queues   map[string]*queue
	deleted  map[string]time.Time // queue name to the end of its tombstone
	inFlight int
	idle     chan struct{} // closed and replaced whenever inFlight drops to zero
	closed   bool
	servers  []*grpc.Server
}

var errClosed = errors.New("cloudtasks: server closed")

// NewServer returns a server without queues. Close it when done.
func NewServer(o Options) (*Server, error) {
	if o.Issuer == "" {
		return nil, errors.New("cloudtasks: Options.Issuer is missing: set the issuer that workers expect in tokens")
	}
	s := &Server{
		clock:          o.Clock,
		log:            o.Logger,
		client:         pushClient(o.HTTPClient),
		issuer:         o.Issuer,
		keyMaxAge:      orDefault(o.KeyMaxAge, time.Hour),
		taskTombstone:  orDefault(o.TaskTombstone, 24*time.Hour),
		queueTombstone: orDefault(o.QueueTombstone, 3*24*time.Hour),
		deliveries:     o.Deliveries,
		onAttempt:      o.OnAttempt,
		queues:         map[string]*queue{},
		deleted:        map[string]time.Time{},
		idle:           make(chan struct{}),
		unsettle:       func() {},
	}
	if s.clock == nil {
		s.clock = systemClock{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.deliveries == nil {
		s.deliveries = func(*cloudtaskspb.Task) int { return 1 }
	}
	if s.onAttempt == nil {
		s.onAttempt = func(Attempt) {}
	}
	s.keys = &keyRing{clock: s.clock, overlap: orDefault(o.KeyOverlap, 2*time.Hour), supply: slices.Clone(o.SigningKeys)}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if c, ok := s.clock.(*ManualClock); ok {
		s.unsettle = c.onSettle(func() { _ = s.WaitIdle(s.ctx) })
	}
	return s, nil
}

func orDefault(d, unset time.Duration) time.Duration {
	if d == 0 {
		return unset
	}
	return d
}

func pushClient(given *http.Client) *http.Client {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	if given != nil {
		*c = *given
	}
	c.Timeout = 0 // the dispatch deadline decides, on the server's clock
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// Register adds the service to a gRPC server, which stays the caller's to stop.
func (s *Server) Register(r grpc.ServiceRegistrar) { cloudtaskspb.RegisterCloudTasksServer(r, s) }

// Serve answers gRPC on lis until Close is called, and closes lis.
func (s *Server) Serve(lis net.Listener) error {
	g := grpc.NewServer()
	s.Register(g)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.Join(errClosed, lis.Close())
	}
	s.servers = append(s.servers, g)
	s.mu.Unlock()
	if err := g.Serve(lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve Cloud Tasks API: %w", err)
	}
	return nil
}

// WaitIdle waits until no attempt is under way and nothing more can be dispatched at the time that the
// clock shows. It returns the error of ctx if that ends first.
func (s *Server) WaitIdle(ctx context.Context) error {
	for {
		s.mu.Lock()
		quiet, idle := s.inFlight == 0, s.idle
		s.mu.Unlock()
		if quiet {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return fmt.Errorf("wait for attempts to end: %w", context.Cause(ctx))
		}
	}
}

// Close stops the gRPC servers that Serve started, cuts off the attempts that are under way and waits
// for them to end. Call WaitIdle before it to let them finish.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	servers := s.servers
	s.servers = nil
	for _, q := range s.queues {
		q.disarm()
	}
	s.mu.Unlock()
	s.unsettle()
	for _, g := range servers {
		g.Stop()
	}
	s.cancel(errClosed)
	_ = s.WaitIdle(context.Background()) // cannot fail: this context never ends
	s.client.CloseIdleConnections()
}
