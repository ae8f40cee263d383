package voiceagent

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"lad.internal/followup/internal/mask"
)

// Paths that the stand-in serves.
const (
	StartCallPath = "/api/voice-agent/calls/start-call"
	CallsPath     = "/api/voice-agent/calls"
	BehaviourPath = "/_control/behaviour"
)

// PostsReadHeader carries, in the answer of GET CallsPath, how many POSTs were read
// whole, refused ones included.
const PostsReadHeader = "X-Posts-Read"

const maxBodyBytes = 64 << 10

// Options configure a Server.
type Options struct {
	Logger *slog.Logger
	// Secret, or FrontendID with APIKey, or both: what is set must be in every
	// request. At least one kind is required, as LAD has no open endpoint.
	Secret     string
	FrontendID string
	APIKey     string
	// Open takes requests without any of these: somebody in front has checked who
	// calls, as Cloud Run does for a private service.
	Open bool
	// CallIDPrefix begins the ids of all calls, so that whoever reads one knows
	// that nobody was rung.
	CallIDPrefix string
	// Deduplicate answers a repeated Idempotency-Key of a tenant with the first
	// call's id instead of dialling again.
	Deduplicate bool
}

// Server is the stand-in. It is safe for concurrent use.
type Server struct {
	options Options
	mux     *http.ServeMux
	book    book
	rules   rules
}

var _ http.Handler = (*Server)(nil)

// New returns a stand-in that behaves.
func New(options Options) (*Server, error) {
	switch {
	case options.Logger == nil:
		return nil, errors.New("voice agent stand-in: no logger")
	case (options.FrontendID == "") != (options.APIKey == ""):
		return nil, errors.New("voice agent stand-in: a frontend id needs an API key, and an API key a frontend id")
	case options.Open && (options.Secret != "" || options.FrontendID != ""):
		return nil, errors.New("voice agent stand-in: it is open, and has credentials to check")
	case !options.Open && options.Secret == "" && options.FrontendID == "":
		return nil, errors.New("voice agent stand-in: no credentials to check")
	}
	s := &Server{options: options, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST "+StartCallPath, s.handleStartCall)
	s.mux.HandleFunc("GET "+CallsPath, s.handleCalls)
	s.mux.HandleFunc("POST "+BehaviourPath, s.handleBehave)
	s.mux.HandleFunc("DELETE "+BehaviourPath, s.handleReset)
	// Less specific than the patterns above, so what reaches these is another method.
	for path, methods := range map[string]string{StartCallPath: "POST", CallsPath: "GET, HEAD", BehaviourPath: "POST, DELETE"} {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", methods)
			refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		})
	}
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) handleStartCall(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB")
		return
	}
	if err != nil {
		return // the client went away: nothing was read whole
	}
	req, contractErr := parseStartCall(body)
	s.book.countPost(req.BookingID)

	tenant, key := r.Header.Get("X-Tenant-Id"), r.Header.Get("Idempotency-Key")
	if key == "" {
		key = req.IdempotencyKey
	}
	contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case !s.authenticated(r.Header):
		refuse(w, http.StatusUnauthorized, "invalid credentials")
	case contentType != "application/json":
		refuse(w, http.StatusUnsupportedMediaType, "the content type is not application/json")
	case !isUUID(tenant):
		refuse(w, http.StatusBadRequest, "X-Tenant-Id is missing or no UUID")
	case contractErr != nil:
		refuse(w, http.StatusBadRequest, contractErr.Error())
	default:
		call := Call{TenantID: tenant, BookingID: req.BookingID, LeadID: req.LeadID, IdempotencyKey: key, ToNumberMasked: mask.Text(req.ToNumber)}
		behaviour := s.rules.next(Match{BookingID: req.BookingID, LeadID: req.LeadID, ToNumber: req.ToNumber, IdempotencyKey: key})
		s.options.Logger.InfoContext(r.Context(), "start-call", "tenant_id", tenant, "booking_id", req.BookingID, "behaviour", string(behaviour.Kind))
		s.behave(w, r, behaviour, call)
	}
}

func (s *Server) authenticated(h http.Header) bool {
	same := func(header, want string) bool {
		return want == "" || subtle.ConstantTimeCompare([]byte(h.Get(header)), []byte(want)) == 1
	}
	return same("X-Internal-Service-Secret", s.options.Secret) &&
		same("X-Frontend-ID", s.options.FrontendID) && same("X-API-Key", s.options.APIKey)
}

// dial books the call, which stands for dialling it.
func (s *Server) dial(call Call, outcome Kind) Call {
	call.Outcome = outcome
	call.CallID = s.options.CallIDPrefix + uuid.NewString()
	return s.book.add(call, s.options.Deduplicate)
}

// handleCalls lists the calls that were dialled, oldest first; ?bookingId= and the
// header X-Tenant-Id, if given, narrow the list down.
func (s *Server) handleCalls(w http.ResponseWriter, r *http.Request) {
	booking, tenant := r.URL.Query().Get("bookingId"), r.Header.Get("X-Tenant-Id")
	calls := []Call{}
	for _, call := range s.Calls(booking) {
		if tenant == "" || call.TenantID == tenant {
			calls = append(calls, call)
		}
	}
	w.Header().Set(PostsReadHeader, strconv.Itoa(s.PostsRead(booking)))
	answer(w, http.StatusOK, calls)
}

func (s *Server) handleBehave(w http.ResponseWriter, r *http.Request) {
	var b Behaviour
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	dec.DisallowUnknownFields()
	err := dec.Decode(&b)
	if err == nil {
		err = s.Behave(b)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) handleReset(w http.ResponseWriter, _ *http.Request) {
	s.Reset()
	w.WriteHeader(http.StatusNoContent)
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"success": false, "message": message})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
