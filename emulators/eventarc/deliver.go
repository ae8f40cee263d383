package eventarc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2"
)

// pullStreams is how many streams pull at once: pstest hands each stream one message every 10 ms.
const pullStreams = 4

// receive pulls messages until the bus is closed.
func (b *Bus) receive() {
	subscriber := b.client.Subscriber(b.subscription)
	subscriber.ReceiveSettings.NumGoroutines = pullStreams
	// No limit here: a message that waits for its next try must not keep another from its first.
	subscriber.ReceiveSettings.MaxOutstandingMessages = -1
	subscriber.ReceiveSettings.MaxOutstandingBytes = -1
	// The lease lasts as long as the tries go on.
	subscriber.ReceiveSettings.MaxExtension = b.options.Retention
	if err := subscriber.Receive(b.ctx, b.deliver); err != nil {
		b.log.Error("no more messages can be pulled", "event", "pull_failed", "error", err)
	}
}

// deliver tries a message until it is acknowledged, has expired, or the bus is closed.
func (b *Bus) deliver(ctx context.Context, m *pubsub.Message) {
	log := b.log.With("message_id", m.ID)
	for attempt := 1; ; attempt++ {
		if time.Since(m.PublishTime) >= b.options.Retention {
			log.Warn("the message's retention has passed", "event", "message_expired", "attempts", attempt-1)
			m.Ack()
			return
		}
		fate := b.options.Chaos(m.ID, attempt)
		if fate.Drop {
			log.Warn("chaos lost the message", "event", "message_dropped")
			m.Ack()
			return
		}
		err := b.try(ctx, m, fate)
		if err == nil {
			log.Debug("delivered", "event", "message_delivered", "attempt", attempt)
			m.Ack()
			return
		}
		if ctx.Err() == nil {
			wait := b.options.Retry.delay(attempt)
			log.Warn("the message will be delivered again", "event", "delivery_failed", "attempt", attempt, "again_in", wait, "error", err)
			sleep(ctx, wait)
		}
		if ctx.Err() != nil {
			m.Nack()
			return
		}
	}
}

var errAnswerLost = errors.New("chaos lost the answer")

// try makes one attempt as fate has it. One success among the copies is enough, as each copy has an
// acknowledgement of its own.
func (b *Bus) try(ctx context.Context, m *pubsub.Message, fate Fate) error {
	sleep(ctx, fate.Delay)
	var copies sync.WaitGroup
	var delivered atomic.Bool
	for range fate.Duplicates {
		copies.Go(func() {
			if b.post(ctx, m) == nil {
				delivered.Store(true)
			}
		})
	}
	err := b.post(ctx, m)
	copies.Wait()
	switch {
	case fate.LoseAnswer:
		return errAnswerLost
	case delivered.Load():
		return nil
	default:
		return err
	}
}

// post sends the message once. Only an acknowledging status within the ack deadline is no error.
func (b *Bus) post(ctx context.Context, m *pubsub.Message) error {
	select {
	case b.posts <- struct{}{}:
		defer func() { <-b.posts }()
	case <-ctx.Done():
		return ctx.Err()
	}
	target := b.options.Target()
	if target == "" {
		return errors.New("the function has no address now")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.options.AckDeadline,
		fmt.Errorf("no answer within the ack deadline of %s", b.options.AckDeadline))
	defer cancel()
	request, err := b.request(ctx, target, m)
	if err != nil {
		return err
	}
	response, err := b.http.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return fmt.Errorf("post message %s: %w", m.ID, err)
	}
	defer func() { _ = response.Body.Close() }() // what could not be read is of no use
	// The rest is read so that the connection can be used again; what it says changes nothing.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	if !acknowledges(response.StatusCode) {
		return fmt.Errorf("the function answered %s", response.Status)
	}
	return nil
}

// acknowledges lists what Pub/Sub takes for an acknowledgement; any other status, 2xx included, is a
// refusal (https://cloud.google.com/pubsub/docs/push#receive_push). 102 is on the service's list too,
// but an HTTP client sees it only as an interim answer.
func acknowledges(status int) bool {
	switch status {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
		return true
	default:
		return false
	}
}

// newHTTPClient follows no redirect, since a push counts any 3xx as a refusal, and uses no proxy:
// the function is on this machine.
func newHTTPClient(given *http.Client, connections int) *http.Client {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, IdleConnTimeout: 30 * time.Second}}
	if given != nil {
		*c = *given
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// sleep returns after d or when ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
