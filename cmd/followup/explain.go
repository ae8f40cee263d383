package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
)

func newExplain() *cobra.Command {
	var tenant string
	var at momentFlag
	var out output
	cmd := &cobra.Command{
		Use:   "explain BOOKING",
		Short: "Explain what would happen to a booking's call now, or at another time, and why",
		Long: `Explain what would happen to a booking's call now, or at the time --at, if
nothing else happened to it before. It asks the functions' own rules, with the
settings of this environment, and lists each rule in the order in which it was
asked, up to the one that decided. First it says how the booking's time is read,
whether the lead may be called, and by which agent from which number.

There are two questions: what an event or the sweep would make of the booking,
and whether its Cloud Task, the one that it has or the one that it would get,
could dial when it fires. Nothing is changed.

` + helpOnTimes,
		Example: `  followup explain --tenant $TENANT $BOOKING
  followup explain --tenant $TENANT $BOOKING --at 2026-01-31T09:00:00Z
  followup explain --tenant $TENANT $BOOKING --at 24h`,
		Args:              cli.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := parseRef(tenant, args[0])
			if err != nil {
				return err
			}
			e, closeAll, err := openDatabase(cmd)
			if err != nil {
				return err
			}
			defer func() { _ = closeAll() }() // it was only read
			b, now, err := readBooking(cmd.Context(), e, ref)
			if err != nil {
				return err
			}
			facts, err := e.DB.Facts(cmd.Context(), b, e.Rules)
			if err != nil {
				return err
			}
			if !time.Time(at).IsZero() {
				now = time.Time(at)
			}
			f := foresee(e, b, facts, now)
			if out.json {
				return out.print(cmd.OutOrStdout(), f, nil, nil)
			}
			return f.print(cmd.OutOrStdout())
		},
	}
	tenantFlag(cmd, &tenant)
	cmd.Flags().Var(&at, "at", "explain what would happen then (default: now, by the database's clock)")
	out.flag(cmd)
	return cmd
}

// foresight is what would happen to a booking at a time.
type foresight struct {
	BookingID string          `json:"bookingId"`
	TenantID  string          `json:"tenantId"`
	At        followup.Moment `json:"at"`
	Call      string          `json:"call"` // as failed/rejected
	Advice    string          `json:"advice"`
	Time      string          `json:"time"`        // how the booking's time is read
	Objection *string         `json:"leadProblem"` // why the lead is not called; null if it may be
	Agent     agentView       `json:"agent"`
	Plan      reasons         `json:"plan"`
	// Task is what the booking's task would do; null if it has none and would
	// get none.
	Task *taskForesight `json:"task"`
}

// taskForesight is about the task that the row has, or would get by the plan.
type taskForesight struct {
	Planned  bool            `json:"planned"` // it does not exist yet
	Revision int             `json:"revision"`
	FiresAt  followup.Moment `json:"firesAt"`
	reasons
}

// reasons are the rules that were asked for a decision, and the decision.
type reasons struct {
	Asked   []askedRule `json:"asked"`
	Rule    string      `json:"rule"`    // the one that decided
	Effect  string      `json:"effect"`  // none, update, arm, dial, wait, queue
	Becomes *taskView   `json:"becomes"` // null if the row stays as it is
	// Sentence is the decision for people.
	Sentence string `json:"sentence"`
}

type taskView struct {
	TaskStatus      string           `json:"taskStatus"`
	TaskReason      *string          `json:"taskReason"`
	TaskRevision    int              `json:"taskRevision"`
	TaskScheduledAt *followup.Moment `json:"taskScheduledAt"`
}

type askedRule struct {
	Rule     string `json:"rule"`
	Fits     bool   `json:"fits"`
	Question string `json:"question"`
}

// foresee asks the rules at a time, and what the task does when it fires next:
// the one that the plan would create, or else the row's own. A task that is due
// later fires then.
func foresee(e *environment, b followup.Booking, facts followup.Facts, at time.Time) foresight {
	r := e.Rules
	plan := r.ExplainPlan(&b, at)
	f := foresight{
		BookingID: b.BookingID.String(), TenantID: b.TenantID.String(), At: followup.Moment{Time: at},
		Call: standing(b.Task), Advice: r.Advice(b, at), Plan: reasonsOf(plan, b.Task),
		Time: e.Database.Times.Explain(b.When), Objection: orNull(objection(r, facts.Lead)), Agent: agentOf(r.Agent(b, facts.Agents)),
	}
	planned := plan.Decision.Effect == followup.Arm
	if planned {
		b.Task = plan.Decision.Next
		b.Task.Name = "planned" // whoever creates the task names it
	}
	if ticket, ok := b.Task.Ticket(); ok {
		fires := at
		if b.Task.DueAt.After(at) {
			fires = b.Task.DueAt
		}
		admit := r.ExplainAdmit(&b, facts, ticket, fires)
		f.Task = &taskForesight{Planned: planned, Revision: ticket.Revision, FiresAt: followup.Moment{Time: fires}, reasons: reasonsOf(admit, b.Task)}
	}
	return f
}

