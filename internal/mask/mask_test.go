package mask

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAPhoneNumberIsMaskedInEveryFormItCanArriveIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"+4917012345678", "+49*********78"},
		{"call +49 170 1234567 now", "call +49********67 now"},
		{"+49-170-123-4567", "+49********67"},
		{"+49.170.123.4567", "+49********67"},
		{"+49 (0)170 / 123 45 67", "+49*********67"},
		{"+(49) 170 1234567", "+49********67"},
		{"+1 (555) 123-4567", "+15*******67"},
		{"(555) 123-4567", "(********67"},
		{"1-800-555-1234", "*********34"},
		{"+91 98765 43210", "+91********10"},
		{"98765 43210", "********10"},
		{"9876543210", "********10"},
		{"0170/1234567", "*********67"},
		{"030.1234567", "********67"},
		{"0049 170 1234567", "************67"},
		{"0049 (0) 170 1234567", "*************67"},
		{"00491701234567890", "***************90"},
		{"5551234", "*****34"},
		{"+1234567", "+*****67"},
		{"to=%2B4917012345678&x=1", "to=+49*********78&x=1"},
		{"to=%252B4917012345678", "to=+49*********78"},
		{"to=%2B49+170+1234567", "to=+49********67"},
		{"to=%2B49%20170%201234567", "to=+49********67"},
		{"to=0170+1234567", "to=*********67"},
		{"to%3D4917012345678", "to%3D***********78"},
		{`{"to":"\u002b4917012345678"}`, `{"to":"+49*********78"}`},
		{`{\"to\":\"\\u002B4917012345678\"}`, `{\"to\":\"+49*********78\"}`},
		{`"line\n4917012345678\n"`, `"line\n***********78\n"`},
		{"tel4917012345678", "tel***********78"},
		{"tel:+49-170-1234567;ext=2", "tel:+49********67;ext=2"},
		{"\u202a+49\u00a0170\u20111234567\u202c", "\u202a+49********67\u202c"},
		{"+49\xff1701234567", "+49********67"},
		{"+٤٩١٧٠١٢٣٤٥٦٧", "+49********67"},
		{"+49170123456+49170654321", "+********************21"},
		{"0170 1234567 0171 7654321", "********************21"},
		{"2026-01-02 01701234567", "2026-01-02 *********67"},
		{"01701234567 2026-01-02", "*********67 2026-01-02"},
		{"49.170.123.45.67", "**********67"},
		{"12.34 56 78 90", "********90"},
		{"2026-01-02-0170", "**********70"},
		{"12345678901234567 01701234567", "12345678901234567 *********67"},
	} {
		if got := Text(tc.in); got != tc.want {
			t.Errorf("Text(%q)\n got %q\nwant %q", tc.in, got, tc.want)
		}
	}
}

