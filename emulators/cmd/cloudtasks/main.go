// Command cloudtasks serves a local Cloud Tasks (see package cloudtasks) until it is
// interrupted.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"lad.internal/followup/emulators/cloudtasks"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := run(ctx, os.Args[1:], log)
	stop()
	if err != nil {
		log.Error("cloudtasks", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("cloudtasks", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8123", "where the gRPC API listens, without TLS")
	keys := flags.String("keys", "127.0.0.1:8124", "where the keys of the OIDC tokens are served")
	issuer := flags.String("issuer", "", "the tokens' iss claim (default: the address of the keys)")
	var queues []string
	flags.Func("queue", "create this queue (projects/P/locations/L/queues/Q); may be repeated", func(name string) error {
		queues = append(queues, name)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, err := cloudtasks.StartOn(ctx, *listen, *keys, cloudtasks.Options{Issuer: *issuer, Logger: log})
	if err != nil {
		return err
	}
	defer server.Close()
	for _, name := range queues {
		if _, err := server.CreateQueue(ctx, &cloudtaskspb.Queue{Name: name}); err != nil {
			return err
		}
	}
	log.Info("ready", "api", server.Addr, "issuer", server.Issuer, "keys", server.CertsURL)
	<-ctx.Done()
	return nil
}
