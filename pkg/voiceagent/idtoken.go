package voiceagent

import (
	"context"
	"fmt"

	"google.golang.org/api/idtoken"
)

// IDTokens fetches a Google ID token for the configured audience. It may cache:
// it is asked before every call.
type IDTokens func(ctx context.Context) (string, error)

// googleIDTokens uses the service account of the machine or of the environment's
// credentials. It fetches the first token at once, so that a missing permission
// stops the process at start and not the first call.
func googleIDTokens(ctx context.Context, audience string) (IDTokens, error) {
	// The source keeps its context for later refreshes, which outlive the start.
	background := context.WithoutCancel(ctx)
	fetch, err := bounded(ctx, func() (func() (string, error), error) {
		source, err := idtoken.NewTokenSource(background, audience)
		if err != nil {
			return nil, err
		}
		return func() (string, error) {
			token, err := source.Token()
			if err != nil {
				return "", err
			}
			return token.AccessToken, nil // where oauth2 keeps an ID token, too
		}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("VOICE_AGENT_AUDIENCE is set, but no ID token can be made for it (run as a service account, or unset it): %w", err)
	}
	return func(ctx context.Context) (string, error) { return bounded(ctx, fetch) }, nil
}

// bounded ends waiting for f when ctx ends: oauth2's Token takes no context. The
// goroutine left behind ends with the library's own timeouts.
func bounded[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