// objection says why a lead is not called, "" if it may be.
func objection(r followup.Rules, lead followup.Lead) string {
	switch {
	case lead.Excluded == followup.LeadDeleted:
		return "LAD has deleted it"
	case lead.Excluded == followup.LeadArchived:
		return "LAD has archived it"
	case lead.Excluded != "":
		return "it is marked not to be called"
	case lead.Twin:
		return "another booking calls it for the same minute"
	case r.MaxCalls.N > 0 && lead.Calls >= r.MaxCalls.N:
		return fmt.Sprintf("it has had %s in %s (FOLLOWUP_MAX_CALLS_PER_LEAD)", cli.Plural(lead.Calls, "call"), span(r.MaxCalls.Per))
	case lead.Number == "":
		return lead.NumberProblem
	default:
		return ""
	}
}

// agentView is the agent of a call, for machines. Its number is masked.
type agentView struct {
	ID      *int64 `json:"id"` // null: there is none
	From    string `json:"from,omitempty"`
	Why     string `json:"why,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func agentOf(c followup.Choice) agentView {
	return agentView{ID: orNull(c.ID), From: c.From.String(), Why: c.Why, Problem: c.Problem}
}

// cells are the agent, its number, and why.
func (a agentView) cells() []string {
	if a.ID == nil {
		return []string{"none", "-", a.Problem}
	}
	from := a.From
	if from == "" {
		from = "the voice service's own"
	}
	return []string{strconv.FormatInt(*a.ID, 10), from, a.Why}
}

func reasonsOf(e followup.Explanation, before followup.Task) reasons {
	d := e.Decision
	out := reasons{Rule: string(d.Rule), Effect: string(d.Effect), Sentence: sentence(d)}
	if d.Effect == followup.Update && d.Next == before {
		out.Sentence = "it stays as it is, and the sweep notes its time"
	}
	for _, a := range e.Asked {
		out.Asked = append(out.Asked, askedRule{Rule: string(a.Rule), Fits: a.Fits, Question: a.Rule.Question()})
	}
	if d.Effect != followup.None && d.Effect != followup.Wait {
		out.Becomes = &taskView{
			TaskStatus: string(d.Next.Status), TaskReason: orNull(string(d.Next.Reason)),
			TaskRevision: d.Next.Revision, TaskScheduledAt: momentOrNull(d.Next.DueAt),
		}
	}
	return out
}

// sentence says what a decision does.
func sentence(d followup.Decision) string {
	dropped := ""
	if d.Drop != "" {
		dropped = ", and its present task is deleted"
	}
	switch d.Effect {
	case followup.Update:
		return "it becomes " + standing(d.Next) + dropped
	case followup.Arm:
		return "it gets a task, revision " + strconv.Itoa(d.Next.Revision) + ", due " + moment(d.Next.DueAt) + dropped
	case followup.Dial:
		return "the lead is called"
	case followup.Wait:
		return "nothing yet: Cloud Tasks sends the task again later"
	case followup.Queue:
		return "it waits for its turn under VOICE_AGENT_LIMIT, until " + moment(d.Next.DueAt)
	default:
		return "nothing is changed"
	}
}

func (f foresight) print(w io.Writer) error {
	fmt.Fprintf(w, "Booking %s at %s, %s: %s.\nTime: %s\n", f.BookingID, moment(f.At.Time), f.Call, f.Advice, cli.Printable(f.Time))
	if f.Objection == nil {
		fmt.Fprintln(w, "Lead: may be called")
	} else {
		fmt.Fprintf(w, "Lead: is not called: %s\n", cli.Printable(*f.Objection))
	}
	if agent := f.Agent.cells(); f.Agent.ID == nil {
		fmt.Fprintf(w, "Agent: none: %s\n", agent[2])
	} else {
		fmt.Fprintf(w, "Agent: %s (%s), calling from %s\n", agent[0], agent[2], agent[1])
	}
	fmt.Fprintln(w, "\nWhat would an event or the sweep make of it?")
	err := f.Plan.print(w)
	switch {
	case f.Task == nil:
		fmt.Fprintln(w, "\nIt has no task that could fire.")
		return err
	case f.Task.Planned:
		fmt.Fprintf(w, "\nWhat would that task do when it fires, at %s?\n", moment(f.Task.FiresAt.Time))
	default:
		fmt.Fprintf(w, "\nWhat would its task, revision %d, do when it fires, at %s?\n", f.Task.Revision, moment(f.Task.FiresAt.Time))
	}
	return errors.Join(err, f.Task.print(w))
}

func (r reasons) print(w io.Writer) error {
	rows := make([][]string, len(r.Asked))
	for i, a := range r.Asked {
		answer := "no"
		if a.Fits {
			answer = "YES"
		}
		rows[i] = []string{"  " + a.Rule, answer, a.Question}
	}
	err := cli.Table(w, nil, rows)
	fmt.Fprintf(w, "  → %s: %s.\n", r.Rule, r.Sentence)
	return err
}
