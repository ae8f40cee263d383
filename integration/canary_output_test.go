package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// The ways out of the functions.
const (
	wayLog     = "log"     // what they print
	wayTraces  = "traces"  // spans
	wayAnswers = "answers" // HTTP, to Cloud Tasks, Eventarc and strangers
	wayTasks   = "tasks"   // on the queue
	wayColumns = "columns" // of the bookings
)

// leaving is what has left a world's functions, by its way out.
type leaving struct {
	mu      sync.Mutex
	planted bool // so much was planted that something must have left by every way
	pieces  map[string][]string
}

// mustHoldMuch is called by tests that plant.
func (l *leaving) mustHoldMuch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.planted = true
}

func (l *leaving) keep(way, piece string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pieces == nil {
		l.pieces = map[string][]string{}
	}
	l.pieces[way] = append(l.pieces[way], piece)
}

// keepAnswer keeps all of an answer.
func (l *leaving) keepAnswer(status int, header http.Header, body []byte) {
	l.keep(wayAnswers, fmt.Sprintf("%d %v %s", status, header, body))
}

// RoundTrip implements http.RoundTripper: it keeps what the functions answer.
func (l *leaving) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := answering.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body) // an instance that was killed breaks off
	l.keepAnswer(response.StatusCode, response.Header, body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

var answering = &http.Transport{DisableKeepAlives: true, DisableCompression: true}

// collect reads what is to be read before the world ends.
func (w *world) collect() error {
	ctx := context.Background()
	var errs []error
	for token := ""; ; {
		page, err := w.Tasks.ListTasks(ctx, &cloudtaskspb.ListTasksRequest{
			Parent: w.QueuePath(), ResponseView: cloudtaskspb.Task_FULL, PageToken: token})
		if err != nil {
			errs = append(errs, fmt.Errorf("list the tasks: %w", err))
			break
		}
		for _, task := range page.GetTasks() {
			w.keepTask(task)
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	for _, tenant := range w.Tenants {
		errs = append(errs, w.collectColumns(ctx, tenant.DatabaseURL, tenant.Schema))
	}
	return errors.Join(errs...)
}

// keepTask keeps a task as Cloud Tasks has it. The payload is beside it, since in
// the task's own JSON it would be base64 and begin as a token does.
func (w *world) keepTask(task *cloudtaskspb.Task) {
	payload := string(task.GetHttpRequest().GetBody())
	rest := proto.CloneOf(task)
	rest.GetHttpRequest().Body = nil
	w.left.keep(wayTasks, protojson.Format(rest)+"\n"+payload)
}

// taskColumns are those texts that the functions write.
const taskColumns = `concat_ws(' ', task_status, task_reason, task_name, idempotency_key, call_id, last_execution_error)`

func (w *world) collectColumns(ctx context.Context, url, schema string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("read the bookings: %w", err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT `+taskColumns+` FROM `+pgx.Identifier{schema, "lead_bookings"}.Sanitize())
	if err != nil {
		return fmt.Errorf("read the bookings: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read the bookings: %w", err)
	}
	for _, row := range found {
		w.left.keep(wayColumns, row)
	}
	return nil
}

// check looks at all that has left a world, after its end.
func (w *world) check() error {
	var errs []error
	for line := range bytes.Lines(w.log.bytes()) {
		errs = append(errs, checkLine(line))
		w.left.keep(wayLog, string(line))
	}
	spans, err := os.ReadFile(w.traces)
	if err != nil {
		errs = append(errs, fmt.Errorf("read the traces: %w", err))
	}
	for line := range bytes.Lines(spans) {
		w.left.keep(wayTraces, string(line))
	}
	return errors.Join(append(errs, w.left.check(canaries(w.AppURL, w.Tenants[0].DatabaseURL)))...)
}

// check searches every piece. Of a way out by which nothing has left it could say
// nothing, so that is an error where enough was planted.
func (l *leaving) check(private []canary) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, way := range []string{wayLog, wayTraces, wayAnswers, wayTasks, wayColumns} {
		if l.planted && len(l.pieces[way]) == 0 {
			errs = append(errs, fmt.Errorf("nothing has left the functions by their %s: where is it?", way))
		}
		for _, piece := range l.pieces[way] {
			if err := search(piece, private); err != nil {
				errs = append(errs, fmt.Errorf("in the functions' %s: %w: %s", way, err, strings.TrimSpace(piece)))
			}
		}
	}
	return errors.Join(errs...)
}
