package integration_test

import (
	"syscall"
	"testing"

	"github.com/google/uuid"

	"lad.internal/followup/internal/localstack/voiceagent"
)

const executor = "ExecuteFollowUp"

func TestAnInstanceMayEndInTheMiddleOfACall(t *testing.T) {
	t.Parallel()
	w := mortal(t)
	user := w.user(0)

	// calling books a call and waits until the voice agent has it in hand.
	calling := func(t *testing.T, agent voiceagent.Behaviour) (id string, pid int) {
		t.Helper()
		agent.LeadID = uuid.NewString()
		if err := w.Agent.Behave(agent); err != nil {
			t.Fatal(err)
		}
		id = user.Book(t, in(0), map[string]any{"leadId": agent.LeadID})
		await(t, "the POST of booking "+id, func() bool { return w.Agent.PostsRead(id) > 0 })
		return id, pidOf(t, w)
	}
	replaced := func(t *testing.T, pid int) {
		t.Helper()
		await(t, "another instance", func() bool { return pidOf(t, w) != pid })
	}

	t.Run("told to stop, it finishes the call and records it", func(t *testing.T) {
		id, pid := calling(t, voiceagent.Behaviour{Kind: voiceagent.Slow, DelayMS: 1500})
		if err := w.Kill(executor, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		b := user.Await(t, id, "executed")
		replaced(t, pid)
		if calls := w.expectCalls(t, id, 1, 1); !calls[0].Is(*b.CallID) || b.ExecutionAttempts != 1 {
			t.Errorf("the row is %+v, and the call %+v", b, calls[0])
		}
	})
	t.Run("killed, it leaves a call that nobody repeats and a person decides on", func(t *testing.T) {
		id, pid := calling(t, voiceagent.Behaviour{Kind: voiceagent.Hang, Dialled: true})
		if err := w.Kill(executor, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		replaced(t, pid)
		b := user.Await(t, id, "failed/outcome_unknown")
		w.expectCalls(t, id, 1, 1)
		if b.ExecutionAttempts != 1 || b.ClaimedAt == nil {
			t.Errorf("the row is %+v", b)
		}
		await(t, "the end of its tasks", func() bool {
			attempts := w.attempts(id)
			return len(attempts) > 0 && attempts[len(attempts)-1].HTTPStatus == 200
		})
		w.expectCalls(t, id, 1, 1)

		next := user.Book(t, in(0), nil)
		user.Await(t, next, "executed")
	})
}

func pidOf(t *testing.T, w *world) int {
	t.Helper()
	pid, err := w.Pid(executor)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