const (
	someUUID = "12345678-1234-1234-1234-123456789012"
	someHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// survivors are what operators search the logs for.
var survivors = []string{
	"550e8400-e29b-41d4-a716-446655440000",
	someUUID,
	"00000000-0000-0000-0000-000000000000",
	"booking-" + someUUID + "-r1",
	someUUID + "_x",
	"2026-01-02T03:04:05Z",
	"2026-01-02T03:04:05.123456789+05:30",
	"at=2026-01-02T03%3A04%3A05.000%2B05%3A30",
	"0001-01-01T00:00:00Z",
	"2026-01-02 03:04:05.123456+00",
	"2026-01-02 03:04:05.999999999 +0000 UTC m=+0.000012345",
	"2026/01/02 03:04:05.000001 msg",
	"20260102T030405Z",
	"v0.0.0-20260728010200-155ebad2880e",
	"2026-01-02",
	"02.01.2026",
	"03:04:05.123456789",
	"followup:" + someUUID + ":550e8400-e29b-41d4-a716-446655440000:2026-01-02T03:04:05.000Z",
	"projects/p-1/locations/europe-west3/queues/q/tasks/" + someHash + "-r12",
	"4bf92f3577b34da6a3ce929d0e0e4736",
	"1234567890123456",
	"messageId 12345678901234567890 of subscription s",
	"took 1h2m3.123456789s",
	"took 1.234567890ms, 1234567ns, 12.3456789µs",
	"dial tcp 192.168.100.200:54321: connect: connection refused",
	"[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:8080",
	"localhost:8080",
	"0.123456789",
	"panic at 0xc000012345678 +0x29",
	"HTTP/1.1 503, attempt 3 of 5, 10485 bytes",
	"[1 2 3 4 5 6 7 8 9]",
	"1.26.8",
	"SQLSTATE 55P03",
}

func TestIdentifiersTimesHashesAndAddressesAreNoPhoneNumbers(t *testing.T) {
	t.Parallel()
	for _, s := range survivors {
		for _, in := range []string{s, "x " + s + " y", `{"k":"` + s + `"}`, `{\"k\":\"` + s + `\"}`, "k=" + s + ","} {
			if got := Text(in); got != in {
				t.Errorf("Text(%q)\n got %q", in, got)
			}
		}
	}
}

const someJWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"

func TestSecretsAreTakenOutOfText(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	header.Set("X-Internal-Service-Secret", "swordfish")
	header.Set("X-Api-Key", "swordfish")
	for _, tc := range []struct{ in, want string }{
		{"Authorization: Bearer swordfish", "Authorization: [redacted]"},
		{"Bearer swordfish", "Bearer [redacted]"},
		{"bearer%20swordfish", "bearer%20[redacted]"},
		{"got token " + someJWT + " here", "got token [redacted] here"},
		{someJWT[:40], "[redacted]"},
		{"Basic dXNlcjpzd29yZGZpc2g=", "Basic [redacted]"},
		{"postgres://app:swordfish@db:5432/lad?x=1", "postgres://app:[redacted]@db:5432/lad?x=1"},
		{"postgres://app:s/word@fish@db/lad", "postgres://app:[redacted]@db/lad"},
		{"https://u:swordfish@example.com/a?b=c@d", "https://u:[redacted]@example.com/a?b=c@d"},
		{`parse "x": invalid port ":swordfish" after host`, `parse "x": invalid port "[redacted]" after host`},
		{"host=db user=app password=sword,fish dbname=lad", "host=db user=app password=[redacted] dbname=lad"},
		{"password='sword fish' dbname=lad", "password='[redacted]' dbname=lad"},
		{`{"password":"swordfish","id":1}`, `{"password":"[redacted]","id":1}`},
		{`{"client_secret": "sword\"fish", "id":1}`, `{"client_secret": "[redacted]", "id":1}`},
		{`{\"token\":\"swordfish\",\"id\":1}`, `{\"token\":\"[redacted]\",\"id\":1}`},
		{"x-api-key: swordfish", "x-api-key: [redacted]"},
		{"X-Internal-Service-Secret=swordfish", "X-Internal-Service-Secret=[redacted]"},
		{fmt.Sprint(header), "map[X-Api-Key:[redacted] X-Internal-Service-Secret:[redacted]]"},
		{"GET /?api_key=swordfish&id=1", "GET /?api_key=[redacted]&id=1"},
		{"access_token%3Dswordfish", "access_token%3D[redacted]"},
		{"INTERNAL_SERVICE_SECRET=swordfish", "INTERNAL_SERVICE_SECRET=[redacted]"},
		{"AIzaSyA-1234567890abcdefghijklmnopqrstu", "[redacted]"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIswordfish\n-----END RSA PRIVATE KEY-----\nx", "[redacted]\nx"},
	} {
		if got := Text(tc.in); got != tc.want {
			t.Errorf("Text(%q)\n got %q\nwant %q", tc.in, got, tc.want)
		}
	}
}

func TestWhatOnlySpeaksAboutSecretsStaysReadable(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"idtoken: audience provided does not match aud claim in the JWT",
		"Bearer token missing",
		"basic authentication refused",
		"https://db.example.com:5432/path",
		"postgres://app@db/lad",
		"the secret was not found",
	} {
		if got := Text(s); got != s {
			t.Errorf("Text(%q)\n got %q", s, got)
		}
	}
}

func TestRegisteredSecretsAreTakenOutInEveryEncoding(t *testing.T) {
	t.Parallel()
	const secret, password = `Sw"rd fish/+1`, "hunter2/x"
	m := NewMasker(secret, "postgres://app:"+url.PathEscape(password)+"@db/lad", "", "abc")
	quoted, err := json.Marshal(map[string]string{"v": secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted), "is " + password + " wrong?"} {
		got := m.Text(in)
		if !strings.Contains(got, Redacted) || strings.Contains(got, "fish") || strings.Contains(got, "hunter2") {
			t.Errorf("Text(%q) = %q", in, got)
		}
	}
	if got := m.Text("abcdef"); got != "abcdef" {
		t.Errorf("a value too short to be a secret was searched for: %q", got)
	}
}

func TestPhoneKeepsNoMoreThanThePrefixAndTwoDigits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"+49 170 1234567", "+49********67"},
		{"+4917012345678", "+49*********78"},
		{"0170 1234567", "*********67"},
		{"+1234567", "+*****67"},
		{"12345", "***"},
		{"none", "***"},
		{"", ""},
	} {
		got := Phone(tc.in)
		if got != tc.want {
			t.Errorf("Phone(%q) = %q, want %q", tc.in, got, tc.want)
		}
		if again := Phone(got); again != got {
			t.Errorf("Phone(%q) = %q: not idempotent", got, again)
		}
	}
}

