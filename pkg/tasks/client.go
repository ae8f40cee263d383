// Package tasks puts follow-up calls on a Cloud Tasks queue: one HTTP task per
// call, named after the call's key and revision, that carries an OIDC token for
// the execute function.
//
// It refuses to decide whether a call needs a task, to read or write bookings,
// and to hand out tasks under names that Cloud Tasks would not deduplicate.
package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lad.internal/followup/pkg/followup"
)

// Client creates and deletes the tasks of one queue. It is safe for concurrent
// use.
type Client struct {
	config Config
	api    *cloudtasks.Client
	budget time.Duration
}

// New connects to Cloud Tasks, or to the server at Config.EmulatorHost.
// Connections are made when they are needed; what fails here is a wrong setting
// or missing credentials.
func New(ctx context.Context, config Config, opts ...option.ClientOption) (*Client, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("configure Cloud Tasks: %w", err)
	}
	if config.EmulatorHost != "" {
		opts = append(opts,
			option.WithEndpoint(config.EmulatorHost),
			option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	}
	api, err := cloudtasks.NewClient(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to Cloud Tasks: %w", err)
	}
	return &Client{config: config, api: api, budget: callBudget}, nil
}

// Close closes the connections.
func (c *Client) Close() error {
	if err := c.api.Close(); err != nil {
		return fmt.Errorf("close Cloud Tasks client: %w", err)
	}
	return nil
}

// transient are the gRPC codes after which the same request may succeed. A
// named task is created at most once, so sending it again is safe.
var transient = []codes.Code{
	codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Aborted, codes.ResourceExhausted,
}

// callBudget bounds one operation with all its retries. It leaves an event
// handler time to give the event back.
const callBudget = 15 * time.Second

// retrying is given with each call: the generated client has no retry for
// CreateTask and DeleteTask has none for most of these codes.
func retrying() gax.CallOption {
	return gax.WithRetry(func() gax.Retryer {
		return gax.OnCodes(transient, gax.Backoff{Initial: 100 * time.Millisecond, Max: 3 * time.Second, Multiplier: 2})
	})
}

// ErrNameUsed says that there was a task of this name, that it is gone, and that
// Cloud Tasks does not allow another one yet (cloudtaskspb, CreateTaskRequest.task,
// "Task De-duplication").
var ErrNameUsed = errors.New("the task's name is used up")

// CreateScheduledHTTPTask creates the task that calls b at next.DueAt and
// returns its resource name. If a task of that name is there already, that is
// success: the name is made of the call's key and revision, so it is this very
// task, created by an attempt whose answer was lost or by a rival who reads the
// same row.
//
// If that task is known to be gone, the error is ErrNameUsed, and the name comes
// with it: the task has fired, or somebody has deleted it. To know that takes the
// permission cloudtasks.tasks.get; whatever keeps Cloud Tasks from telling counts
// as success.
func (c *Client) CreateScheduledHTTPTask(ctx context.Context, b followup.Booking, next followup.Task) (string, error) {
	body, err := json.Marshal(NewPayload(b, next))
	if err != nil {
		return "", fmt.Errorf("create task of booking %s: encode payload: %w", b.Ref, err)
	}
	name := c.config.TaskPath(followup.TaskID(next.Key, next.Revision))
	ctx, cancel := context.WithTimeout(ctx, c.budget)
	defer cancel()
	_, err = c.api.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{
		Parent: c.config.QueuePath(),
		Task: &cloudtaskspb.Task{
			Name:             name,
			ScheduleTime:     timestamppb.New(next.DueAt),
			DispatchDeadline: durationpb.New(c.config.DispatchDeadline),
			MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
				Url:        strings.ReplaceAll(c.config.Endpoint, ":id", b.BookingID.String()),
				HttpMethod: cloudtaskspb.HttpMethod_POST,
				Headers:    headers(ctx),
				Body:       body,
				AuthorizationHeader: &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{
					ServiceAccountEmail: c.config.ServiceAccount,
					Audience:            c.config.TokenAudience(),
				}},
			}},
		},
	}, retrying())
	switch {
	case err == nil:
		return name, nil
	case status.Code(err) != codes.AlreadyExists:
		return "", fmt.Errorf("create task %s: %w", name, err)
	case c.gone(ctx, name):
		return name, fmt.Errorf("create task %s: %w", name, ErrNameUsed)
	default:
		return name, nil
	}
}

// Waits reports whether the task of a row is still on the queue: it is not due yet,
// waits for its turn or for its next attempt, or is being carried out. It takes the
// permission cloudtasks.tasks.get; without it the error is ErrDenied.
func (c *Client) Waits(ctx context.Context, task followup.Task) (bool, error) {
	name := c.config.TaskPath(followup.TaskID(task.Key, task.Revision))
	ctx, cancel := context.WithTimeout(ctx, c.budget)
	defer cancel()
	_, err := c.api.GetTask(ctx, &cloudtaskspb.GetTaskRequest{Name: name}, retryingBriefly())
	switch {
	case err == nil:
		return true, nil
	case status.Code(err) == codes.NotFound:
		return false, nil
	default:
		return false, fmt.Errorf("look for task %s: %w", name, classify(err))
	}
}

// gone reports whether Cloud Tasks says that it does not have a task.
func (c *Client) gone(ctx context.Context, name string) bool {
	_, err := c.api.GetTask(ctx, &cloudtaskspb.GetTaskRequest{Name: name}, retryingBriefly())
	return status.Code(err) == codes.NotFound
}

// Delete deletes the task of that resource name. One that is not there any
// more counts as deleted.
func (c *Client) Delete(ctx context.Context, name string) error {
	if name == "" {
		return errors.New("delete task: no name")
	}
	ctx, cancel := context.WithTimeout(ctx, c.budget)
	defer cancel()
	err := c.api.DeleteTask(ctx, &cloudtaskspb.DeleteTaskRequest{Name: name}, retrying())
	if err != nil && status.Code(err) != codes.NotFound {
		return fmt.Errorf("delete task %s: %w", name, err)
	}
	return nil
}
