package phone_test

import (
	"testing"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/phone"
)

func TestRegions(t *testing.T) {
	t.Parallel()
	const a, b = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
	tests := []struct{ text, forA, forB, form string }{
		{"", "", "", ""},
		{"AE", "AE", "AE", "AE"},
		{" ae , " + b + " = sa ", "AE", "SA", "AE," + b + "=SA"},
		{b + "=SA," + a + "=DE", "DE", "SA", a + "=DE," + b + "=SA"},
		{"UK", "", "", "refused"}, // Britain is GB
		{"ARE", "", "", "refused"},
		{"AE,SA", "", "", "refused"},
		{"AE,", "", "", "refused"},
		{"AE,7=SA", "", "", "refused"},
		{"AE," + b + "=Saudi", "", "", "refused"},
		{"AE," + b + "=SA," + b + "=DE", "", "", "refused"},
		{b + "=SA,AE", "", "", "refused"},
	}
	for _, tt := range tests {
		var r phone.Regions
		if err := r.UnmarshalText([]byte(tt.text)); err != nil || tt.form == "refused" {
			if err == nil || tt.form != "refused" {
				t.Errorf("%q: %v", tt.text, err)
			}
			continue
		}
		if r.For(uuid.MustParse(a)) != tt.forA || r.For(uuid.MustParse(b)) != tt.forB || r.String() != tt.form {
			t.Errorf("%q is %q, for A %q, for B %q", tt.text, r, r.For(uuid.MustParse(a)), r.For(uuid.MustParse(b)))
		}
	}
}
