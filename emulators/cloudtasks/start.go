package cloudtasks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
)

// Running is a Server that listens on this machine: the API on one free port, its keys on another.
type Running struct {
	*Server
	// Addr is host:port of the gRPC API, without TLS.
	Addr string
	// Issuer is the iss claim of the tokens.
	Issuer string
	// CertsURL is where the JWKS is served.
	CertsURL string

	keys    *http.Server
	serving sync.WaitGroup
	closing sync.Once
}

// Start serves a new Server on 127.0.0.1 until Close is called or ctx is done. Without Options.Issuer
// the issuer is the address of the key server.
func Start(ctx context.Context, o Options) (*Running, error) {
	var lc net.ListenConfig
	keys, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the JWKS: %w", err)
	}
	api, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Cloud Tasks API: %w", errors.Join(err, keys.Close()))
	}
	base := "http://" + keys.Addr().String()
	if o.Issuer == "" {
		o.Issuer = base
	}
	srv, err := NewServer(o)
	if err != nil {
		return nil, errors.Join(err, keys.Close(), api.Close())
	}
	r := &Running{
		Server: srv, Addr: api.Addr().String(), Issuer: o.Issuer, CertsURL: base + CertsPath,
		keys: &http.Server{Handler: srv.JWKSHandler(), ReadHeaderTimeout: 10 * time.Second},
	}
	r.serving.Go(func() { r.report("cloudtasks.api", srv.Serve(api)) })
	r.serving.Go(func() { r.report("cloudtasks.keys", r.keys.Serve(keys)) })
	context.AfterFunc(ctx, r.Close) // never withdrawn: Close does its work once
	return r, nil
}

func (r *Running) report(part string, err error) {
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, errClosed) {
		r.log.Error(part, "error", err.Error())
	}
}

// CreateQueue creates the queue that q.Name names, as the RPC does, with its location as the parent.
func (r *Running) CreateQueue(ctx context.Context, q *cloudtaskspb.Queue) (*cloudtaskspb.Queue, error) {
	location, err := locationOf("queue.name", q.GetName())
	if err != nil {
		return nil, err
	}
	return r.Server.CreateQueue(ctx, &cloudtaskspb.CreateQueueRequest{Parent: location, Queue: q})
}

// Close stops both listeners and the Server; see Server.Close. It may be called more than once.
func (r *Running) Close() {
	r.closing.Do(func() {
		_ = r.keys.Close() // only ever the listener's close, which nobody can act on
		r.Server.Close()
		r.serving.Wait()
	})
}
