// Package tracingtest is the other end of tracing's exporters: a collector that
// speaks OTLP over gRPC, as Google's endpoint and OpenTelemetry's collector do.
//
// It is for tests only.
package tracingtest

import (
	"context"
	"encoding/hex"
	"net"
	"strconv"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Span is a span as the collector got it. Ids are hex.
type Span struct {
	Name, Kind, TraceID, SpanID, ParentID string
	// Attributes are the span's own, Resource those of who made it.
	Attributes, Resource map[string]string
	Links                []string // trace ids
	Failed               bool
	Message              string // of the status
	// Metadata is that of the request that brought it.
	Metadata metadata.MD
}

// Receiver is a collector.
type Receiver struct {
	collector.UnimplementedTraceServiceServer

	// Addr is host:port.
	Addr string

	hang     chan struct{} // nil: it answers
	mu       sync.Mutex
	requests int
	spans    []Span
}

// NewReceiver starts a collector that ends with the test.
func NewReceiver(t testing.TB, opts ...grpc.ServerOption) *Receiver {
	t.Helper()
	return start(t, &Receiver{}, opts...)
}

// NewHanging starts a collector that takes requests and answers none.
func NewHanging(t testing.TB) *Receiver {
	t.Helper()
	return start(t, &Receiver{hang: make(chan struct{})})
}

func start(t testing.TB, r *Receiver, opts ...grpc.ServerOption) *Receiver {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.Addr = listener.Addr().String()
	server := grpc.NewServer(opts...)
	collector.RegisterTraceServiceServer(server, r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if r.hang != nil {
			close(r.hang)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// Export implements the collector's service.
func (r *Receiver) Export(ctx context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	r.requests++
	r.mu.Unlock()
	if r.hang != nil {
		select {
		case <-r.hang:
		case <-ctx.Done():
		}
		return nil, ctx.Err()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range in.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				r.spans = append(r.spans, read(span, resource, md))
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func read(s *tracepb.Span, resource *tracepb.ResourceSpans, md metadata.MD) Span {
	span := Span{
		Name: s.GetName(), Kind: s.GetKind().String(), TraceID: hex.EncodeToString(s.GetTraceId()),
		SpanID: hex.EncodeToString(s.GetSpanId()), ParentID: hex.EncodeToString(s.GetParentSpanId()),
		Attributes: texts(s.GetAttributes()), Resource: texts(resource.GetResource().GetAttributes()),
		Failed: s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR, Message: s.GetStatus().GetMessage(),
		Metadata: md,
	}
	for _, link := range s.GetLinks() {
		span.Links = append(span.Links, hex.EncodeToString(link.GetTraceId()))
	}
	return span
}

func texts(attributes []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			all[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			all[a.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		case *common.AnyValue_BoolValue:
			all[a.GetKey()] = strconv.FormatBool(v.BoolValue)
		default:
			all[a.GetKey()] = a.GetValue().String()
		}
	}
	return all
}

// Spans are those received so far.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// Requests is how often somebody has exported, answered or not.
func (r *Receiver) Requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}
