package timeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/logging"
	"cloud.google.com/go/logging/logadmin"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/types/known/structpb"

	"lad.internal/followup/pkg/followup"
)

// readScope is all that reading takes; logadmin would ask for the right to
// change sinks and metrics, too.
const readScope = "https://www.googleapis.com/auth/logging.read"

// NewClient connects to Cloud Logging, to read a project's log. That takes the
// permission logging.logEntries.list, which roles/logging.viewer has.
func NewClient(ctx context.Context, project string, opts ...option.ClientOption) (*logadmin.Client, error) {
	client, err := logadmin.NewClient(ctx, "projects/"+project, append([]option.ClientOption{option.WithScopes(readScope)}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to Cloud Logging: %w", err)
	}
	return client, nil
}

// Filter selects, in the Logging query language
// (https://cloud.google.com/logging/docs/view/logging-query-language), the
// entries about a booking since a time. Without a time logadmin would look back
// for a day only.
func Filter(ref followup.Ref, since time.Time) string {
	return "labels.tenant_id=" + strconv.Quote(ref.TenantID.String()) +
		" AND labels.booking_id=" + strconv.Quote(ref.BookingID.String()) +
		" AND timestamp>=" + strconv.Quote(since.UTC().Format(time.RFC3339Nano))
}

// CallsFilter selects the entries that Calls reads, since a time.
func CallsFilter(since time.Time) string {
	return "jsonPayload.event=(" + strings.Join(quoted(callEvents), " OR ") + ")" +
		" AND timestamp>=" + strconv.Quote(since.UTC().Format(time.RFC3339Nano))
}

func quoted(words []string) (all []string) {
	for _, w := range words {
		all = append(all, strconv.Quote(w))
	}
	return all
}

// cloudPage is the largest page that Cloud Logging gives (ListLogEntriesRequest.page_size).
const cloudPage = 1000

// Query is the entries that a filter selects, from Cloud Logging, oldest first. An
// error ends it.
func Query(ctx context.Context, client *logadmin.Client, filter string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		entries := client.Entries(ctx, logadmin.Filter(filter), logadmin.PageSize(cloudPage))
		for {
			entry, err := entries.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("read Cloud Logging: %w", err))
				return
			}
			if !yield(fromCloud(entry), nil) {
				return
			}
		}
	}
}

// fromCloud reads an entry back whose line Cloud Logging has taken apart:
// "message" alone becomes a text payload, any other field makes it a JSON one.
func fromCloud(l *logging.Entry) Entry {
	e := Entry{Time: followup.Moment{Time: l.Timestamp}, Severity: severity(l.Severity), trace: l.Trace}
	for _, label := range []string{"service_name", "function_name"} { // Cloud Run, and functions of the first generation
		if name := l.Resource.GetLabels()[label]; name != "" && e.Function == "" {
			e.Function = name
		}
	}
	if e.Function == "" {
		e.Function = functionOf(l.SourceLocation.GetFunction())
	}
	fields := map[string]any{}
	switch payload := l.Payload.(type) {
	case *structpb.Struct:
		fields = payload.AsMap()
	case string:
		fields["message"] = payload
	}
	e.fill(fields)
	if e.Ref == (followup.Ref{}) {
		e.Ref = ref(l.Labels["tenant_id"], l.Labels["booking_id"])
	}
	return e
}

// severity is its name as the functions write it.
func severity(s logging.Severity) string { return strings.ToUpper(s.String()) }
