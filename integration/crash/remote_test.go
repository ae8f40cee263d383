package crash_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"lad.internal/followup/emulators/cloudtasks"
)

// tasksThroughSeam serves a Cloud Tasks server's API a second time, for the
// victim, and returns its address.
func tasksThroughSeam(t testing.TB, server *cloudtasks.Server, s *seam) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		f, released := s.at(path.Base(info.FullMethod))
		var answer any
		var err error
		if f.deliver {
			answer, err = handle(ctx, req)
		}
		s.delivered(f)
		if f.answer {
			return answer, err
		}
		if f.hold {
			select {
			case <-released:
			case <-ctx.Done(): // the caller has given up
			}
		}
		if s.dead.Load() {
			return nil, status.Error(codes.Canceled, "there is nobody to answer to") // a code that is not tried again
		}
		return nil, status.Error(codes.Unavailable, "the connection broke")
	}))
	server.Register(g)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.Serve(listener) // until it is stopped
	}()
	t.Cleanup(func() {
		g.Stop()
		<-done
	})
	return listener.Addr().String()
}

// agentThroughSeam serves the voice agent a second time, for the victim, and
// returns its URL.
func agentThroughSeam(t testing.TB, agent http.Handler, s *seam) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // only then the end of the connection is seen
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		step := "start-call"
		if r.Method == http.MethodGet {
			step = "ask for the job"
		}
		f, _ := s.at(step)
		answer := httptest.NewRecorder()
		if f.deliver {
			agent.ServeHTTP(answer, r)
		}
		s.delivered(f)
		if f.hold {
			<-r.Context().Done() // the caller's own timeout
		}
		if !f.answer {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // the caller may be gone
	}))
	t.Cleanup(server.Close)
	return server.URL
}
