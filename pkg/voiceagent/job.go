package voiceagent

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// maxJobTimeout bounds the question about a job: an answer that comes later would
// only use up the caller's lease.
const maxJobTimeout = 10 * time.Second

// JobState is what the voice service says of a call that it has accepted.
type JobState string

// The states. Whatever else is answered, or nothing, is JobUnknown.
const (
	JobPending JobState = "pending" // not dispatched yet
	JobRunning JobState = "running" // dispatched
	JobFailed  JobState = "failed"  // the dispatch failed
	JobGone    JobState = "gone"    // 404: the voice service has forgotten it, as it does in a restart
	JobUnknown JobState = "unknown"
)

// JobResult is the answer to one Job.
type JobResult struct {
	State JobState
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// CallLogID is the id of the call's entry in LAD's call log, "" if there is none
	// yet; bounded as Result.CallID is.
	CallLogID string
	// Error is the cause of a failure, if the voice service names one of the contract's.
	Error Code
}

// Job asks, once, what became of an accepted call. It dials nothing, and returns
// within 10 s. Each question counts against the voice service's limit.
func (c *Client) Job(ctx context.Context, creds Credentials, call Call, jobID string) JobResult {
	unknown := JobResult{State: JobUnknown}
	if !creds.ready || parseID(jobID) == "" {
		return unknown
	}
	bearer, err := c.bearer(creds, call)
	if err != nil {
		return unknown
	}
	timeout := min(c.config.Timeout, maxJobTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.config.jobURL(jobID), nil)
	if err != nil {
		return unknown
	}
	c.setHeaders(req.Header, bearer, call)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return unknown
	}
	defer func() { _ = resp.Body.Close() }()
	return readJob(resp)
}

func readJob(resp *http.Response) JobResult {
	result := JobResult{State: JobUnknown, Status: resp.StatusCode}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		result.State = JobGone
		return result
	case resp.StatusCode != http.StatusOK:
		return result
	}
	answered := readAnswer(resp)
	result.CallLogID = string(answered.callID)
	switch state := JobState(answered.status); state {
	case JobPending, JobRunning:
		result.State = state
	case JobFailed:
		result.State = state
		result.Error = answered.code
	default: // JobUnknown
	}
	return result
}
