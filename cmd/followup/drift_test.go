package main

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// enqueue puts the task of a booking on the queue, at a revision.
func (d *desk) enqueue(b followup.Booking, revision int, due time.Time) (name string) {
	d.t.Helper()
	name, err := d.queue.Client.CreateScheduledHTTPTask(d.t.Context(), b, followup.Task{Key: b.Key(), Revision: revision, DueAt: due})
	if err != nil {
		d.t.Fatal(err)
	}
	return name
}

// waits is a booking that counts on the task of a revision, which is due then
// and which the queue does not have.
func (d *desk) waits(tenant uuid.UUID, revision int, due time.Time) followup.Booking {
	d.t.Helper()
	b := d.Insert(functiontest.Seed{Tenant: tenant, At: due, Task: followup.Task{
		Status: followup.Scheduled, Revision: revision, DueAt: due, Key: functiontest.CurrentKey}})
	d.Change(b.Ref, "task_name = $1", d.queue.Config.TaskPath(followup.TaskID(b.Key(), revision)))
	return d.Row(b.Ref)
}

// differences are what was found, as "kind booking heals", without the times.
func (s *session) differences() []string {
	s.t.Helper()
	var found comparison
	s.json(&found)
	var all []string
	for _, d := range found.Drift {
		heals, _, _ := strings.Cut(d.Heals, ",")
		all = append(all, strings.TrimSpace(d.Kind+" "+d.BookingID.String()+" "+heals))
	}
	slices.Sort(all)
	return all
}

func TestRowsAndTasksThatAgreeAreNoDrift(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, tenant := range []uuid.UUID{functiontest.TenantA, functiontest.TenantB} {
		for range 3 {
			d.enqueue(d.waits(tenant, 1, soon()), 1, soon())
		}
	}
	d.Insert(functiontest.Seed{At: soon()}) // pending
	// A call that is being made has its task still.
	b := d.Insert(functiontest.Seed{At: ago(0), Task: followup.Task{Status: followup.InProgress, Revision: 1, Attempts: 1, ClaimedAt: ago(0), Key: functiontest.CurrentKey}})
	d.Change(b.Ref, "task_name = $1", d.enqueue(b, 1, ago(0)))

	before := d.Checksum()
	s := d.run("drift", "--all").want(0, "BOOKINGS WAITING", tenantA()+"  3                 4      0        0      0", tenantB()+"  3                 3      0        0      0")
	if strings.Contains(s.out.String(), "HEALS") {
		t.Errorf("printed:\n%s", s.out.String())
	}
	s = d.run("drift", "--tenant", tenantB(), "--json").want(0)
	if !strings.Contains(s.out.String(), `"drift": []`) || strings.Contains(s.out.String(), tenantA()) {
		t.Errorf("printed:\n%s", s.out.String())
	}
	if d.Checksum() != before || len(d.queue.List()) != 7 {
		t.Error("looking has changed something")
	}
}

func TestEveryKindOfDriftIsFoundAndWhetherItHeals(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	lost := d.waits(functiontest.TenantA, 1, soon())
	swept := d.waits(functiontest.TenantA, 1, ago(6*time.Minute))    // past the grace just now
	unswept := d.waits(functiontest.TenantA, 1, ago(20*time.Minute)) // the sweep should have come
	elsewhere := d.waits(functiontest.TenantA, 1, soon())
	d.Change(elsewhere.Ref, "task_name = 'projects/p/locations/l/queues/lads-own/tasks/t'")
	nameless := d.waits(functiontest.TenantA, 1, soon())
	d.Change(nameless.Ref, "task_name = NULL")
	cancelled := d.waits(functiontest.TenantA, 1, ago(20*time.Minute))
	d.Change(cancelled.Ref, "status = 'cancelled'")
	moved := d.waits(functiontest.TenantA, 1, ago(20*time.Minute))
	d.Change(moved.Ref, "scheduled_at = now() + interval '1 day'")

	overtaken := d.waits(functiontest.TenantA, 2, soon())
	d.enqueue(overtaken, 1, soon())
	d.enqueue(overtaken, 2, soon())
	done := d.calledAt(ago(time.Hour), time.Second)
	d.enqueue(done, 1, soon())
	stuck := d.calledAt(ago(time.Hour), time.Second)
	stuckTask := d.enqueue(stuck, 1, soon())
	ahead := d.waits(functiontest.TenantA, 1, soon())
	d.enqueue(ahead, 1, soon())
	d.enqueue(ahead, 2, soon())
	gone := followup.Booking{Ref: followup.Ref{TenantID: functiontest.TenantB, BookingID: uuid.New()}, ScheduledAt: soon()}
	d.enqueue(gone, 1, soon())
	_, err := d.queue.CreateTask(t.Context(), &cloudtaskspb.CreateTaskRequest{Parent: d.queue.Config.QueuePath(), Task: &cloudtaskspb.Task{
		MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{Url: "https://other.example", Body: []byte(`{"hello":1}`)}}}})
	if err != nil {
		t.Fatal(err)
	}

	// A task that is created has never been due long ago; one that is kept has.
	d = d.through(&hooked{CloudTasksServer: d.queue.Server, listing: func(answer *cloudtaskspb.ListTasksResponse) {
		for _, task := range answer.GetTasks() {
			if task.GetName() == stuckTask {
				task.ScheduleTime = timestamppb.New(ago(time.Hour))
			}
		}
	}})

	want := []string{
		"missing " + id(lost) + " by the sweep", "missing " + id(swept) + " by the next sweep", "missing " + id(unswept),
		"missing " + id(elsewhere) + " by the sweep", "missing " + id(nameless) + " by the sweep",
		"missing " + id(cancelled) + " by the next sweep", "missing " + id(moved) + " by the next sweep",
		"stale " + id(overtaken) + " when it fires", "orphaned " + id(done) + " when it fires", "orphaned " + id(stuck),
		"orphaned " + id(ahead) + " when it fires", "orphaned " + id(gone) + " when it fires", "foreign " + uuid.Nil.String()}
	slices.Sort(want)
	s := d.run("drift", "--all", "--json").want(cli.ExitFailed, "drift that does not heal by itself: 3 of 13 differences")
	if got := s.differences(); !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	d.run("drift", "--all").want(cli.ExitFailed, tenantA()+"  9                 6      7        1      3", tenantB()+"  0                 1      0        0      1",
		"there is no task of that name", "the sweep should have seen to it at", "does it run?", "its task is on another queue", "the row names no task",
		"it is of revision 1, the booking is at 2", "the booking is executed", "the queue does not send it", "the booking waits for another task",
		"there is no such booking", "foreign")
	d.run("drift", "--all", "--limit", "2").want(cli.ExitFailed, "… and 11 more")
	// Of another tenant's trouble, and of nobody's, one tenant's drift says nothing.
	s = d.run("drift", "--tenant", tenantB(), "--json").want(0)
	if got := s.differences(); !slices.Equal(got, []string{"orphaned " + id(gone) + " when it fires"}) {
		t.Errorf("tenant B alone: %v", got)
	}
}

