package stack

import (
	"context"
	"fmt"
	"time"

	taskapi "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// createQueue creates the queue through the real client, on whichever server is
// used. It has the shape of the deployed one with shorter waits. A server that
// has the queue, or makes queues by itself, is fine.
func (s *Stack) createQueue(ctx context.Context) error {
	address := s.options.CloudTasks
	if s.Tasks != nil {
		address = s.Tasks.Addr
	}
	client, err := taskapi.NewClient(ctx, option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		return fmt.Errorf("connect to Cloud Tasks at %s: %w", address, err)
	}
	defer func() { _ = client.Close() }() // nothing is under way any more
	parent := s.locationPath()
	_, err = client.CreateQueue(ctx, &cloudtaskspb.CreateQueueRequest{
		Parent: parent,
		Queue: &cloudtaskspb.Queue{
			Name:       s.QueuePath(),
			RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 100, MaxConcurrentDispatches: 100},
			// Retrying never ends by itself: the rules end it, at the lateness limit.
			RetryConfig: &cloudtaskspb.RetryConfig{
				MaxAttempts:  -1,
				MinBackoff:   durationpb.New(time.Second),
				MaxBackoff:   durationpb.New(10 * time.Second),
				MaxDoublings: 4,
			},
		},
	})
	switch status.Code(err) {
	case codes.OK, codes.AlreadyExists, codes.Unimplemented:
		return nil
	default:
		return fmt.Errorf("create the queue on the Cloud Tasks server at %s: %w", address, err)
	}
}

// QueuePath is the resource name of the queue.
func (s *Stack) QueuePath() string {
	return s.locationPath() + "/queues/" + s.setting("FOLLOWUP_QUEUE_NAME", queueID)
}

func (s *Stack) locationPath() string {
	return "projects/" + s.setting("GCP_PROJECT_ID", project) + "/locations/" + s.setting("GCP_LOCATION", region)
}

// Invoker is the service account in whose name tasks call ExecuteFollowUp.
func (s *Stack) Invoker() string { return s.setting("GCP_CLOUD_TASKS_SERVICE_ACCOUNT", invoker) }
