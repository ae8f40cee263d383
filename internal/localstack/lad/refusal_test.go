package lad_test

import (
	"net/http"
	"strings"
	"testing"

	"lad.internal/followup/internal/localstack/lad"
)

func TestWhatCannotBeMeantIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	mine := lad.BookingsPath + "/" + b.create(t, tenantA, `"publish":false`)
	other := lad.BookingsPath + "/" + nobody
	before := snapshot(t, b)

	with := func(field, json string) string { return body(`"` + field + `":` + json) } // the last of two equal names counts
	const move = `{"scheduledAt":"2031-01-01T00:00:00Z"}`
	tests := []struct {
		name, method, path, body string
		header                   http.Header
		status                   int
		code                     string
	}{
		{"an unknown path", "GET", "/api/deals-pipeline/leads", "", as(tenantA), 404, "not_found"},
		{"a wrong method on bookings", "GET", lad.BookingsPath, "", as(tenantA), 405, "method_not_allowed"},
		{"a wrong method on a booking", "DELETE", mine, "", as(tenantA), 405, "method_not_allowed"},
		{"a wrong method on tenants", "POST", lad.TenantsPath, "{}", as(tenantA), 405, "method_not_allowed"},

		{"no tenant", "GET", mine, "", nil, 400, "invalid_field"},
		{"no tenant's UUID", "GET", mine, "", as("acme"), 400, "invalid_field"},
		{"an unknown tenant", "GET", mine, "", as(nobody), 404, "tenant_not_found"},
		{"an unknown tenant's booking", "POST", lad.BookingsPath, body(), as(nobody), 404, "tenant_not_found"},

		{"no booking's UUID", "GET", lad.BookingsPath + "/42", "", as(tenantA), 400, "invalid_field"},
		{"a UUID in braces", "GET", lad.BookingsPath + "/%7B" + nobody + "%7D", "", as(tenantA), 400, "invalid_field"},
		{"a UUID without dashes", "PATCH", lad.BookingsPath + "/" + strings.ReplaceAll(nobody, "-", ""), move, as(tenantA), 400, "invalid_field"},
		{"an unknown booking", "GET", other, "", as(tenantA), 404, "booking_not_found"},
		{"a change of an unknown booking", "PATCH", other, move, as(tenantA), 404, "booking_not_found"},
		{"a booking of another tenant in the schema", "GET", mine, "", as(tenantB), 404, "booking_not_found"},
		{"a change of a booking of another tenant", "PATCH", mine, move, as(tenantB), 404, "booking_not_found"},
		{"a booking of another schema", "GET", mine, "", as(tenantC), 404, "booking_not_found"},
		{"a lead of another tenant", "POST", lad.BookingsPath, body(), as(tenantB), 409, "lead_conflict"},

		{"no content type", "POST", lad.BookingsPath, body(), http.Header{"X-Tenant-Id": {tenantA}}, 415, "unsupported_media_type"},
		{"a form", "PATCH", mine, move, http.Header{"X-Tenant-Id": {tenantA}, "Content-Type": {"application/x-www-form-urlencoded"}}, 415, "unsupported_media_type"},
		{"too much", "POST", lad.BookingsPath, with("note", `"`+strings.Repeat("x", 64<<10)+`"`), as(tenantA), 413, "body_too_large"},
		{"no JSON", "POST", lad.BookingsPath, "leadId=1", as(tenantA), 400, "malformed_json"},
		{"half of it", "POST", lad.BookingsPath, body()[:40], as(tenantA), 400, "malformed_json"},
		{"two objects", "PATCH", mine, move + move, as(tenantA), 400, "malformed_json"},
		{"an array", "PATCH", mine, "[]", as(tenantA), 400, "malformed_json"},
		{"nothing", "POST", lad.BookingsPath, "", as(tenantA), 400, "malformed_json"},

		{"no lead", "POST", lad.BookingsPath, with("leadId", "null"), as(tenantA), 400, "missing_field"},
		{"no type", "POST", lad.BookingsPath, with("bookingType", "null"), as(tenantA), 400, "missing_field"},
		{"no time", "POST", lad.BookingsPath, with("scheduledAt", "null"), as(tenantA), 400, "missing_field"},
		{"no field at all", "POST", lad.BookingsPath, "{}", as(tenantA), 400, "missing_field"},
		{"nothing to change", "PATCH", mine, `{"status":null}`, as(tenantA), 400, "missing_field"},

		{"a lead that is no UUID", "POST", lad.BookingsPath, with("leadId", `"7"`), as(tenantA), 400, "invalid_field"},
		{"the nil UUID", "POST", lad.BookingsPath, with("leadId", `"00000000-0000-0000-0000-000000000000"`), as(tenantA), 400, "invalid_field"},
		{"a user that is no UUID", "POST", lad.BookingsPath, with("assignedUserId", `"me"`), as(tenantA), 400, "invalid_field"},
		{"an empty type", "POST", lad.BookingsPath, with("bookingType", `" "`), as(tenantA), 400, "invalid_field"},
		{"a type too long for its column", "POST", lad.BookingsPath, with("bookingType", `"`+strings.Repeat("x", 51)+`"`), as(tenantA), 400, "invalid_value"},
		{"a type that Postgres cannot hold", "POST", lad.BookingsPath, with("bookingType", `"a\u0000b"`), as(tenantA), 400, "invalid_value"},
		{"a time without zone", "POST", lad.BookingsPath, with("scheduledAt", `"2030-01-31T09:30:00"`), as(tenantA), 400, "invalid_field"},
		{"a time in seconds", "PATCH", mine, `{"scheduledAt":1900000000}`, as(tenantA), 400, "invalid_field"},
		{"a day that does not exist", "PATCH", mine, `{"scheduledAt":"2030-02-30T00:00:00Z"}`, as(tenantA), 400, "invalid_field"},
		{"a status that LAD has not", "PATCH", mine, `{"status":"done"}`, as(tenantA), 400, "invalid_field"},
		{"a new booking with such a status", "POST", lad.BookingsPath, with("status", `"Scheduled"`), as(tenantA), 400, "invalid_field"},
		{"a time of creation that is none", "POST", lad.BookingsPath, with("createdAt", `"yesterday"`), as(tenantA), 400, "invalid_field"},
		{"metadata that are no object", "POST", lad.BookingsPath, with("metadata", `[1]`), as(tenantA), 400, "invalid_field"},
		{"a zone that the stand-in cannot read", "POST", lad.BookingsPath, with("timezone", `"Dubai"`), as(tenantA), 400, "invalid_field"},
		{"no zone to write an instant in", "POST", lad.BookingsPath, with("timezone", "null"), as(tenantA), 400, "invalid_field"},
		{"an unknown writer", "POST", lad.BookingsPath, with("writer", `"ruby"`), as(tenantA), 400, "invalid_field"},
		{"a wall clock that is none", "POST", lad.BookingsPath, with("wall", `"six"`), as(tenantA), 400, "invalid_value"},
		{"a second booking of the lead for the minute", "POST", lad.BookingsPath, body(), as(tenantA), 409, "conflict"},
		{"a phone that is no text", "POST", lad.BookingsPath, with("phone", `5550100`), as(tenantA), 400, "invalid_field"},
	}
	for _, tt := range tests {
		got := b.do(t, tt.method, tt.path, tt.body, tt.header)
		if got.status != tt.status || got.code() != tt.code || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: answered %d %s, want %d %s", tt.name, got.status, got.text, tt.status, tt.code)
		}
		if allow := got.header.Get("Allow"); (allow != "") != (tt.status == http.StatusMethodNotAllowed) {
			t.Errorf("%s: Allow is %q", tt.name, allow)
		}
	}
	if after := snapshot(t, b); after != before {
		t.Errorf("the tables changed from\n%s to\n%s", before, after)
	}
	if len(b.published()) != 0 {
		t.Errorf("published %v", b.published())
	}
}

// snapshot is the text of every row of both schemas.
func snapshot(t *testing.T, b *bundle) string {
	t.Helper()
	var all []string
	for _, schema := range []string{shared, own} {
		all = append(all, value[string](t, b, schema, `
			SELECT concat_ws(E'\n', (SELECT string_agg(l::text, E'\n' ORDER BY id) FROM leads l),
				(SELECT string_agg(n::text, E'\n' ORDER BY id) FROM lead_notes n),
				(SELECT string_agg(b::text, E'\n' ORDER BY id) FROM lead_bookings b))`))
	}
	return strings.Join(all, "\n")
}

func TestADatabaseThatIsDownIsAnErrorThatTellsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *lad.Options) { o.Tenants[0].DatabaseURL = "postgres://owner:secret@127.0.0.1:1/none" })
	got := b.do(t, http.MethodPost, lad.BookingsPath, body(), as(tenantA))
	if got.status != http.StatusInternalServerError || got.code() != "internal" || strings.Contains(got.text, "127.0.0.1") {
		t.Errorf("answered %d %s", got.status, got.text)
	}
}
