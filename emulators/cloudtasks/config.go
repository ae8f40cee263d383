package cloudtasks

import (
	"math"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// What the service picks for a field that is left out, as `gcloud tasks queues describe` shows it.
const (
	defaultRate         = 500
	defaultConcurrent   = 1000
	defaultMaxAttempts  = 100
	defaultMinBackoff   = 100 * time.Millisecond
	defaultMaxBackoff   = time.Hour
	defaultMaxDoublings = 16
)

// Limits of RateLimits (queue.proto).
const (
	maxRate       = 500
	maxConcurrent = 5000
)

// completeQueue checks the settings of q and fills in the service's defaults, in place. Output-only
// fields are the caller's business.
func completeQueue(q *cloudtaskspb.Queue) error {
	if q.GetAppEngineRoutingOverride() != nil {
		return status.Error(codes.Unimplemented, "queue.app_engine_routing_override: this local server has no App Engine targets")
	}
	if r := q.GetStackdriverLoggingConfig().GetSamplingRatio(); r < 0 || r > 1 {
		return status.Errorf(codes.InvalidArgument, "queue.stackdriver_logging_config.sampling_ratio %v is not between 0.0 and 1.0", r)
	}
	limits, err := completeRateLimits(q.GetRateLimits())
	if err != nil {
		return err
	}
	retry, err := completeRetryConfig("queue.retry_config", q.GetRetryConfig())
	if err != nil {
		return err
	}
	q.RateLimits, q.RetryConfig = limits, retry
	return checkHTTPTarget(q.GetHttpTarget())
}

func completeRateLimits(in *cloudtaskspb.RateLimits) (*cloudtaskspb.RateLimits, error) {
	perSecond, concurrent := in.GetMaxDispatchesPerSecond(), in.GetMaxConcurrentDispatches()
	switch {
	case math.IsNaN(perSecond) || perSecond < 0 || perSecond > maxRate:
		return nil, status.Errorf(codes.InvalidArgument, "queue.rate_limits.max_dispatches_per_second %v is not between 0 and %d", perSecond, maxRate)
	case concurrent < 0 || concurrent > maxConcurrent:
		return nil, status.Errorf(codes.InvalidArgument, "queue.rate_limits.max_concurrent_dispatches %d is not between 0 and %d", concurrent, maxConcurrent)
	}
	if perSecond == 0 {
		perSecond = defaultRate
	}
	if concurrent == 0 {
		concurrent = defaultConcurrent
	}
	return &cloudtaskspb.RateLimits{
		MaxDispatchesPerSecond: perSecond,
		// "generally at least equal to max_dispatches_per_second" (RateLimits.max_burst_size).
		MaxBurstSize:            int32(math.Ceil(perSecond)),
		MaxConcurrentDispatches: concurrent,
	}, nil
}

func completeRetryConfig(field string, in *cloudtaskspb.RetryConfig) (*cloudtaskspb.RetryConfig, error) {
	out := &cloudtaskspb.RetryConfig{}
	if in != nil {
		out = proto.CloneOf(in)
	}
	if out.MaxAttempts < -1 {
		return nil, status.Errorf(codes.InvalidArgument, "%s.max_attempts %d is below -1", field, out.MaxAttempts)
	}
	if out.MaxDoublings < 0 {
		return nil, status.Errorf(codes.InvalidArgument, "%s.max_doublings %d is negative", field, out.MaxDoublings)
	}
	if out.MaxAttempts == 0 {
		out.MaxAttempts = defaultMaxAttempts
	}
	if out.MaxDoublings == 0 {
		out.MaxDoublings = defaultMaxDoublings
	}
	var err error
	if out.MinBackoff, err = wholeSeconds(field+".min_backoff", out.MinBackoff, defaultMinBackoff); err != nil {
		return nil, err
	}
	if out.MaxBackoff, err = wholeSeconds(field+".max_backoff", out.MaxBackoff, defaultMaxBackoff); err != nil {
		return nil, err
	}
	if out.MaxRetryDuration, err = wholeSeconds(field+".max_retry_duration", out.MaxRetryDuration, 0); err != nil {
		return nil, err
	}
	if least, most := out.MinBackoff.AsDuration(), out.MaxBackoff.AsDuration(); least > most {
		return nil, status.Errorf(codes.InvalidArgument, "%s.min_backoff %s is above max_backoff %s", field, least, most)
	}
	return out, nil
}

// wholeSeconds truncates d to the second, as the comments of RetryConfig say. The default itself is
// kept as it is, so that what GetQueue returned can be sent back.
func wholeSeconds(field string, d *durationpb.Duration, unset time.Duration) (*durationpb.Duration, error) {
	if d == nil {
		return durationpb.New(unset), nil
	}
	v := d.AsDuration()
	if d.CheckValid() != nil || v < 0 {
		return nil, status.Errorf(codes.InvalidArgument, "%s is not a valid, non-negative duration", field)
	}
	if v == unset {
		return durationpb.New(v), nil
	}
	return durationpb.New(v.Truncate(time.Second)), nil
}
