package followup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAgent(t *testing.T) {
	t.Parallel()
	const (
		notOurs    = "the voice agent in metadata.agent_id is not this tenant's"
		unreadable = "metadata.agent_id of the booking is not the number of an agent"
		none       = "no voice agent for this tenant"
	)
	two := Agents{Known: true, List: []Agent{{ID: 7}, {ID: 8}, {ID: 9, Shared: true}}}
	numbered := two
	numbered.Numbers = []CallerNumber{{Number: "+97144000001"}, {Number: "", AgentID: 8}, {Number: "+97144000002", AgentID: 8}, {Number: "+97144000003", AgentID: 7}}
	ofCall := numbered
	ofCall.OfCall = 7
	foreignCall := two
	foreignCall.OfCall = 66
	foreignNumber := Agents{Known: true, List: []Agent{{ID: 7}}, Numbers: []CallerNumber{{Number: "+97144000009", AgentID: 66}}}
	unknown := Agents{}
	for _, c := range []struct {
		name, named string
		agents      Agents
		setting     int64
		want        Choice
	}{
		{"the booking names one", "8", ofCall, 9, Choice{ID: 8, From: "+97144000002", Why: "metadata.agent_id"}},
		{"as a number with a fraction of nothing", " 7.0 ", two, 0, Choice{ID: 7, Why: "metadata.agent_id"}},
		{"a shared one", "9", two, 0, Choice{ID: 9, Why: "metadata.agent_id"}},
		{"another tenant's", "66", two, 7, Choice{Problem: notOurs}},
		{"half an agent", "7.5", two, 7, Choice{Problem: unreadable}},
		{"a negative one", "-7", two, 7, Choice{Problem: unreadable}},
		{"a word", "default", two, 7, Choice{Problem: unreadable}},
		{"named, and the schema knows no agents", "66", unknown, 0, Choice{ID: 66, Why: "metadata.agent_id"}},
		{"the call before", "", ofCall, 9, Choice{ID: 7, From: "+97144000003", Why: "the agent of the call in metadata.call_id"}},
		{"the call before was another tenant's", "", foreignCall, 9, Choice{ID: 9, Why: "DEFAULT_FOLLOW_UP_AGENT_ID"}},
		{"the active number's", "", numbered, 9, Choice{ID: 8, From: "+97144000002", Why: "the default agent of the tenant's active number"}},
		{"the only one", "", foreignNumber, 0, Choice{ID: 7, Why: "the tenant's only agent"}},
		{"the setting", "", two, 7, Choice{ID: 7, Why: "DEFAULT_FOLLOW_UP_AGENT_ID"}},
		{"the setting names another tenant's", "", two, 66, Choice{Problem: none}},
		{"the setting, and the schema knows no agents", "", unknown, 7, Choice{Problem: none}},
		{"none", "", two, 0, Choice{Problem: none}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := standard()
			if c.setting != 0 {
				r.DefaultAgentID = &c.setting
			}
			if d := cmp.Diff(c.want, r.Agent(Booking{AgentID: c.named}, c.agents)); d != "" {
				t.Errorf("choice (-want +got):\n%s", d)
			}
		})
	}
}
