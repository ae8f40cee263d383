package voiceagent_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	standin "lad.internal/followup/internal/localstack/voiceagent"
)

func serviceHeader() http.Header {
	return http.Header{
		"Content-Type": {"application/json"}, "X-Tenant-Id": {tenant}, "X-Frontend-Id": {frontend}, "X-Api-Key": {apiKey},
		"Idempotency-Key": {"followup:" + tenant + ":" + booking + ":2026-03-01T09:00:00.000Z"},
	}
}

func TestServiceContract(t *testing.T) {
	t.Parallel()
	b := serve(t, standin.Options{FrontendID: frontend, APIKey: apiKey})
	set := func(name string, value any) func(map[string]any) {
		return func(body map[string]any) { body[name] = value }
	}
	unset := func(name string) func(map[string]any) { return func(body map[string]any) { delete(body, name) } }
	for name, tc := range map[string]struct {
		change  func(map[string]any)
		status  int
		message string
	}{
		"usual":          {func(map[string]any) {}, 202, `"call_log_id":null`},
		"unknown field":  {set("odd", 1), 202, `"mode":"single"`},
		"no key in it":   {unset("booking_id"), 202, `"status":"pending"`},
		"null":           {set("from_number", nil), 202, "job_id"},
		"local number":   {set("to_number", "0500000103"), 202, `"to_number":"+971500000103"`},
		"without plus":   {set("to_number", "971500000104"), 202, `"to_number":"+971500000104"`},
		"zeros in front": {set("to_number", "00971500000105"), 202, `"to_number":"+971500000105"`},
		"spaces":         {set("to_number", "+971 50 000-0106"), 202, `"to_number":"+971500000106"`},
		"own voice":      {func(body map[string]any) { body["voice_id"] = "v"; delete(body, "agent_id") }, 202, "job_id"},
		"no agent":       {unset("agent_id"), 400, "needs an agent_id"},
		"agent as text":  {set("agent_id", "default"), 422, "agent_id has the wrong type"},
		"agent 0":        {set("agent_id", 0), 422, "agent_id is not positive"},
		"no voice":       {unset("voice_id"), 422, "voice_id is required"},
		"no number":      {unset("to_number"), 422, "to_number is no telephone number"},
		"words":          {set("to_number", "me"), 422, "to_number is no telephone number"},
		"lead no UUID":   {set("lead_id", "7"), 422, "no UUID"},
	} {
		body := validBody()
		tc.change(body)
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		resp, answer := b.send(t, http.MethodPost, standin.ServiceStartCallPath, string(text), serviceHeader())
		if resp.StatusCode != tc.status || !strings.Contains(answer, tc.message) {
			t.Errorf("%s: got %d %s, want %d with %q", name, resp.StatusCode, answer, tc.status, tc.message)
		}
	}
	for _, call := range b.Calls("") {
		if call.BookingID != booking {
			t.Errorf("booked %+v", call)
		}
	}
	for body, want := range map[string]int{"[]": 422, "": 422, `{"added_context":"` + strings.Repeat("x", 64<<10) + `"}`: 413} {
		if resp, text := b.send(t, http.MethodPost, standin.ServiceStartCallPath, body, serviceHeader()); resp.StatusCode != want || !strings.Contains(text, `"detail"`) {
			t.Errorf("%.20s: got %d %s, want %d", body, resp.StatusCode, text, want)
		}
	}
	// The backend has no credentials here, so it takes nobody.
	if resp, text := b.send(t, http.MethodPost, standin.StartCallPath, "{}", serviceHeader()); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the backend: got %d %s", resp.StatusCode, text)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	b := serve(t, standin.Options{JWTSecret: signing})
	const user = "44444444-4444-4444-8444-444444444444"
	sign := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{"userId": user, "tenantId": tenant, "exp": time.Now().Add(time.Minute).Unix()}
		change(claims)
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + token
	}
	as := func(change func(jwt.MapClaims)) string { return sign(jwt.SigningMethodHS256, []byte(signing), change) }
	for name, tc := range map[string]struct {
		authorization string
		status        int
	}{
		"good":        {as(func(jwt.MapClaims) {}), 200},
		"none":        {"", 401},
		"basic":       {"Basic x", 401},
		"no token":    {"Bearer x", 403},
		"other key":   {sign(jwt.SigningMethodHS256, []byte("x"), func(jwt.MapClaims) {}), 403},
		"unsigned":    {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, func(jwt.MapClaims) {}), 403},
		"other HMAC":  {sign(jwt.SigningMethodHS512, []byte(signing), func(jwt.MapClaims) {}), 403},
		"expired":     {as(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }), 403},
		"for ever":    {as(func(c jwt.MapClaims) { delete(c, "exp") }), 403},
		"no user":     {as(func(c jwt.MapClaims) { delete(c, "userId") }), 403},
		"tenant acme": {as(func(c jwt.MapClaims) { c["tenantId"] = "acme" }), 403},
	} {
		h := http.Header{"Content-Type": {"application/json"}, "X-Tenant-Id": {booking}, "Authorization": {tc.authorization}}
		resp, text := b.send(t, http.MethodPost, standin.StartCallPath, `{"voice_id":"default","to_number":"`+number+`","agent_id":7,"initiated_by":"`+lead+`"}`, h)
		if resp.StatusCode != tc.status {
			t.Errorf("%s: got %d %s, want %d", name, resp.StatusCode, text, tc.status)
		}
	}
	// The token says whose call it is, and not the header or the body.
	if calls := b.Calls(""); len(calls) != 1 || calls[0].TenantID != tenant || calls[0].InitiatedBy != user {
		t.Errorf("booked %+v", calls)
	}
}

