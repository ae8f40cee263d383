package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	taskapi "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// actTime bounds one act.
const actTime = 10 * time.Second

// cancel cancels the booking as LAD does.
func cancel(r *run, b *booked) error {
	ctx, cancel := context.WithTimeout(context.Background(), actTime)
	defer cancel()
	return r.request(ctx, http.MethodPatch, "/api/deals-pipeline/bookings/"+b.id, b.tenant.ID,
		map[string]string{"status": "cancelled"}, nil)
}

// foreignTask puts a task on the queue, due now and with a valid token, that
// gives out the booking as another tenant's.
func foreignTask(r *run, b *booked) error {
	ctx, cancel := context.WithTimeout(context.Background(), actTime)
	defer cancel()
	client, err := taskapi.NewClient(ctx, option.WithEndpoint(r.stack.Tasks.Addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		return fmt.Errorf("connect to Cloud Tasks: %w", err)
	}
	defer func() { _ = client.Close() }() // nothing is under way any more
	stranger := r.stack.Tenants[0].ID
	if stranger == b.tenant.ID {
		stranger = r.stack.Tenants[1].ID
	}
	payload, err := json.Marshal(map[string]any{
		"version": 1, "tenantId": stranger, "bookingId": b.id, "revision": 1,
		"idempotencyKey": "followup:" + stranger + ":" + b.id + ":" + b.due.UTC().Format("2006-01-02T15:04:05.000Z"),
	})
	if err != nil {
		return fmt.Errorf("encode the foreign task: %w", err)
	}
	audience := r.stack.ExecuteURL()
	_, err = client.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{
		Parent: r.stack.QueuePath(),
		Task: &cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
			Url:     audience + "/",
			Headers: map[string]string{"Content-Type": "application/json"},
			Body:    payload,
			AuthorizationHeader: &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{
				ServiceAccountEmail: r.stack.Invoker(), Audience: audience,
			}},
		}}},
	})
	if err != nil {
		return fmt.Errorf("create the foreign task: %w", err)
	}
	return nil
}
