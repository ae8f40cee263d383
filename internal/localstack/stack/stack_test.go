package stack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

// soon is long enough for what is left behind to end.
const soon = 15 * time.Second

func TestAStackLeavesNothingBehind(t *testing.T) {
	stacktest.NeedProc(t)
	dir := stacktest.TempDir(t)
	t.Setenv("TMPDIR", dir)
	goroutines := goleak.IgnoreCurrent()
	if before := stacktest.Descendants(t, os.Getpid()); len(before) > 0 {
		t.Fatalf("another test has left %v", before)
	}

	s, err := stack.Start(t.Context(), stack.Options{Function: stacktest.Function(t), SweepEvery: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	during := stacktest.Descendants(t, os.Getpid())
	if len(during) < 5 { // postgres and its warden, two functions and theirs
		t.Errorf("while it runs there are only the processes %v", during)
	}
	database, err := url.Parse(s.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	addresses := []string{database.Host, s.Tasks.Addr, s.Bus.Addr()}
	for _, u := range []string{s.URL, s.ExecuteURL(), s.ScheduleURL(), s.Tasks.CertsURL} {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, parsed.Host)
	}
	for _, address := range addresses {
		if !listens(address) {
			t.Errorf("nobody listens on %s while the stack runs", address)
		}
	}
	user := stacktest.LAD{URL: s.URL, Tenant: s.Tenants[0].ID}
	user.Await(t, user.Book(t, time.Now(), nil), "executed")

	for range 2 { // closing again does nothing
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	stacktest.AwaitGone(t, during, soon)
	for _, address := range addresses {
		if listens(address) {
			t.Errorf("somebody still listens on %s", address)
		}
	}
	stacktest.AwaitEmpty(t, dir, 0)
	goleak.VerifyNone(t, stacktest.LeakOptions(goroutines)...)
}

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func TestAFunctionsProcessThatIsKilledIsReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{})
	user := stacktest.LAD{URL: s.URL, Tenant: s.Tenants[1].ID}
	for _, name := range []string{"ScheduleFollowUp", "ExecuteFollowUp"} {
		before := pid(t, s, name)
		if err := s.Kill(name, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(stacktest.Patience); pid(t, s, name) == before; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s was not started again", name)
			}
		}
		user.Await(t, user.Book(t, time.Now(), nil), "executed")
	}
	if err := s.Kill("NoFunction", syscall.SIGKILL); err == nil {
		t.Error("a function that does not exist was killed")
	}
}

func pid(t *testing.T, s *stack.Stack, name string) int {
	t.Helper()
	pid, err := s.Pid(name)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestTheFunctionsSeeNothingOfTheEnvironmentButTheirSettings(t *testing.T) {
	stacktest.NeedProc(t)
	const canary = "canary-c0ffee"
	t.Setenv("FOLLOWUP_TEST_SECRET", canary)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/"+canary)
	t.Setenv("PGPASSWORD", canary)
	t.Setenv("VOICE_AGENT_TIMEOUT", "29s") // one that is let through
	s := start(t, stack.Options{Env: map[string]string{"FOLLOWUP_GRACE": "4m"}})

	allowed := map[string]bool{"PATH": true, "PORT": true, "LOCAL_ONLY": true, "FUNCTION_TARGET": true,
		"DATABASE_URL": true, "TENANT_REGISTRY": true, "CLOUD_TASKS_EMULATOR_HOST": true, "INTERNAL_SERVICE_SECRET": true,
		"_": true} // added by some shells
	for _, name := range []string{"ScheduleFollowUp", "ExecuteFollowUp"} {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid(t, s, name)))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for entry := range strings.SplitSeq(strings.TrimSuffix(string(environ), "\x00"), "\x00") {
			key, value, _ := strings.Cut(entry, "=")
			got[key] = value
			ours := strings.HasPrefix(key, "FOLLOWUP_") || strings.HasPrefix(key, "GCP_") || strings.HasPrefix(key, "VOICE_AGENT_")
			if !ours && !allowed[key] {
				t.Errorf("%s has %s in its environment", name, key)
			}
			if strings.Contains(value, canary) {
				t.Errorf("%s has the secret in %s", name, key)
			}
		}
		if got["VOICE_AGENT_TIMEOUT"] != "29s" || got["FOLLOWUP_GRACE"] != "4m" {
			t.Errorf("%s lacks a setting that was given: %q, %q", name, got["VOICE_AGENT_TIMEOUT"], got["FOLLOWUP_GRACE"])
		}
	}
}

func TestTheFrontAnswersForLADAndTheVoiceAgentAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{})

	var tenants []lad.Tenant
	getJSON(t, s.URL+"/api/tenants", http.StatusOK, &tenants)
	if len(tenants) != 2 || tenants[0].ID == tenants[1].ID || tenants[0].Schema == tenants[1].Schema || tenants[0].DatabaseURL == "" {
		t.Errorf("the tenants are %+v", tenants)
	}
	var calls []any
	getJSON(t, s.URL+"/api/voice-agent/calls?bookingId=none", http.StatusOK, &calls)
	var index struct{ Endpoints []string }
	getJSON(t, s.URL+"/", http.StatusOK, &index)
	if len(index.Endpoints) == 0 {
		t.Error("the index lists nothing")
	}
	for _, path := range []string{"/favicon.ico", "/api", "/api/tenants/x", "/api/deals-pipeline/", "/api/voice-agent/", "/_control/"} {
		var refusal struct {
			Error struct{ Code, Message string }
		}
		getJSON(t, s.URL+path, http.StatusNotFound, &refusal)
		if refusal.Error.Code != "not_found" || refusal.Error.Message == "" {
			t.Errorf("%s answers %+v", path, refusal)
		}
	}
}

func getJSON(t *testing.T, target string, status int, into any) {
	t.Helper()
	resp, err := stacktest.Client.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status || resp.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, into) != nil {
		t.Errorf("%s: %s, %s: %s", target, resp.Status, resp.Header.Get("Content-Type"), body)
	}
}

// start starts a stack that ends with the test.
func start(t *testing.T, o stack.Options) *stack.Stack {
	t.Helper()
	o.Function = stacktest.Function(t)
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
