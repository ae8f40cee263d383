package voiceagent_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"lad.internal/followup/pkg/voiceagent"

	"lad.internal/followup/internal/settings"
)

func Example() {
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"success":true,"message":"Call started","data":{"job_id":"0b9cf1f2-6d3c-4a63-8a9e-1d9c8e1c2f10"}}`)
	}))
	defer agent.Close()

	ctx := context.Background()
	client, err := voiceagent.New(ctx, voiceagent.Config{
		BaseURL:               agent.URL,
		InternalServiceSecret: settings.NewSecret("s3cret"),
		Timeout:               30 * time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	creds, err := client.Authorize(ctx)
	if err != nil {
		fmt.Println(err) // nothing was started
		return
	}
	// The claim is committed here.
	result := client.StartCall(ctx, creds, voiceagent.Call{
		TenantID:       "11111111-1111-4111-8111-111111111111",
		BookingID:      "22222222-2222-4222-8222-222222222222",
		To:             "+971501234567",
		AgentID:        7,
		LeadName:       "Zoë Quist",
		IdempotencyKey: "followup:11111111-1111-4111-8111-111111111111:22222222-2222-4222-8222-222222222222:2026-03-01T09:00:00.000Z",
	})
	fmt.Println(result.Outcome, result.JobID)
	fmt.Println(result.Detail)
	// Output:
	// accepted 0b9cf1f2-6d3c-4a63-8a9e-1d9c8e1c2f10
	// the voice agent answered 200 OK (98 bytes of application/json)
}
