package lad_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/migrations"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// Two tenants share a schema, as in LAD's development; one has its own, whose name needs quoting and
// whose times have a time zone.
const (
	tenantA = "aaaaaaaa-0000-4000-8000-000000000001"
	tenantB = "bbbbbbbb-0000-4000-8000-000000000002"
	tenantC = "cccccccc-0000-4000-8000-000000000003"
	shared  = "lad_dev"
	own     = `tenant "C"; x`
	leadID  = "11111111-0000-4000-8000-000000000001"
	userID  = "22222222-0000-4000-8000-000000000001"
	nobody  = "99999999-0000-4000-8000-000000000009"
)

var tables = postgrestest.Template{Key: "lad", Setup: func(ctx context.Context, adminURL string) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for schema, parts := range map[string][]string{shared: ladschema.Default, own: {ladschema.Dump, ladschema.Timestamptz, ladschema.Own001}} {
		if err := ladschema.Create(ctx, conn, schema, parts...); err != nil {
			return err
		}
		if err := migrations.Up(ctx, conn, schema, migrations.Options{}); err != nil {
			return err
		}
	}
	return nil
}}

// bundle is a backend with its database, and what it has published.
type bundle struct {
	*httptest.Server
	lad  *lad.Server
	conn *pgx.Conn
	url  string // of the database

	mu     sync.Mutex
	events []string
}

// setup starts a backend; change, if not nil, changes its options first.
func setup(t *testing.T, change func(*lad.Options)) *bundle {
	t.Helper()
	b := &bundle{url: postgrestest.NewDatabase(t, tables).AdminURL}
	options := lad.Options{Logger: slog.New(slog.DiscardHandler), Publish: b.publish, Tenants: []lad.Tenant{
		{ID: tenantA, Schema: shared, DatabaseURL: b.url},
		{ID: tenantB, Schema: shared, DatabaseURL: b.url},
		{ID: tenantC, Schema: own, DatabaseURL: b.url},
	}}
	if change != nil {
		change(&options)
	}
	backend, err := lad.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	b.lad = backend
	b.Server = httptest.NewServer(backend)
	t.Cleanup(b.Server.Close)
	if b.conn, err = pgx.Connect(t.Context(), b.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.conn.Close(context.WithoutCancel(t.Context())) })
	return b
}

func (b *bundle) publish(_ context.Context, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, string(data))
	return nil
}

func (b *bundle) published() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events
}

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// code is the error's code for machines.
func (a answer) code() string {
	detail, _ := a.json["error"].(map[string]any)
	if message, _ := detail["message"].(string); message == "" {
		return "an error without a message"
	}
	code, _ := detail["code"].(string)
	return code
}

func (b *bundle) do(t *testing.T, method, path, body string, header http.Header) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, b.Server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := b.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.json) // no object is seen by whoever looks for a field
	return a
}

func as(tenant string) http.Header {
	return http.Header{"X-Tenant-Id": {tenant}, "Content-Type": {"application/json"}}
}

// create books a call; more are further fields of the body.
func (b *bundle) create(t *testing.T, tenant string, more ...string) string {
	t.Helper()
	a := b.do(t, http.MethodPost, lad.BookingsPath, body(more...), as(tenant))
	id, _ := a.json["id"].(string)
	if a.status != http.StatusCreated || len(id) != 36 {
		t.Fatalf("POST answered %d %s", a.status, a.text)
	}
	return id
}

func body(more ...string) string {
	fields := append([]string{fmt.Sprintf(
		`"leadId":%q,"assignedUserId":%q,"bookingType":"auto_followup","scheduledAt":"2030-01-31T09:30:00.123Z"`, leadID, userID)}, more...)
	return "{" + strings.Join(fields, ",") + "}"
}

// value reads one value from a schema.
func value[T any](t *testing.T, b *bundle, schema, sql string, args ...any) T {
	t.Helper()
	var v T
	err := pgx.BeginFunc(t.Context(), b.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL timezone = 'UTC'; SET LOCAL search_path = "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), sql, args...).Scan(&v)
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}
