package cloudtasks

import (
	"container/heap"
	"slices"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
)

// retention is how long a task lives: "After a task is 31 days old, the task will be deleted regardless
// of whether it was dispatched or not" (CreateQueue).
const retention = 31 * 24 * time.Hour

// queue is the state of one queue. Server.mu guards it and everything below it.
type queue struct {
	pb      *cloudtaskspb.Queue // as clients see it
	pace    *pace
	tasks   map[string]*task // by full name
	waiting taskHeap         // those that no attempt is planned or under way for
	running int              // attempts under way, forced ones included
	gone    bool             // deleted
	wake    func()           // cancels the timer, if one is set

	byAge      []*task // oldest first, removed ones included until they are reached
	tombstones map[string]struct{}
	releases   []release // of tombstones, earliest first
}

// release is the time at which a task's name is free again.
type release struct {
	name string
	at   time.Time
}

// task is one task. pb carries what GetTask shows; the other fields are what it does not.
type task struct {
	pb       *cloudtaskspb.Task
	created  time.Time
	schedule time.Time
	named    bool // by the client: such a name leaves a tombstone
	past     history
	first    time.Time // dispatch of the first attempt
	index    int       // in queue.waiting, -1 if not there
	gone     bool      // deleted, given up on or done; late answers find nothing to change
}

func newQueue(pb *cloudtaskspb.Queue) *queue {
	return &queue{
		pb:         pb,
		pace:       newPace(pb.GetRateLimits()),
		tasks:      map[string]*task{},
		tombstones: map[string]struct{}{},
	}
}

func (q *queue) add(t *task) {
	q.tasks[t.pb.GetName()] = t
	q.byAge = append(q.byAge, t)
	if len(q.byAge) > 2*len(q.tasks)+64 { // one old task must not keep all the finished ones in memory
		q.byAge = slices.DeleteFunc(q.byAge, func(t *task) bool { return t.gone })
	}
	q.wait(t)
}

// wait puts t among the waiting tasks, or to its new place if it is there already.
func (q *queue) wait(t *task) {
	if t.index >= 0 {
		heap.Fix(&q.waiting, t.index)
		return
	}
	heap.Push(&q.waiting, t)
}

// claim takes t out of the waiting tasks.
func (q *queue) claim(t *task) {
	if t.index >= 0 {
		heap.Remove(&q.waiting, t.index)
	}
}

// remove ends t's life. Its name stays blocked for tombstone.
func (q *queue) remove(t *task, now time.Time, tombstone time.Duration) {
	q.claim(t)
	t.gone = true
	name := t.pb.GetName()
	delete(q.tasks, name)
	if t.named && tombstone > 0 {
		q.tombstones[name] = struct{}{}
		q.releases = append(q.releases, release{name: name, at: now.Add(tombstone)})
	}
}

// expire removes what has outlived its time: tasks past their retention, and tombstones. Done on
// every look at the queue, it needs no timer.
func (q *queue) expire(now time.Time, tombstone time.Duration) {
	for len(q.byAge) > 0 && (q.byAge[0].gone || !q.byAge[0].created.Add(retention).After(now)) {
		if t := q.byAge[0]; !t.gone {
			q.remove(t, now, tombstone)
		}
		q.byAge = q.byAge[1:]
	}
	for len(q.releases) > 0 && !q.releases[0].at.After(now) {
		delete(q.tombstones, q.releases[0].name)
		q.releases = q.releases[1:]
	}
}

// due returns the waiting task with the earliest schedule time, nil if there is none.
func (q *queue) due() *task {
	if len(q.waiting) == 0 {
		return nil
	}
	return q.waiting[0]
}

// open reports whether the queue may dispatch at all, rate limits aside.
func (q *queue) open() bool {
	return !q.gone && q.pb.GetState() == cloudtaskspb.Queue_RUNNING &&
		q.running < int(q.pb.GetRateLimits().GetMaxConcurrentDispatches())
}

// disarm cancels the queue's timer.
func (q *queue) disarm() {
	if q.wake != nil {
		q.wake()
		q.wake = nil
	}
}

// taskHeap orders tasks by schedule time; it implements heap.Interface.
type taskHeap []*task

func (h taskHeap) Len() int           { return len(h) }
func (h taskHeap) Less(i, j int) bool { return h[i].schedule.Before(h[j].schedule) }
func (h taskHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *taskHeap) Push(x any) {
	t := x.(*task)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop implements heap.Interface.
func (h *taskHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	return t
}
