package eventarc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// SweepTick is the message that Cloud Scheduler publishes.
const SweepTick = `{"type":"followup.sweep"}`

// Bus is a running topic with its trigger. It is safe for concurrent use.
type Bus struct {
	options      Options
	log          *slog.Logger
	topic        string // projects/P/topics/T
	subscription string // projects/P/subscriptions/S

	server    *pstest.Server
	client    *pubsub.Client
	publisher *pubsub.Publisher
	posts     chan struct{} // one element per POST under way
	http      *http.Client

	ctx     context.Context // ends the deliveries and the ticks
	cancel  context.CancelFunc
	running sync.WaitGroup
	closing func() error
}

// Start serves a topic on a free port of 127.0.0.1 and delivers what is published to it, until Close
// is called or ctx is done.
func Start(ctx context.Context, options Options) (*Bus, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Bus{
		options:      options,
		log:          options.Logger,
		topic:        fmt.Sprintf("projects/%s/topics/%s", options.ProjectID, options.Topic),
		subscription: fmt.Sprintf("projects/%s/subscriptions/eventarc-%s", options.ProjectID, options.Topic),
		server:       pstest.NewServerWithAddress("127.0.0.1:0"),
		posts:        make(chan struct{}, options.MaxOutstanding),
		http:         newHTTPClient(options.HTTPClient, options.MaxOutstanding),
	}
	if err := b.connect(ctx); err != nil {
		return nil, errors.Join(err, b.server.Close())
	}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.closing = sync.OnceValue(b.shutDown)
	b.running.Go(b.receive)
	context.AfterFunc(ctx, func() { _ = b.Close() }) // never withdrawn: Close does its work once
	return b, nil
}

func (b *Bus) connect(ctx context.Context) error {
	client, err := pubsub.NewClient(ctx, b.options.ProjectID,
		option.WithEndpoint(b.server.Addr),
		option.WithoutAuthentication(),
		option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		return fmt.Errorf("connect to Pub/Sub at %s: %w", b.server.Addr, err)
	}
	if _, err := client.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: b.topic}); err != nil {
		return errors.Join(fmt.Errorf("create topic %s: %w", b.topic, err), client.Close())
	}
	if _, err := client.SubscriptionAdminClient.CreateSubscription(ctx, &pubsubpb.Subscription{
		Name: b.subscription, Topic: b.topic,
	}); err != nil {
		return errors.Join(fmt.Errorf("create subscription %s: %w", b.subscription, err), client.Close())
	}
	b.client, b.publisher = client, client.Publisher(b.topic)
	b.publisher.PublishSettings.CountThreshold = 1 // a booking's event waits for no other
	return nil
}

// Addr is the host:port of the Pub/Sub API, without TLS: the value of PUBSUB_EMULATOR_HOST.
func (b *Bus) Addr() string { return b.server.Addr }

// Topic is the topic's full name, projects/P/topics/T.
func (b *Bus) Topic() string { return b.topic }

// Publish publishes a message and returns the id that the server gave it. Anybody else may publish
// at Addr as well.
func (b *Bus) Publish(ctx context.Context, data []byte, attributes map[string]string) (string, error) {
	id, err := b.publisher.Publish(ctx, &pubsub.Message{Data: data, Attributes: attributes}).Get(ctx)
	if err != nil {
		return "", fmt.Errorf("publish to %s: %w", b.topic, err)
	}
	return id, nil
}

// Tick publishes SweepTick at every interval from now on, until the bus is closed. Like
// time.NewTicker it panics if the interval is not positive.
func (b *Bus) Tick(every time.Duration) {
	ticker := time.NewTicker(every)
	b.running.Go(func() {
		defer ticker.Stop()
		for {
			select {
			case <-b.ctx.Done():
				return
			case <-ticker.C:
			}
			if _, err := b.Publish(b.ctx, []byte(SweepTick), nil); err != nil && b.ctx.Err() == nil {
				b.log.Warn("the sweep's tick could not be published", "event", "tick_failed", "error", err)
			}
		}
	})
}

// Close aborts the deliveries under way, whose messages are lost with the server, and returns when
// everything has ended. It may be called more than once.
func (b *Bus) Close() error { return b.closing() }

func (b *Bus) shutDown() error {
	b.cancel()
	b.running.Wait()
	b.publisher.Stop()
	b.http.CloseIdleConnections()
	err := b.client.Close()
	if closeErr := b.server.Close(); closeErr != nil {
		err = errors.Join(err, closeErr)
	}
	if err != nil {
		return fmt.Errorf("close topic %s: %w", b.topic, err)
	}
	return nil
}
