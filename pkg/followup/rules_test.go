package followup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/sethvargo/go-envconfig"
)

// ladTypes are the spellings that LAD's own services write.
var ladTypes = []string{
	"follow_up", "follow-up", "auto-follow-up", "followup", "auto_follow_up", "auto_followup",
	"manual_followup", "manual_follow_up", "scheduled_followup", "scheduled_call",
}

func fromEnvironment(t *testing.T, env map[string]string) (Rules, error) {
	t.Helper()
	var r Rules
	err := envconfig.ProcessWith(t.Context(), &envconfig.Config{Target: &r, Lookuper: envconfig.MapLookuper(env)})
	return r, err
}

func TestTheDefaultsAreTheDesignsAndAreValid(t *testing.T) {
	t.Parallel()
	got, err := fromEnvironment(t, map[string]string{"FOLLOWUP_ACTIVE_SINCE": "2026-01-31T00:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	want := Rules{
		ActiveSince:  time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
		BookingTypes: ladTypes,
		Horizon:      168 * time.Hour,
		MaxLateness:  24 * time.Hour,
		MaxBackdate:  time.Hour,
		Lease:        2 * time.Minute,
		Grace:        5 * time.Minute,
		MaxCalls:     CallShare{N: 3, Per: 168 * time.Hour},
		Limit:        Limit{Rates: []Rate{{30, time.Minute}, {10, 5 * time.Second}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	if problems := got.Validate(); problems != nil {
		t.Errorf("problems: %v", problems)
	}
}

func TestEverySettingIsReadFromItsVariable(t *testing.T) {
	t.Parallel()
	got, err := fromEnvironment(t, map[string]string{
		"FOLLOWUP_ACTIVE_SINCE":  "2026-01-31T01:00:00+01:00",
		"FOLLOWUP_BOOKING_TYPES": "call,Recall",
		"FOLLOWUP_HORIZON":       "48h",
		"FOLLOWUP_LEAD_TIME":     "90s",
		"FOLLOWUP_MAX_LATENESS":  "3h",
		"FOLLOWUP_MAX_BACKDATE":  "2h",
		"FOLLOWUP_LEASE":         "1m",
		"FOLLOWUP_GRACE":         "4m",
		"VOICE_AGENT_IDEMPOTENT": "true",
		"FOLLOWUP_PAUSED":        tenant.String(),

		"FOLLOWUP_MAX_CALLS_PER_LEAD": "off",
		"VOICE_AGENT_LIMIT":           "120/1m",
		"DEFAULT_FOLLOW_UP_AGENT_ID":  "7",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Rules{
		ActiveSince:     time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
		BookingTypes:    []string{"call", "Recall"},
		Horizon:         48 * time.Hour,
		LeadTime:        90 * time.Second,
		MaxLateness:     3 * time.Hour,
		MaxBackdate:     2 * time.Hour,
		Lease:           time.Minute,
		Grace:           4 * time.Minute,
		AgentIdempotent: true,
		Paused:          Pause{Tenants: []uuid.UUID{tenant}},
		Limit:           Limit{Rates: []Rate{{120, time.Minute}}},
		DefaultAgentID:  new(int64(7)),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
}

func TestTheStartMustBeSet(t *testing.T) {
	t.Parallel()
	if _, err := fromEnvironment(t, nil); err == nil || !strings.Contains(err.Error(), "ActiveSince") {
		t.Errorf("error %v", err)
	}
}

func TestAWrongSettingIsNamedInOneSentence(t *testing.T) {
	t.Parallel()
	const maxDays = 29 * 24 * time.Hour
	for _, c := range []struct {
		name     string
		change   func(*Rules)
		variable string // "" if the setting is right
	}{
		{"no start", func(r *Rules) { r.ActiveSince = time.Time{} }, "FOLLOWUP_ACTIVE_SINCE"},
		{"no types", func(r *Rules) { r.BookingTypes = nil }, "FOLLOWUP_BOOKING_TYPES"},
		{"types without a letter", func(r *Rules) { r.BookingTypes = []string{"", " ", "-_"} }, "FOLLOWUP_BOOKING_TYPES"},
		{"a negative horizon", func(r *Rules) { r.Horizon = -time.Hour }, "FOLLOWUP_HORIZON"},
		{"the longest horizon", func(r *Rules) { r.Horizon = maxDays }, ""},
		{"a horizon too long", func(r *Rules) { r.Horizon = maxDays + 1 }, "FOLLOWUP_HORIZON"},
		{"a negative lead time", func(r *Rules) { r.LeadTime = -1 }, "FOLLOWUP_LEAD_TIME"},
		{"no lead time", func(r *Rules) { r.LeadTime = 0 }, ""},
		{"a lead time just below the horizon", func(r *Rules) { r.LeadTime = r.Horizon - 1 }, ""},
		{"a lead time like the horizon", func(r *Rules) { r.LeadTime = r.Horizon }, "FOLLOWUP_LEAD_TIME"},
		{"the least lateness", func(r *Rules) { r.MaxLateness = time.Minute }, ""},
		{"too little lateness", func(r *Rules) { r.MaxLateness = time.Minute - 1 }, "FOLLOWUP_MAX_LATENESS"},
		{"the least lease", func(r *Rules) { r.Lease = time.Second }, ""},
		{"too little lease", func(r *Rules) { r.Lease = time.Second - 1 }, "FOLLOWUP_LEASE"},
		{"the least grace", func(r *Rules) { r.Grace = time.Second }, ""},
		{"an agent that is none", func(r *Rules) { r.DefaultAgentID = new(int64(0)) }, "DEFAULT_FOLLOW_UP_AGENT_ID"},
		{"too little grace", func(r *Rules) { r.Grace = time.Second - 1 }, "FOLLOWUP_GRACE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := standard()
			r.LeadTime = 0 // which contradicts nothing
			c.change(&r)
			err := r.Validate()
			if c.variable == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("was accepted")
			}
			sentence := err.Error()
			if !strings.HasPrefix(sentence, c.variable+" ") || strings.ContainsAny(sentence, "\n") {
				t.Errorf("want one sentence that names %s, got %s", c.variable, sentence)
			}
		})
	}
}

func TestEveryWrongSettingIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	wrong := Rules{Horizon: time.Hour, LeadTime: time.Hour}
	var named []string
	for sentence := range strings.Lines(wrong.Validate().Error()) {
		variable, _, _ := strings.Cut(sentence, " ")
		named = append(named, variable)
	}
	want := []string{
		"FOLLOWUP_ACTIVE_SINCE", "FOLLOWUP_BOOKING_TYPES", "FOLLOWUP_LEAD_TIME",
		"FOLLOWUP_MAX_LATENESS", "FOLLOWUP_LEASE", "FOLLOWUP_GRACE",
	}
	if d := cmp.Diff(want, named); d != "" {
		t.Errorf("named (-want +got):\n%s", d)
	}
}

func TestAllOfLadsSpellingsOfAKindAreOne(t *testing.T) {
	t.Parallel()
	for kind, spellings := range map[string][]string{
		"followup":          {"follow_up", "follow-up", "followup", "FollowUp", "FOLLOW UP", "-follow--up_", " follow up "},
		"autofollowup":      {"auto-follow-up", "auto_follow_up", "auto_followup", "Auto Follow-Up"},
		"manualfollowup":    {"manual_followup", "manual_follow_up"},
		"scheduledfollowup": {"scheduled_followup"},
		"scheduledcall":     {"scheduled_call", "Scheduled Call"},
		"":                  {"", " ", "_-"},
		"meeting":           {"meeting", "Meeting"},
	} {
		for _, s := range spellings {
			if got := Kind(s); got != kind {
				t.Errorf("Kind(%q) = %q, want %q", s, got, kind)
			}
		}
	}
}

func TestTheKindsAreSortedAndWithoutRepeats(t *testing.T) {
	t.Parallel()
	r := Rules{BookingTypes: append(slices.Clone(ladTypes), "", "_")}
	want := []string{"autofollowup", "followup", "manualfollowup", "scheduledcall", "scheduledfollowup"}
	if d := cmp.Diff(want, r.Kinds()); d != "" {
		t.Errorf("kinds (-want +got):\n%s", d)
	}
}

func TestEverySpellingOfLadsIsTakenOnByTheDefaults(t *testing.T) {
	t.Parallel()
	r := standard()
	r.BookingTypes = ladTypes
	for _, s := range append(slices.Clone(ladTypes), "Follow Up", "AUTO_FOLLOW_UP") {
		row := booked(onTime, fresh(), ofType(s))
		diff(t, row, armsAnew(RuleArm, noon), r.Plan(row, noon))
	}
}

func TestABookingWithoutATypeIsNoFollowUpWhateverTheListSays(t *testing.T) {
	t.Parallel()
	r := standard()
	r.BookingTypes = []string{"", "-", "follow_up"}
	for _, s := range []string{"", "_", " - "} {
		row := booked(onTime, fresh(), ofType(s))
		diff(t, row, nothing(RuleNoFollowUp), r.Plan(row, noon))
	}
}
