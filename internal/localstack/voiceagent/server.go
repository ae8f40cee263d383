package voiceagent

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lad.internal/followup/pkg/followup"
)

// Paths that the stand-in serves. Those of jobs end in the job's id.
const (
	StartCallPath        = "/api/voice-agent/calls/start-call"
	JobPath              = "/api/voice-agent/calls/job/"
	ServiceStartCallPath = "/calls/start-call"
	ServiceJobPath       = "/calls/job/"
	CallsPath            = "/api/voice-agent/calls"
	BehaviourPath        = "/_control/behaviour"
)

// PostsReadHeader carries, in the answer of GET CallsPath, how many POSTs were read
// whole, refused ones included.
const PostsReadHeader = "X-Posts-Read"

const maxBodyBytes = 64 << 10

// Options configure a Server.
type Options struct {
	Logger *slog.Logger
	// Secret and JWTSecret are checked of requests to the backend: what is set must
	// be in every one. With JWTSecret the call's tenant and user are the token's.
	Secret    string
	JWTSecret string
	// FrontendID and APIKey are checked of requests to the voice service. At least one
	// kind is required, and a contract without one refuses everybody.
	FrontendID string
	APIKey     string
	// Block makes bad credentials for the voice service block everybody for two
	// minutes: the fifth within a minute, or the second within five seconds.
	Block bool
	// Limit bounds the start-call and job requests together; past it everybody is
	// refused with 429 for BlockFor, by default a minute.
	Limit    Limit
	BlockFor time.Duration
	// DispatchAfter is how long an accepted call is pending; by default 50 ms.
	DispatchAfter time.Duration
	// Dispatched is told of a call before it is dispatched, and returns the id of
	// its entry in the call log; by default a random UUID.
	Dispatched func(Call) (callLogID string)
	// Deduplicate answers a repeated Idempotency-Key of a tenant with the first
	// call's job instead of dialling again.
	Deduplicate bool
}

func (o Options) check() error {
	switch {
	case o.Logger == nil:
		return errors.New("voice agent stand-in: no logger")
	case (o.FrontendID == "") != (o.APIKey == ""):
		return errors.New("voice agent stand-in: a frontend id needs an API key, and an API key a frontend id")
	case o.Secret == "" && o.JWTSecret == "" && o.FrontendID == "":
		return errors.New("voice agent stand-in: no credentials to check")
	case o.BlockFor < 0 || o.DispatchAfter < 0:
		return errors.New("voice agent stand-in: a negative duration")
	default:
		return nil
	}
}

// Server is the stand-in. It is safe for concurrent use.
type Server struct {
	options  Options
	mux      *http.ServeMux
	book     book
	rules    rules
	requests limiter // start-call and job
	bad      limiter // with bad credentials for the voice service
}

var _ http.Handler = (*Server)(nil)

// New returns a stand-in that behaves. Close it if Options.Dispatched is set.
func New(options Options) (*Server, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	if options.DispatchAfter == 0 {
		options.DispatchAfter = 50 * time.Millisecond
	}
	if options.BlockFor == 0 {
		options.BlockFor = time.Minute
	}
	s := &Server{options: options, mux: http.NewServeMux()}
	s.requests = limiter{limit: options.Limit, blockFor: options.BlockFor}
	s.bad = limiter{limit: Limit{PerMinute: 4, PerFiveSeconds: 1}, blockFor: 2 * time.Minute}
	for _, c := range []contract{backend{s}, service{s}} {
		start, job := c.paths()
		s.mux.HandleFunc("POST "+start, func(w http.ResponseWriter, r *http.Request) { s.handleStartCall(w, r, c) })
		s.mux.HandleFunc("GET "+job+"{jobID}", func(w http.ResponseWriter, r *http.Request) { s.handleJob(w, r, c) })
	}
	s.mux.HandleFunc("GET "+CallsPath, s.handleCalls)
	s.mux.HandleFunc("POST "+BehaviourPath, s.handleBehave)
	s.mux.HandleFunc("DELETE "+BehaviourPath, s.handleReset)
	// Less specific than the patterns above, so what reaches these is another method.
	for path, methods := range map[string]string{
		StartCallPath: "POST", ServiceStartCallPath: "POST", JobPath + "{jobID}": "GET, HEAD", ServiceJobPath + "{jobID}": "GET, HEAD",
		CallsPath: "GET, HEAD", BehaviourPath: "POST, DELETE",
	} {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", methods)
			refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		})
	}
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) handleStartCall(w http.ResponseWriter, r *http.Request, c contract) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		c.refuse(w, http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB")
		return
	}
	if err != nil {
		return // the client went away: nothing was read whole
	}
	call, refused := s.read(r, c, body)
	s.book.countPost(call.BookingID)
	if s.limited(w, c) {
		return
	}
	caller, denied := c.authenticate(r.Header)
	if denied == nil {
		denied = refused
	}
	if denied != nil {
		c.refuse(w, denied.status, denied.message)
		return
	}
	if caller.tenantID != "" {
		call.TenantID, call.InitiatedBy = caller.tenantID, caller.userID
	}
	if !isUUID(call.TenantID) {
		c.refuse(w, http.StatusBadRequest, "X-Tenant-Id is missing or no UUID")
		return
	}
	behaviour := s.rules.next(Match{BookingID: call.BookingID, LeadID: call.LeadID, ToNumber: call.toNumber, IdempotencyKey: call.IdempotencyKey})
	s.options.Logger.InfoContext(r.Context(), "start-call", "tenant_id", call.TenantID, "booking_id", call.BookingID, "behaviour", string(behaviour.Kind))
	s.behave(w, r, c, behaviour, call)
}

// refusal is why a request is not taken.
type refusal struct {
	status  int
	message string
}

// read makes a call of a request. With a refusal it holds what could be read.
func (s *Server) read(r *http.Request, c contract, body []byte) (Call, *refusal) {
	req, refused := c.parse(body)
	if contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); contentType != "application/json" {
		refused = &refusal{http.StatusUnsupportedMediaType, "the content type is not application/json"}
	}
	call := Call{
		TenantID: r.Header.Get("X-Tenant-Id"), BookingID: req.BookingID, LeadID: req.LeadID, InitiatedBy: req.InitiatedBy,
		IdempotencyKey: r.Header.Get("Idempotency-Key"), FromNumber: req.FromNumber, ToNumberMasked: followup.Phone(req.ToNumber).String(), toNumber: req.ToNumber,
	}
	if req.AgentID != nil {
		call.AgentID = *req.AgentID
	}
	if call.IdempotencyKey == "" {
		call.IdempotencyKey = req.IdempotencyKey
	}
	if parts := strings.Split(call.IdempotencyKey, ":"); call.BookingID == "" && len(parts) > 3 && isUUID(parts[2]) {
		call.BookingID = parts[2] // the voice service's contract has no field for it
	}
	return call, refused
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