// ask asks for a job that is not there, n times, and returns the statuses.
func (b bundle) ask(t *testing.T, path string, n int, h http.Header) (statuses []int) {
	t.Helper()
	for range n {
		resp, _ := b.send(t, http.MethodGet, path+"none", "", h)
		statuses = append(statuses, resp.StatusCode)
	}
	return statuses
}

func TestLimit(t *testing.T) {
	t.Parallel()
	good := http.Header{"X-Internal-Service-Secret": {secret}}
	for name, limit := range map[string]standin.Limit{"minute": {PerMinute: 3}, "five seconds": {PerFiveSeconds: 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, standin.Options{Limit: limit})
			if got := b.start(t, call()); got.Status != 200 { // counts, too
				t.Fatalf("got %+v", got)
			}
			got := b.ask(t, standin.JobPath, 4, good)
			if want := []int{404, 404, 429, 429}; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if got := b.start(t, call()); got.Status != 429 || got.RetryAfter < 50*time.Second || got.RetryAfter > time.Minute {
				t.Errorf("got %+v", got)
			}
			if n := len(b.Calls("")); n != 1 || b.PostsRead("") != 2 {
				t.Errorf("%d calls were dialled in %d POSTs", n, b.PostsRead(""))
			}
		})
	}
	t.Run("end of the block", func(t *testing.T) {
		t.Parallel()
		b := setup(t, standin.Options{Limit: standin.Limit{PerMinute: 1}, BlockFor: 50 * time.Millisecond})
		if got := b.ask(t, standin.JobPath, 2, good); !slices.Equal(got, []int{404, 429}) {
			t.Fatalf("got %v", got)
		}
		for deadline := time.Now().Add(10 * time.Second); ; {
			resp, _ := b.send(t, http.MethodGet, standin.JobPath+"none", "", good)
			if resp.StatusCode == http.StatusNotFound {
				return
			}
			if time.Now().After(deadline) || resp.Header.Get("Retry-After") != "1" {
				t.Fatalf("got %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
			}
		}
	})
}

func TestBlock(t *testing.T) {
	t.Parallel()
	bad := http.Header{"X-Frontend-Id": {frontend}, "X-Api-Key": {"x"}}
	good := http.Header{"X-Frontend-Id": {frontend}, "X-Api-Key": {apiKey}}
	for _, block := range []bool{false, true} {
		t.Run(strconv.FormatBool(block), func(t *testing.T) {
			t.Parallel()
			b := serve(t, standin.Options{FrontendID: frontend, APIKey: apiKey, Block: block})
			want := []int{401, 401, 401}
			after := 404
			if block {
				want, after = []int{401, 401, 429}, 429
			}
			if got := b.ask(t, standin.ServiceJobPath, 3, bad); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if got := b.ask(t, standin.ServiceJobPath, 1, good); got[0] != after {
				t.Errorf("with the right key: got %v, want %d", got, after)
			}
			if got := b.ask(t, standin.JobPath, 1, good); got[0] != 401 {
				t.Errorf("the backend: got %v", got)
			}
		})
	}
}
