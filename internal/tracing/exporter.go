package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/oauth"
)

const (
	// googleEndpoint takes OTLP for Cloud Trace
	// (https://cloud.google.com/stackdriver/docs/reference/telemetry/overview).
	// Google's own exporter for Go is deprecated in favour of it.
	googleEndpoint = "telemetry.googleapis.com:443"
	// googleScope is what a token for it must be good for.
	googleScope = "https://www.googleapis.com/auth/cloud-platform"
)

func newExporter(ctx context.Context, c Config, o Options) (sdktrace.SpanExporter, error) {
	switch kind, where := c.exporter(); kind {
	case google:
		credentials, err := oauth.NewApplicationDefault(ctx, googleScope)
		if err != nil {
			return nil, fmt.Errorf("FOLLOWUP_TRACES is gcp, and there are no credentials for Google Cloud: %w", err)
		}
		return newOTLP(ctx, o, otlptracegrpc.WithEndpoint(googleEndpoint),
			otlptracegrpc.WithDialOption(grpc.WithPerRPCCredentials(credentials)))
	case otlp:
		return newOTLP(ctx, o, otlptracegrpc.WithEndpoint(where), otlptracegrpc.WithInsecure())
	case file:
		return newFile(where)
	default:
		return nil, c.Validate()
	}
}

// newOTLP tries each export once: what is late is of less use than a request
// that ends.
func newOTLP(ctx context.Context, o Options, own ...otlptracegrpc.Option) (sdktrace.SpanExporter, error) {
	opts := append(own,
		otlptracegrpc.WithTimeout(flushTime),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}))
	exporter, err := otlptracegrpc.New(ctx, append(opts, o.OTLP...)...)
	if err != nil {
		return nil, fmt.Errorf("open the exporter of traces: %w", err)
	}
	return exporter, nil
}

// fileExporter writes each span as one line of JSON with a single write to a
// file opened for appending, so the functions may share it.
type fileExporter struct {
	*stdouttrace.Exporter
	file *os.File
}

func newFile(path string) (sdktrace.SpanExporter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("FOLLOWUP_TRACES names a file that cannot be written: %w", err)
	}
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(f))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the file of traces: %w", err), f.Close())
	}
	return &fileExporter{Exporter: exporter, file: f}, nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *fileExporter) Shutdown(ctx context.Context) error {
	return errors.Join(e.Exporter.Shutdown(ctx), e.file.Close())
}

// restTime is how long nothing is exported after a failure, so that a collector
// that hangs costs one request its flushTime and not each.
const restTime = 30 * time.Second

// resting is an exporter that rests after a failure and drops what comes
// meanwhile. It returns no error: the SDK would print it to stderr.
type resting struct {
	sdktrace.SpanExporter
	log *slog.Logger

	mu    sync.Mutex
	until time.Time
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *resting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.rests() {
		return nil
	}
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.failed(err)
	}
	return nil
}

func (e *resting) rests() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Now().Before(e.until)
}

// failed begins a rest, and says so once.
func (e *resting) failed(err error) {
	e.mu.Lock()
	resting := time.Now().Before(e.until)
	e.until = time.Now().Add(restTime)
	e.mu.Unlock()
	if !resting {
		e.log.Warn("traces could not be exported; they are dropped for a while", "event", "traces_lost",
			"rest_seconds", restTime.Seconds(), "error", err)
	}
}