func TestTruncateMasksFirstAndCountsCharacters(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in    string
		limit int
		want  string
	}{
		{"ääääää", 4, "äää…"},
		{"ääää", 4, "ääää"},
		{"a\x00b\nc", 10, "a b c"},
		{"to +4917012345678", 8, "to +49*…"},
		{"abc", 1, "…"},
		{"abc", 0, ""},
		{"\xff\xfe", 5, "\uFFFD"},
	} {
		if got := Truncate(tc.in, tc.limit); got != tc.want {
			t.Errorf("Truncate(%q, %d) = %q, want %q", tc.in, tc.limit, got, tc.want)
		}
	}
	if got := Error(nil, 10); got != "" {
		t.Errorf("Error(nil) = %q", got)
	}
	err := fmt.Errorf("start call: %w", errors.New("to +4917012345678: refused"))
	if got, want := Error(err, 500), "start call: to +49*********78: refused"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}

func TestFieldNamesOfPhoneNumbersAndSecretsAreRecognised(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"to_number", "lead.phone", "PhoneNumber", "X-Phone", "fromNumber"} {
		if !IsPhoneName(name) || IsSecretName(name) {
			t.Errorf("%q is the name of a phone number", name)
		}
	}
	for _, name := range []string{"password", "X-API-Key", "apiKey", "X-Internal-Service-Secret", "Authorization", "id_token", "DATABASE_URL"} {
		if !IsSecretName(name) || IsPhoneName(name) {
			t.Errorf("%q is the name of a secret", name)
		}
	}
	for _, name := range []string{"tenant_id", "booking_id", "attempt_number", "error", "event"} {
		if IsSecretName(name) || IsPhoneName(name) {
			t.Errorf("%q is an ordinary name", name)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range survivors {
		f.Add(s, s, uint64(4917012345678))
	}
	f.Add("password=", `"token":"`, uint64(0))
	f.Add("to=%2B", "%25", uint64(1))
	f.Add(`\`, `\u00`, uint64(98765432109876))
	f.Add("+1 ", " 234567\xff", uint64(999999999999))
	f.Fuzz(func(t *testing.T, before, after string, n uint64) {
		once := Text(before + after)
		if !utf8.ValidString(once) {
			t.Fatalf("Text(%q) = %q: no valid UTF-8", before+after, once)
		}
		if twice := Text(once); twice != once {
			t.Fatalf("not idempotent:\nonce  %q\ntwice %q", once, twice)
		}

		// Ten to thirteen digits (fourteen can be a time), no zero in front.
		national := fmt.Sprint(1e9 + n%(1e13-1e9))
		for _, phone := range []string{"+" + national, "00" + national, national, "%2B" + national, "+" + national[:2] + " " + national[2:5] + "-" + national[5:]} {
			if got := Text(before + "\n" + phone + "\n" + after); strings.Contains(got, phone) || strings.Contains(got, national) {
				t.Fatalf("%q survived in %q", phone, got)
			}
		}
		if strings.Contains(before, "PRIVATE KEY") {
			return // everything up to its end goes, by design
		}
		id := fmt.Sprintf("%08d-e29b-41d4-a716-%012d", n%1e8, n%1e12)
		for _, kept := range []string{id, "2026-01-02T03:04:05.000Z", "followup:" + id + ":" + id + ":2026-01-02T03:04:05.000Z"} {
			if got := Text(before + "\n" + kept + "\n" + after); !strings.Contains(got, kept) {
				t.Fatalf("%q did not survive in %q", kept, got)
			}
		}
	})
}

func BenchmarkText(b *testing.B) {
	for name, s := range map[string]string{
		"word":  "scheduled",
		"uuid":  someUUID,
		"error": "create task " + someHash + "-r12: rpc error: code = Unavailable desc = connection reset by peer",
		"phone": "start call to +49 170 1234567: connection refused",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				Text(s)
			}
		})
	}
}
