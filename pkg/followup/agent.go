package followup

import (
	"strconv"
	"strings"
)

// Agents are the voice agents and caller numbers that a tenant may use.
type Agents struct {
	// Known: the tenant's schema says which agents there are. Without LAD's table
	// of agents an agent that a booking names is taken as it is.
	Known   bool
	List    []Agent
	Numbers []CallerNumber // active ones, in order of their ids
	OfCall  int64          // the agent of the call in the booking's metadata.call_id, 0: none
}

// Agent is a voice agent of the tenant, or of no tenant (Shared).
type Agent struct {
	ID     int64
	Shared bool
}

// CallerNumber is a number that a tenant's calls may come from.
type CallerNumber struct {
	Number  Phone // "" if the row holds no valid one
	AgentID int64 // its default agent, 0: none
}

// Choice is the agent for a call, and the number that it calls from.
type Choice struct {
	ID      int64  // 0: none, see Problem
	From    Phone  // "": the voice service chooses
	Why     string // where the agent comes from, for people
	Problem string // why there is none, for people
}

// Agent chooses the agent for a booking's call: the one that its metadata names,
// the one of the call that led to it, the default agent of the tenant's active
// number, the tenant's only agent, or DefaultAgentID. An agent of another tenant
// is never chosen, whoever names it.
func (r Rules) Agent(b Booking, a Agents) Choice {
	if b.AgentID != "" {
		id := agentNumber(b.AgentID)
		switch {
		case id == 0:
			return Choice{Problem: "metadata.agent_id of the booking is not the number of an agent"}
		case a.Known && !a.has(id):
			return Choice{Problem: "the voice agent in metadata.agent_id is not this tenant's"}
		}
		return a.choose(id, "metadata.agent_id")
	}
	if a.has(a.OfCall) {
		return a.choose(a.OfCall, "the agent of the call in metadata.call_id")
	}
	for _, n := range a.Numbers {
		if a.has(n.AgentID) {
			return a.choose(n.AgentID, "the default agent of the tenant's active number")
		}
	}
	if id := a.only(); id != 0 {
		return a.choose(id, "the tenant's only agent")
	}
	if r.DefaultAgentID != nil && a.has(*r.DefaultAgentID) {
		return a.choose(*r.DefaultAgentID, "DEFAULT_FOLLOW_UP_AGENT_ID")
	}
	return Choice{Problem: "no voice agent for this tenant"}
}

func (a Agents) has(id int64) bool {
	for _, agent := range a.List {
		if id != 0 && agent.ID == id {
			return true
		}
	}
	return false
}

// only is the tenant's own agent, if it has just one.
func (a Agents) only() (id int64) {
	for _, agent := range a.List {
		switch {
		case agent.Shared:
		case id != 0:
			return 0
		default:
			id = agent.ID
		}
	}
	return id
}

func (a Agents) choose(id int64, why string) Choice {
	c := Choice{ID: id, Why: why}
	for _, n := range a.Numbers {
		if n.AgentID == id && n.Number != "" {
			c.From = n.Number
			break
		}
	}
	return c
}

// agentNumber reads 7, "7" and 7.0, the forms that LAD's writers use; 0 is none.
func agentNumber(text string) int64 {
	text = strings.TrimSpace(text)
	if whole, fraction, ok := strings.Cut(text, "."); ok && strings.Trim(fraction, "0") == "" {
		text = whole
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0
	}
	return id
}
