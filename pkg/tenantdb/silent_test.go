package tenantdb_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// After a failover, or behind an instance that was frozen, an idle connection says
// nothing any more, not even that it is over. A call that is due must not wait for
// it longer than a moment.
func TestAConnectionThatHasGoneSilentIsGivenUpSoon(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ref := f.Insert(t, dueNow())
	var silent atomic.Bool
	db := f.Open(behindRelay(t, &silent), poolOfOne)
	if _, _, err := db.Booking(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	silent.Store(true)                  // for the connection that there is
	time.Sleep(1100 * time.Millisecond) // pgxpool believes a connection for its first second of idleness
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	b, _, err := db.Booking(ctx, ref)
	if err != nil || b == nil {
		t.Errorf("booking %v, error %v", b, err)
	}
}

// behindRelay has the repository reach the database through a relay. What was
// connected before silent is set is swallowed from then on, and what connects
// later gets through.
func behindRelay(t *testing.T, silent *atomic.Bool) func(*tenantdb.Config) {
	t.Helper()
	return func(c *tenantdb.Config) {
		target, err := url.Parse(c.URL.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := target.Host
		target.Host = listener.Addr().String()
		c.URL = settings.NewSecret(target.String())
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				client, err := listener.Accept()
				if err != nil {
					return // closed
				}
				serving.Go(func() { relayUntilSilent(client, server, silent) })
			}
		})
		t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	}
}

func relayUntilSilent(client net.Conn, server string, silent *atomic.Bool) {
	late := silent.Load()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		_ = client.Close() // as the server's own refusal
		return
	}
	var both sync.WaitGroup
	defer both.Wait()
	pass := func(to io.Writer, from io.Reader) {
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 && (late || !silent.Load()) {
				_, _ = to.Write(buffer[:n]) // whoever has gone is seen by the next read
			}
			if err != nil {
				_ = client.Close() // either end ends both
				_ = upstream.Close()
				return
			}
		}
	}
	both.Go(func() { pass(client, upstream) })
	pass(upstream, client)
}
