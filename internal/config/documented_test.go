package config_test

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
)

// setting is what a row of docs/configuration.md says of a variable.
type setting struct{ fallback, who string }

var tableRow = regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (.*?) \\| (both|execute) \\|")

func TestEverySettingIsDocumentedWithItsDefaultAndNoOtherIs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]setting{}
	for _, row := range tableRow.FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = setting{fallback: strings.Trim(row[2], "`"), who: row[3]}
	}
	both := variables(reflect.TypeFor[schedule.Config]())
	read := map[string]setting{}
	for name, fallback := range variables(reflect.TypeFor[execute.Config]()) {
		read[name] = setting{fallback: fallback, who: "execute"}
		if _, ok := both[name]; ok {
			read[name] = setting{fallback: fallback, who: "both"}
		}
	}
	// Said in words instead of in the value.
	inWords := []string{
		"FOLLOWUP_BOOKING_TYPES", "FOLLOWUP_OIDC_AUDIENCE", "VOICE_AGENT_BASE_URL",
		"FOLLOWUP_TIME_MEANS", "VOICE_AGENT_START_CALL_PATH", "VOICE_AGENT_JOB_PATH", // said by the zero value, and by the contract
	}
	for _, name := range inWords {
		if d, r := documented[name], read[name]; d.fallback != "" && d.who == r.who {
			read[name] = d
		}
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(documented))); d != "" {
		t.Errorf("variables (-read by the code +documented):\n%s", d)
	}
	if d := cmp.Diff(read, documented, cmp.AllowUnexported(setting{})); d != "" {
		t.Errorf("defaults and users (-in the code +documented):\n%s", d)
	}
}

// variables are the environment variables of a configuration struct and their
// defaults, "required" for those without.
func variables(t reflect.Type) map[string]string {
	found := map[string]string{}
	for i := range t.NumField() {
		field := t.Field(i)
		tag, ok := field.Tag.Lookup("env")
		if !ok {
			if field.Type.Kind() == reflect.Struct {
				maps.Copy(found, variables(field.Type))
			}
			continue
		}
		name, options, _ := strings.Cut(tag, ", ")
		if options == "noinit" {
			options = ""
		}
		found[name] = strings.TrimPrefix(options, "default=")
	}
	return found
}
