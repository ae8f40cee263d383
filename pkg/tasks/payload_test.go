package tasks

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"lad.internal/followup/pkg/followup"
)

const (
	tenantText  = `"tenantId":"6f9619ff-8b86-4d01-b42d-00cf4fc964ff"`
	bookingText = `"bookingId":"c9bf9e57-1685-4c89-bafb-ff5af830be8a"`
	keyText     = `"idempotencyKey":"followup:6f9619ff-8b86-4d01-b42d-00cf4fc964ff:c9bf9e57-1685-4c89-bafb-ff5af830be8a:2026-03-10T12:00:00.000Z"`
	required    = tenantText + `,` + bookingText + `,` + keyText + `,"revision":3`
)

func minimal() Payload {
	return Payload{
		Ref:            followup.Ref{TenantID: tenantID, BookingID: bookingID},
		IdempotencyKey: "followup:" + tenantID.String() + ":" + bookingID.String() + ":2026-03-10T12:00:00.000Z",
		Revision:       3,
	}
}

func with(change func(*Payload)) Payload {
	p := minimal()
	change(&p)
	return p
}

func TestAPayloadThatSomeVersionHasWrittenIsRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want Payload
	}{
		"before there were versions": {`{` + required + `}`, minimal()},
		"of this version":            {`{"version":1,` + required + `}`, minimal()},
		"complete": {`{"version":1,"leadId":"` + leadID.String() + `","assignedUserId":"` + userID.String() + `",` + required + `}`,
			with(func(p *Payload) {
				p.LeadID, p.AssignedUserID = uuid.NullUUID{UUID: leadID, Valid: true}, uuid.NullUUID{UUID: userID, Valid: true}
			})},
		"with fields of later days": {`{"phone":null,"nested":{"tenantId":[{}]},` + required + `,"x":1e999}`, minimal()},
		"with ids left empty":       {`{"leadId":"","assignedUserId":null,` + required + `}`, minimal()},
		"with white space":          {"\n\t {" + required + "}\r\n ", minimal()},
		"with ids in capitals":      {`{"tenantId":"6F9619FF-8B86-4D01-B42D-00CF4FC964FF",` + bookingText + `,` + keyText + `,"revision":3}`, minimal()},
		"with the highest revision": {`{` + tenantText + `,` + bookingText + `,` + keyText + `,"revision":2147483647}`,
			with(func(p *Payload) { p.Revision = 2147483647 })},
		// encoding/json would take it for tenantId, and then the last of the two.
		"with a name in other case": {`{` + required + `,"TENANTID":"7f9619ff-8b86-4d01-b42d-00cf4fc964ff","REVISION":9}`, minimal()},
		"with escapes":              {strings.ReplaceAll(`{`+required+`}`, "followup:", `\u0066ollowup:`), minimal()},
	} {
		got, err := ParsePayload([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAPayloadThatNoVersionHasWrittenIsRefusedByTheNameOfItsField(t *testing.T) {
	t.Parallel()
	replace := func(old, replacement string) string { return strings.Replace(`{`+required+`}`, old, replacement, 1) }
	id := func(field, value string) string { return `{"` + field + `":` + value + `,` + required + `}` }
	for name, c := range map[string]struct{ body, says string }{
		"nothing":                  {``, "JSON"},
		"null":                     {`null`, "want an object, got null"},
		"an array":                 {`[{}]`, "want an object, got array"},
		"a string":                 {`"hush"`, "want an object, got string"},
		"half a body":              {`{` + required, "syntax error"},
		"two bodies":               {`{` + required + `}{}`, "syntax error"},
		"deep nesting":             {`{"a":` + strings.Repeat(`[`, 20000), "JSON"},
		"NUL":                      {"{\x00", "syntax error"},
		"NUL after the body":       {`{` + required + "}\x00", "syntax error"},
		"a byte order mark":        {"\ufeff{" + required + `}`, "syntax error"},
		"UTF-16":                   {"\xff\xfe{\x00}\x00", "UTF-8"},
		"bytes of no UTF-8":        {`{` + required + ",\"note\":\"\xff\"}", "UTF-8"},
		"gzip":                     {"\x1f\x8b\x08\x00", "UTF-8"},
		"10,000 levels":            {`{` + required + `,"x":` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `}`, "JSON"},
		"two tenants":              {`{"tenantId":"7f9619ff-8b86-4d01-b42d-00cf4fc964ff",` + required + `}`, "twice"},
		"one tenant twice":         {`{` + tenantText + `,` + required + `}`, "twice"},
		"two tenants, one escaped": {`{"\u0074enantId":"7f9619ff-8b86-4d01-b42d-00cf4fc964ff",` + required + `}`, "twice"},
		"two revisions":            {`{"revision":9,` + required + `}`, "twice"},
		"two unknown names":        {`{"hush":1,"hush":2,` + required + `}`, "twice"},
		"a name in other case":     {replace(`"tenantId"`, `"TENANTID"`), "tenantId"},
		"a name of Unicode case":   {replace(`"revision"`, `"revi\u017fion"`), "revision"}, // ſ, which encoding/json takes for an s
		"no tenant":                {replace(tenantText+",", ""), "tenantId"},
		"no booking":               {replace(bookingText+",", ""), "bookingId"},
		"no key":                   {replace(keyText+",", ""), "idempotencyKey"},
		"no revision":              {replace(`,"revision":3`, ""), "revision"},
		"a number for a tenant":    {replace(tenantText, `"tenantId":7`), "tenantId: cannot be number"},
		"an object for a booking":  {replace(bookingText, `"bookingId":{"hush":1}`), "bookingId: cannot be object"},
		"true for a lead":          {id("leadId", "true"), "leadId: cannot be bool"},
		"the nil tenant":           {replace("6f9619ff-8b86-4d01-b42d-00cf4fc964ff", uuid.Nil.String()), "tenantId"},
		"a tenant in braces":       {replace(tenantText, `"tenantId":"{6f9619ff-8b86-4d01-b42d-00cf4fc964ff}"`), "tenantId"},
		"a tenant without dashes":  {replace(tenantText, `"tenantId":"6f9619ff8b864d01b42d00cf4fc964ff"`), "tenantId"},
		"a NUL in a tenant":        {replace(tenantText, `"tenantId":"6f9619ff-8b86-4d01-b42d-00cf4fc964f\u0000"`), "tenantId"},
		"a tenant of no UTF-8":     {replace(tenantText, "\"tenantId\":\"6f9619ff-8b86-4d01-b42d-00cf4fc964f\xff\""), "UTF-8"},
		"a lead that is no UUID":   {id("leadId", `"hush"`), "leadId"},
		"a user that is no UUID":   {id("assignedUserId", `"hush"`), "assignedUserId"},
		"another tenant's key":     {replace("followup:6f9619ff", "followup:7f9619ff"), "idempotencyKey"},
		"another booking's key":    {replace(":c9bf9e57", ":d9bf9e57"), "idempotencyKey"},
		"a key without a time":     {replace(":2026-03-10T12:00:00.000Z", ":"), "idempotencyKey"},
		"a key without its ms":     {replace("12:00:00.000Z", "12:00:00Z"), "idempotencyKey"},
		"a key of another zone":    {replace("12:00:00.000Z", "13:00:00.000+01:00"), "idempotencyKey"},
		"a key with a line more":   {replace("12:00:00.000Z", `12:00:00.000Z\n`), "idempotencyKey"},
		"a key with a NUL":         {replace("12:00:00.000Z", `12:00:00.000Z\u0000`), "idempotencyKey"},
		"a key in capitals":        {replace("followup:6f9619ff", "followup:6F9619FF"), "idempotencyKey"},
		"a tenant as a URN":        {replace(tenantText, `"tenantId":"urn:uuid:6f9619ff-8b86-4d01-b42d-00cf4fc964ff"`), "tenantId"},
		"a revision of 0":          {replace(`"revision":3`, `"revision":0`), "revision"},
		"a revision below 0":       {replace(`"revision":3`, `"revision":-1`), "revision"},
		"a revision as text":       {replace(`"revision":3`, `"revision":"3"`), "revision: cannot be string"},
		"a revision and a half":    {replace(`"revision":3`, `"revision":1.5`), "revision: cannot be number"},
		"a revision of no integer": {replace(`"revision":3`, `"revision":2147483648`), "revision"},
		"a revision of no number":  {replace(`"revision":3`, `"revision":1e400`), "revision: cannot be number"},
		"version 0":                {`{"version":0,` + required + `}`, "version"},
		"a later version":          {`{"version":2,` + required + `}`, "version"},
		"a version as text":        {`{"version":"1",` + required + `}`, "version: cannot be string"},
	} {
		p, err := ParsePayload([]byte(c.body))
		switch {
		case err == nil:
			t.Errorf("%s: read as %+v", name, p)
		case !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: does not say %q: %v", name, c.says, err)
		case strings.Contains(err.Error(), "hush"), strings.Contains(err.Error(), "6f9619ff"):
			t.Errorf("%s: quotes the body: %v", name, err)
		}
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		id := rapid.Custom(func(r *rapid.T) uuid.UUID {
			var id uuid.UUID
			copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(r, "bytes"))
			id[0] |= 1 // not the nil UUID
			return id
		})
		optional := rapid.Custom(func(r *rapid.T) uuid.NullUUID {
			if rapid.Bool().Draw(r, "null") {
				return uuid.NullUUID{}
			}
			return uuid.NullUUID{UUID: id.Draw(r, "id"), Valid: true}
		})
		want := Payload{
			Ref:    followup.Ref{TenantID: id.Draw(r, "tenant"), BookingID: id.Draw(r, "booking")},
			LeadID: optional.Draw(r, "lead"), AssignedUserID: optional.Draw(r, "user"),
			Revision: rapid.IntRange(1, 1<<31-1).Draw(r, "revision"),
		}
		at := time.UnixMilli(rapid.Int64Range(-1e15, 1e15).Draw(r, "time")) // some 31,700 years each way
		want.IdempotencyKey = followup.Booking{Ref: want.Ref, ScheduledAt: at}.Key()
		body, err := json.Marshal(want)
		if err != nil {
			r.Fatal(err)
		}
		got, err := ParsePayload(body)
		if err != nil {
			r.Fatalf("%s: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatalf("-want +got:\n%s", diff)
		}
	})
}

// Software that has nobody to name names the nil UUID. The call is made all the
// same.
func TestTheNilUUIDOfALeadOrUserIsWrittenAsNone(t *testing.T) {
	t.Parallel()
	b, next := armed()
	b.LeadID.UUID, b.AssignedUserID.UUID = uuid.Nil, uuid.Nil
	body, err := json.Marshal(NewPayload(b, next))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParsePayload(body)
	if err != nil || got.LeadID.Valid || got.AssignedUserID.Valid {
		t.Errorf("%s is read as %+v, error %v", body, got, err)
	}
}
