package lad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"lad.internal/followup/internal/httpjson"
)

// The paths that the Server answers.
const (
	BookingsPath = "/api/deals-pipeline/bookings"
	TenantsPath  = "/api/tenants"
)

// TenantHeader names the tenant of a request on BookingsPath.
const TenantHeader = "X-Tenant-Id"

// Tenant is one of LAD's customers and where its tables are.
type Tenant struct {
	ID          string `json:"id"`          // UUID
	Schema      string `json:"schema"`      // unquoted
	DatabaseURL string `json:"databaseUrl"` // with the login of the tables' owner
}

// The types of LAD's events.
const (
	BookingCreated   = "booking.created"
	BookingUpdated   = "booking.updated"
	BookingCancelled = "booking.cancelled"
)

// Event is what LAD publishes about a booking, as JSON.
type Event struct {
	Type      string `json:"type"`
	TenantID  string `json:"tenantId"`
	BookingID string `json:"bookingId"`
}

// Options configure a Server. All fields but DropEvent are required.
type Options struct {
	Tenants []Tenant
	// Publish publishes an event. It is called after COMMIT, and with a context that outlives the request.
	Publish func(ctx context.Context, data []byte) error
	// DropEvent, if set, says of each event whether it is lost instead of published.
	DropEvent func(Event) bool
	Logger    *slog.Logger
}

// Server is LAD's backend. It is safe for concurrent use.
type Server struct {
	options Options
	stores  map[string]store // by tenant id in lower case
	pools   map[string]*pgxpool.Pool
	mux     *http.ServeMux
}

var _ http.Handler = (*Server)(nil)

// New returns a Server, which connects to the databases when they are first needed. Close releases
// the connections.
func New(options Options) (*Server, error) {
	switch {
	case options.Logger == nil:
		return nil, errors.New("lad: no logger")
	case options.Publish == nil:
		return nil, errors.New("lad: nothing to publish events with")
	case len(options.Tenants) == 0:
		return nil, errors.New("lad: no tenants")
	}
	s := &Server{options: options, stores: map[string]store{}, pools: map[string]*pgxpool.Pool{}, mux: http.NewServeMux()}
	for _, tenant := range options.Tenants {
		if err := s.addTenant(tenant); err != nil {
			s.Close()
			return nil, fmt.Errorf("lad: tenant %q: %w", tenant.ID, err)
		}
	}
	s.route(TenantsPath, map[string]handler{http.MethodGet: s.listTenants})
	s.route(BookingsPath, map[string]handler{http.MethodPost: s.createBooking})
	s.route(BookingsPath+"/{id}", map[string]handler{http.MethodGet: s.showBooking, http.MethodPatch: s.changeBooking})
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, problem{http.StatusNotFound, "not_found", "there is nothing at this path"})
	})
	return s, nil
}

// addTenant shares a pool among the tenants of one database.
func (s *Server) addTenant(t Tenant) error {
	id, err := parseID(t.ID)
	if err != nil {
		return err
	}
	if t.Schema == "" {
		return errors.New("no schema")
	}
	if _, twice := s.stores[id]; twice {
		return errors.New("listed twice")
	}
	if s.pools[t.DatabaseURL] == nil {
		pool, err := pgxpool.New(context.Background(), t.DatabaseURL)
		if err != nil {
			return fmt.Errorf("make a connection pool: %w", err)
		}
		s.pools[t.DatabaseURL] = pool
	}
	s.stores[id] = store{pool: s.pools[t.DatabaseURL], tenant: id, schema: t.Schema}
	return nil
}

// Close waits for the requests that use the database and closes its connections.
func (s *Server) Close() {
	for _, pool := range s.pools {
		pool.Close()
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// handler answers with a status and a body, or with an error, which is a problem if the caller can
// mend it.
type handler func(r *http.Request) (status int, body any, err error)

func (s *Server) route(path string, methods map[string]handler) {
	allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	for method, handle := range methods {
		s.mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
			status, body, err := handle(r)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			httpjson.Write(w, status, body)
		})
	}
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		write(w, problem{http.StatusMethodNotAllowed, "method_not_allowed", r.Method + " is not possible here"})
	})
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p problem
	if !errors.As(err, &p) {
		s.options.Logger.ErrorContext(r.Context(), "a request failed", "event", "request_failed", "path", r.URL.Path, "error", err)
		p = problem{http.StatusInternalServerError, "internal", "the request failed; the log says why"}
	}
	write(w, p)
}

func (s *Server) listTenants(*http.Request) (int, any, error) {
	return http.StatusOK, s.options.Tenants, nil
}

// store finds the tables of the tenant that the request names.
func (s *Server) store(r *http.Request) (store, error) {
	id, err := parseID(r.Header.Get(TenantHeader))
	if err != nil {
		return store{}, invalid(TenantHeader, err)
	}
	found, ok := s.stores[id]
	if !ok {
		return store{}, problem{http.StatusNotFound, "tenant_not_found", "there is no such tenant"}
	}
	return found, nil
}

// publishPatience bounds one publish: the caller waits for it.
const publishPatience = 10 * time.Second

// publish tells about a committed change. A failure is only logged: the row is the truth, and the
// caller's request has been carried out.
func (s *Server) publish(ctx context.Context, event Event) {
	log := s.options.Logger.With("tenant_id", event.TenantID, "booking_id", event.BookingID, "message_type", event.Type)
	if s.options.DropEvent != nil && s.options.DropEvent(event) {
		log.InfoContext(ctx, "the event is dropped", "event", "event_dropped")
		return
	}
	data, err := json.Marshal(event)
	if err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), publishPatience)
		defer cancel()
		err = s.options.Publish(ctx, data)
	}
	if err != nil {
		log.ErrorContext(ctx, "the event could not be published", "event", "publish_failed", "error", err)
	}
}
