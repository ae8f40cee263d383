package timeline_test

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"lad.internal/followup/internal/timeline"
	"lad.internal/followup/pkg/followup"
)

func jsonNumber(s string) json.Number { return json.Number(s) }

// cloudLogging answers ListLogEntries as the service does, one entry a page.
type cloudLogging struct {
	loggingpb.UnimplementedLoggingServiceV2Server
	entries []*loggingpb.LogEntry
	refuse  error

	mu    sync.Mutex
	asked []*loggingpb.ListLogEntriesRequest
}

func (s *cloudLogging) ListLogEntries(_ context.Context, r *loggingpb.ListLogEntriesRequest) (*loggingpb.ListLogEntriesResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	if s.refuse != nil {
		return nil, s.refuse
	}
	at := len(r.GetPageToken()) // the token is as long as the page's number
	answer := &loggingpb.ListLogEntriesResponse{}
	if at < len(s.entries) {
		answer.Entries = s.entries[at : at+1]
	}
	if at+1 < len(s.entries) {
		answer.NextPageToken = strings.Repeat("x", at+1)
	}
	return answer, nil
}

func serve(t *testing.T, s *cloudLogging) []option.ClientOption {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	loggingpb.RegisterLoggingServiceV2Server(g, s)
	var serving sync.WaitGroup
	serving.Go(func() { _ = g.Serve(lis) })
	t.Cleanup(func() { g.Stop(); serving.Wait() })
	return []option.ClientOption{
		option.WithEndpoint(lis.Addr().String()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
}

func entry(t *testing.T, text string) *loggingpb.LogEntry {
	t.Helper()
	e := &loggingpb.LogEntry{}
	if err := protojson.Unmarshal([]byte(text), e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestCloudLoggingIsAskedForOneBookingAndReadPageByPage(t *testing.T) {
	t.Parallel()
	ref := followup.Ref{
		TenantID:  uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001"),
		BookingID: uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002"),
	}
	const labels = `"labels":{"tenant_id":"aaaaaaaa-0000-4000-8000-000000000001","booking_id":"bbbbbbbb-0000-4000-8000-000000000002"}`
	server := &cloudLogging{entries: []*loggingpb.LogEntry{
		entry(t, `{"timestamp":"2026-03-01T09:00:00.5Z","severity":"WARNING",`+labels+`,
			"resource":{"type":"cloud_run_revision","labels":{"service_name":"execute-follow-up"}},
			"jsonPayload":{"message":"called","event":"call_finished","attempt":2,"tenant_id":"aaaaaaaa-0000-4000-8000-000000000001",
				"booking_id":"bbbbbbbb-0000-4000-8000-000000000002","detail":"it rang"}}`),
		entry(t, `{"timestamp":"2026-03-01T09:00:01Z","severity":"INFO",`+labels+`,
			"sourceLocation":{"function":"lad.internal/followup/functions/schedule.(*Handler).Handle"},"textPayload":"a sentence alone"}`),
	}}
	client, err := timeline.NewClient(t.Context(), "my-project", serve(t, server)...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	since := time.Date(2026, 2, 28, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	got := collect(t, timeline.Query(t.Context(), client, timeline.Filter(ref, since)))

	want := []timeline.Entry{
		{Time: followup.Moment{Time: time.Date(2026, 3, 1, 9, 0, 0, 5e8, time.UTC)}, Function: "execute-follow-up", Severity: "WARNING", Event: "call_finished",
			Message: "called", Ref: ref, Fields: map[string]any{"attempt": 2.0, "detail": "it rang"}},
		{Time: followup.Moment{Time: time.Date(2026, 3, 1, 9, 0, 1, 0, time.UTC)}, Function: "ScheduleFollowUp", Severity: "INFO", Message: "a sentence alone", Ref: ref},
	}
	if diff := cmp.Diff(want, got, ignoreTrace); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := got[0].Describe(); got != `attempt=2 detail="it rang"` {
		t.Errorf("described as %s", got)
	}
	if len(server.asked) != 2 {
		t.Fatalf("%d pages were asked for", len(server.asked))
	}
	const filter = `labels.tenant_id="aaaaaaaa-0000-4000-8000-000000000001" AND labels.booking_id="bbbbbbbb-0000-4000-8000-000000000002" AND timestamp>="2026-02-28T11:00:00Z"`
	for _, r := range server.asked {
		if r.GetFilter() != filter || !cmp.Equal(r.GetResourceNames(), []string{"projects/my-project"}) {
			t.Errorf("asked for %s of %v", r.GetFilter(), r.GetResourceNames())
		}
	}
}

func TestARefusalOfCloudLoggingIsAnErrorThatSaysWhy(t *testing.T) {
	t.Parallel()
	server := &cloudLogging{refuse: status.Error(codes.PermissionDenied, "Permission 'logging.logEntries.list' denied")}
	client, err := timeline.NewClient(t.Context(), "p", serve(t, server)...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	var failed error
	for _, err := range timeline.Query(t.Context(), client, timeline.Filter(followup.Ref{}, time.Now())) {
		failed = err
	}
	if failed == nil || !strings.Contains(failed.Error(), "logging.logEntries.list") {
		t.Errorf("%v", failed)
	}
}
