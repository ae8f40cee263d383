package tracing_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/internal/tracing/tracingtest"
)

// serviceAccount writes the key of a service account whose tokens come from url.
func serviceAccount(t *testing.T, url string) (file string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "follow-up@p-1.iam.gserviceaccount.com", "private_key_id": "1", "token_uri": url,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, account, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Not parallel: Google's credentials are found through the environment.
func TestGoogleGetsOTLPOverTLSWithTheFunctionsOwnToken(t *testing.T) {
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"token-of-the-function","token_type":"Bearer","expires_in":3600}`))
	}))
	defer tokens.Close()
	defer http.DefaultClient.CloseIdleConnections() // the token's
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", serviceAccount(t, tokens.URL))

	// A certificate for 127.0.0.1.
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	receiver := tracingtest.NewReceiver(t, grpc.Creds(credentials.NewServerTLSFromCert(&certified.TLS.Certificates[0])))
	pool := x509.NewCertPool()
	pool.AddCert(certified.Certificate())

	tracer, log := open(t, tracing.Config{To: "gcp", Ratio: 1}, tracing.Options{ProjectID: "p-1", OTLP: []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(receiver.Addr), otlptracegrpc.WithTLSCredentials(credentials.NewClientTLSFromCert(pool, "")),
	}})
	serve(t, tracer, sampledA, func(ctx context.Context) { begin(ctx, "") })
	if len(receiver.Spans()) == 0 {
		t.Fatal(log)
	}
	got := named(t, receiver.Spans(), "execute task")
	if auth := got.Metadata.Get("authorization"); len(auth) != 1 || auth[0] != "Bearer token-of-the-function" {
		t.Errorf("authorization is %q", auth)
	}
	if got.Resource["gcp.project_id"] != "p-1" {
		t.Errorf("the resource is %v", got.Resource)
	}
}

func TestWithoutCredentialsAFunctionThatIsToTraceToGoogleDoesNotStart(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none"))
	_, err := tracing.Open(t.Context(), tracing.Config{To: "gcp", Ratio: 1}, tracing.Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "FOLLOWUP_TRACES is gcp, and there are no credentials") {
		t.Errorf("said %v", err)
	}
}

// line is what is read of a line of a trace file.
type line struct {
	Name        string
	SpanContext struct{ TraceID, SpanID string }
	Parent      struct{ SpanID string }
	StartTime   time.Time
}

func TestTwoFunctionsShareAFileALineForEachSpan(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "spans")
	var both sync.WaitGroup
	const requests = 40
	for range 2 {
		tracer, _ := open(t, tracing.Config{To: "file:" + path, Ratio: 1}, tracing.Options{})
		both.Go(func() {
			for range requests {
				serve(t, tracer, sampledA, func(ctx context.Context) { begin(ctx, "") })
			}
		})
	}
	both.Wait()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Name != "execute task" || l.SpanContext.TraceID != traceA ||
			l.Parent.SpanID != parentA || len(l.SpanContext.SpanID) != 16 || l.StartTime.IsZero() {
			t.Errorf("%v: %s", err, lines.Text())
		}
	}
	if n != 2*requests {
		t.Errorf("there are %d lines, want %d", n, 2*requests)
	}
}

func TestAFileThatCannotBeWrittenIsNamed(t *testing.T) {
	t.Parallel()
	_, err := tracing.Open(t.Context(), tracing.Config{To: "file:/no/such/folder/spans", Ratio: 1}, tracing.Options{})
	if err == nil || !strings.Contains(err.Error(), "FOLLOWUP_TRACES") || !strings.Contains(err.Error(), "/no/such/folder/spans") {
		t.Errorf("said %v", err)
	}
}

// silent is an address where connections are taken and nothing is ever said,
// not even in TLS or HTTP/2.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // the kernel takes the connections
	return l.Addr().String()
}

func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestACollectorThatDoesNotAnswerCostsOneRequestTwoSecondsAndTheNextNone(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string]string{
		"takes the export and hangs": tracingtest.NewHanging(t).Addr,
		"takes the connection alone": silent(t),
		"is not there":               nobody(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer, log := open(t, tracing.Config{To: "otlp:" + addr, Ratio: 1}, tracing.Options{})
			took := make([]time.Duration, 30)
			for i := range took {
				started := time.Now()
				serve(t, tracer, sampledA, func(ctx context.Context) { begin(ctx, "") })
				took[i] = time.Since(started)
			}
			rest := time.Duration(0)
			for _, d := range took[1:] {
				rest += d
			}
			// Two seconds, and what a busy machine adds.
			if took[0] > 10*time.Second || rest > 10*time.Second {
				t.Errorf("the first request waited %v, the %d others %v", took[0], len(took)-1, rest)
			}
			t.Logf("the first request waited %v, the %d others %v", took[0], len(took)-1, rest)
			if n := len(log.Events("traces_lost")); n != 1 {
				t.Errorf("it was said %d times: %s", n, log)
			}
		})
	}
}

func TestRequestsAtOnceDoNotWaitForEachOthersCollector(t *testing.T) {
	t.Parallel()
	tracer, log := open(t, to(tracingtest.NewHanging(t)), tracing.Options{})
	started := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { serve(t, tracer, sampledA, func(ctx context.Context) { begin(ctx, "") }) })
	}
	all.Wait()
	// One after the other they would take 40 s.
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("20 requests took %v", took)
	}
	if n := len(log.Events("traces_lost")); n != 1 {
		t.Errorf("it was said %d times: %s", n, log)
	}
}

// hangingTokens never come, whatever the deadline of who asks, as where the
// metadata server hangs.
type hangingTokens struct{ done chan struct{} }

func (h hangingTokens) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	<-h.done
	return nil, nil
}

func (hangingTokens) RequireTransportSecurity() bool { return false }

func TestCredentialsThatHangAreNoReasonToWaitEither(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.NewReceiver(t)
	tokens := hangingTokens{make(chan struct{})}
	t.Cleanup(func() { close(tokens.done) })
	tracer, log := open(t, to(receiver), tracing.Options{OTLP: []otlptracegrpc.Option{
		otlptracegrpc.WithDialOption(grpc.WithPerRPCCredentials(tokens))}})
	started := time.Now()
	for range 30 {
		serve(t, tracer, sampledA, func(ctx context.Context) { begin(ctx, "") })
	}
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("30 requests took %v", took)
	}
	if n := len(log.Events("traces_lost")); n != 1 {
		t.Errorf("it was said %d times: %s", n, log)
	}
}

func TestTheEndExportsWhatIsLeftAndWaitsForNobody(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.NewReceiver(t)
	for name, config := range map[string]tracing.Config{"answers": to(receiver), "hangs": to(tracingtest.NewHanging(t))} {
		log := &functiontest.Log{}
		tracer, err := tracing.Open(t.Context(), config, tracing.Options{Function: "f", Log: log.Logger()})
		if err != nil {
			t.Fatal(err)
		}
		var late tracing.Span
		serve(t, tracer, "", func(ctx context.Context) {
			_, late = tracing.StartRequest(ctx, "late", trace.SpanKindConsumer, "", ref)
		})
		late.End(nil)
		started := time.Now()
		tracer.Close(context.Background())
		if took := time.Since(started); took > 10*time.Second {
			t.Errorf("%s: the end took %v", name, took)
		}
	}
	named(t, receiver.Spans(), "late")
}
