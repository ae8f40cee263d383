package followup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestAPhoneIsMaskedHoweverItIsPrinted(t *testing.T) {
	t.Parallel()
	const number = Phone("+4915112345678")
	for want, p := range map[string]Phone{
		"": "", "+49*********78": number, "+97*******67": "+97150123467", "*******": "1234567", "********": "+1234567",
	} {
		if got := p.String(); got != want {
			t.Errorf("%s is printed as %q, want %q", string(p), got, want)
		}
	}
	lead := Lead{Number: number}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", number, &lead, []Phone{number})
	}
	raw, err := json.Marshal(map[string]any{"to": number, "lead": lead})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "to", number, "lead", lead)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "to", number, "lead", lead)
	for _, leak := range []string{"1234567", "313531", "49151"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is in\n%s", leak, out.String())
		}
	}
}