// hooked is the queue's server, with something that happens while it is listed.
type hooked struct {
	cloudtaskspb.CloudTasksServer
	listing func(*cloudtaskspb.ListTasksResponse)
}

func (h *hooked) ListTasks(ctx context.Context, r *cloudtaskspb.ListTasksRequest) (*cloudtaskspb.ListTasksResponse, error) {
	answer, err := h.CloudTasksServer.ListTasks(ctx, r)
	h.listing(answer)
	return answer, err
}

// through serves a Cloud Tasks service, and is the desk that works with it.
func (d *desk) through(service cloudtaskspb.CloudTasksServer) *desk {
	d.t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	g := grpc.NewServer()
	cloudtaskspb.RegisterCloudTasksServer(g, service)
	var serving sync.WaitGroup
	serving.Go(func() { _ = g.Serve(lis) })
	d.t.Cleanup(func() { g.Stop(); serving.Wait() })
	return d.with(map[string]string{"CLOUD_TASKS_EMULATOR_HOST": lis.Addr().String()})
}

func TestWhatChangesWhileItIsLookedAtIsNoDrift(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	lost := d.waits(functiontest.TenantA, 1, soon())
	rearmed := d.waits(functiontest.TenantA, 1, soon())
	deleted := d.waits(functiontest.TenantA, 1, soon())
	armed := d.Insert(functiontest.Seed{At: soon()})
	name := d.enqueue(armed, 1, soon())
	claimed := d.Insert(functiontest.Seed{At: soon()})
	claim := d.enqueue(claimed, 1, soon())
	busy := d.through(&hooked{CloudTasksServer: d.queue.Server, listing: func(*cloudtaskspb.ListTasksResponse) {
		d.Change(rearmed.Ref, "task_revision = 2, task_name = $1", d.enqueue(rearmed, 2, soon()))
		d.LAD(t, functiontest.TenantA, "DELETE FROM lead_bookings WHERE id = $1", deleted.BookingID)
		d.Change(armed.Ref, "task_status = 'scheduled', task_revision = 1, task_name = $1", name)
		d.Change(claimed.Ref, "task_status = 'in_progress', task_revision = 1, task_name = $1, claimed_at = now()", claim)
	}})
	got := busy.run("drift", "--all", "--json").want(0).differences()
	if !slices.Equal(got, []string{"missing " + id(lost) + " by the sweep"}) {
		t.Errorf("found %v", got)
	}
}

type denying struct {
	cloudtaskspb.UnimplementedCloudTasksServer
}

const denial = "The principal lacks IAM permission on the queue."

func (denying) ListTasks(context.Context, *cloudtaskspb.ListTasksRequest) (*cloudtaskspb.ListTasksResponse, error) {
	return nil, status.Error(codes.PermissionDenied, denial)
}

func (denying) GetQueue(context.Context, *cloudtaskspb.GetQueueRequest) (*cloudtaskspb.Queue, error) {
	return nil, status.Error(codes.PermissionDenied, denial)
}

func TestDriftThatCannotBeLookedForIsAnError(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.through(denying{}).run("drift", "--all").want(cli.ExitFailed, tasks.ErrDenied.Error(), denial)
	d.with(map[string]string{"FOLLOWUP_QUEUE_NAME": "other"}).run("drift", "--all").want(cli.ExitFailed, tasks.ErrNoQueue.Error())
	d.LAD(t, functiontest.TenantB, "DROP VIEW followup_bookings")
	d.run("drift", "--tenant", tenantB()).want(cli.ExitFailed, "run `followup migrate up`")
	d.run("drift", "--tenant", tenantA()).want(0)
}
