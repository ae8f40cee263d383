package voiceagent_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	standin "lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

const (
	frontend = "followup"
	apiKey   = "the-key"
	signing  = "sign-with-this"
)

// contracts are the ways to ask: the stand-in's options and the client's.
func contracts() map[string]struct {
	options standin.Options
	config  voiceagent.Config
} {
	return map[string]struct {
		options standin.Options
		config  voiceagent.Config
	}{
		"backend": {standin.Options{Secret: secret}, voiceagent.Config{InternalServiceSecret: settings.NewSecret(secret)}},
		"token":   {standin.Options{JWTSecret: signing}, voiceagent.Config{JWTSecret: settings.NewSecret(signing), JWTTTL: time.Minute}},
		"service": {standin.Options{FrontendID: frontend, APIKey: apiKey},
			voiceagent.Config{Contract: voiceagent.Service, FrontendID: frontend, APIKey: settings.NewSecret(apiKey)}},
	}
}

// keyed is the call with a key as the product makes them: the voice service's
// contract has no other field that names the booking.
func keyed() voiceagent.Call {
	c := call()
	c.IdempotencyKey = "followup:" + tenant + ":" + booking + ":2026-03-01T09:00:00.000Z"
	return c
}

func (b bundle) job(t *testing.T, id string) voiceagent.JobResult {
	t.Helper()
	creds, err := b.client.Authorize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b.client.Job(t.Context(), creds, call(), id)
}

// await asks for the job until it is in the state.
func (b bundle) await(t *testing.T, id string, want voiceagent.JobState) voiceagent.JobResult {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := b.job(t, id)
		if got.State == want {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("the job is %+v, want %s", got, want)
		}
	}
}

const logID = "0b9cf1f2-6d3c-4a63-8a9e-1d9c8e1c2f10"

func TestJob(t *testing.T) {
	t.Parallel()
	for name, c := range contracts() {
		options := func(change func(*standin.Options)) standin.Options {
			o := c.options
			change(&o)
			return o
		}
		t.Run(name+"/pending", func(t *testing.T) {
			t.Parallel()
			b := serve(t, options(func(o *standin.Options) { o.DispatchAfter = time.Hour }))
			b.client = b.dial(t, c.config)
			accepted := b.start(t, keyed())
			if accepted.Outcome != followup.CallAccepted || accepted.CallID != "" {
				t.Fatalf("got %+v", accepted)
			}
			if got := b.job(t, accepted.JobID); got != (voiceagent.JobResult{State: voiceagent.JobPending, Status: 200}) {
				t.Errorf("got %+v", got)
			}
			calls := b.Calls(booking)
			if len(calls) != 1 || calls[0].TenantID != tenant || calls[0].InitiatedBy != call().InitiatedBy || calls[0].AgentID != 7 || calls[0].CallID != "" {
				t.Errorf("booked %+v", calls)
			}
			if got := b.job(t, logID); got.State != voiceagent.JobGone || b.JobsAsked(booking) != 1 || b.JobsAsked("") != 1 {
				t.Errorf("got %+v", got)
			}
		})
		t.Run(name+"/running", func(t *testing.T) {
			t.Parallel()
			told := make(chan standin.Call, 1)
			b := serve(t, options(func(o *standin.Options) {
				o.Dispatched = func(c standin.Call) string { told <- c; return logID }
				o.DispatchAfter = time.Millisecond
			}))
			b.client = b.dial(t, c.config)
			accepted := b.start(t, keyed())
			if c := <-told; c.JobID != accepted.JobID || c.ToNumber() != number || c.CallID != "" {
				t.Errorf("told of %+v", c)
			}
			if got := b.await(t, accepted.JobID, voiceagent.JobRunning); got.CallLogID != logID {
				t.Errorf("got %+v", got)
			}
			if c := b.Calls(booking)[0]; c.CallID != logID || !c.Is(logID) || !c.Is(accepted.JobID) || c.Is("") {
				t.Errorf("booked %+v", c)
			}
			b.ForgetJobs()
			if got := b.job(t, accepted.JobID); got.State != voiceagent.JobGone || len(b.Calls(booking)) != 1 {
				t.Errorf("after it was forgotten: %+v", got)
			}
		})
		t.Run(name+"/failed", func(t *testing.T) {
			t.Parallel()
			b := serve(t, options(func(o *standin.Options) {
				o.Dispatched = func(standin.Call) string { t.Error("a call was dispatched"); return "" }
			}))
			b.client = b.dial(t, c.config)
			if err := b.Behave(standin.Behaviour{Kind: standin.DispatchFail, Error: "no_trunk"}); err != nil {
				t.Fatal(err)
			}
			accepted := b.start(t, keyed())
			if got := b.await(t, accepted.JobID, voiceagent.JobFailed); got.Error != "no_trunk" || got.CallLogID != "" {
				t.Errorf("got %+v", got)
			}
			failed := b.Failed(booking)
			if len(b.Calls(booking)) != 0 || len(failed) != 1 || failed[0].Outcome != standin.DispatchFail {
				t.Errorf("dialled %+v, failed %+v", b.Calls(booking), failed)
			}
		})
		t.Run(name+"/refused", func(t *testing.T) {
			t.Parallel()
			b := serve(t, c.options)
			b.client = b.dial(t, c.config)
			id := b.start(t, keyed()).JobID
			start, job := standin.StartCallPath, standin.JobPath
			if name == "service" {
				start, job = standin.ServiceStartCallPath, standin.ServiceJobPath
			}
			for _, wrong := range []http.Header{{}, {"Authorization": {"Bearer x.y.z"}}, {"X-Frontend-Id": {frontend}, "X-Api-Key": {"x"}}} {
				want := http.StatusUnauthorized
				if name == "token" && wrong.Get("Authorization") != "" {
					want = http.StatusForbidden
				}
				if resp, text := b.send(t, http.MethodGet, job+id, "", wrong); resp.StatusCode != want {
					t.Errorf("job: got %d %s, want %d", resp.StatusCode, text, want)
				}
				wrong = wrong.Clone()
				wrong.Set("Content-Type", "application/json")
				wrong.Set("X-Tenant-Id", tenant)
				body, err := json.Marshal(validBody())
				if err != nil {
					t.Fatal(err)
				}
				if resp, text := b.send(t, http.MethodPost, start, string(body), wrong); resp.StatusCode != want {
					t.Errorf("start-call: got %d %s, want %d", resp.StatusCode, text, want)
				}
			}
			if resp, _ := b.send(t, http.MethodDelete, job+id, "", http.Header{}); resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("DELETE: got %d", resp.StatusCode)
			}
		})
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	dispatching, finish := make(chan bool), make(chan bool)
	b := serve(t, standin.Options{Secret: secret, DispatchAfter: time.Millisecond, Dispatched: func(standin.Call) string {
		dispatching <- true
		<-finish
		return "log"
	}})
	b.client = b.dial(t, voiceagent.Config{InternalServiceSecret: settings.NewSecret(secret)})
	b.start(t, keyed())
	<-dispatching
	closed := make(chan bool)
	go func() { b.Close(); close(closed) }()
	select {
	case <-closed:
		t.Error("it did not wait for the dispatch")
	case finish <- true:
	}
	<-closed
	if got := b.start(t, keyed()); got.Outcome != followup.CallAccepted || b.Calls("")[0].CallID != "log" {
		t.Errorf("got %+v, booked %+v", got, b.Calls(""))
	}
	if got := b.job(t, b.Calls("")[1].JobID); got.State != voiceagent.JobPending {
		t.Errorf("a call after the end: %+v", got)
	}
}
