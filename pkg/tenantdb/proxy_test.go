package tenantdb_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// fate is what a proxy makes of a COMMIT before it ends both connections.
type fate struct {
	deliver bool                    // the server gets it, and its answer is lost
	answer  *pgproto3.ErrorResponse // what the client gets, as if its connection went on; nil: nothing
}

// behindProxy has the repository reach the database through a proxy that does
// to every COMMIT what the fate says.
func behindProxy(t *testing.T, doom fate) tenantdbtest.Option {
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
		p := proxy{t: t, server: target.Host, doom: doom}
		var serving sync.WaitGroup
		serving.Go(func() {
			for {
				client, err := listener.Accept()
				if err != nil {
					return
				}
				serving.Go(func() { p.relay(client) })
			}
		})
		t.Cleanup(func() {
			_ = listener.Close() // ends Accept
			serving.Wait()       // the pool, closed before this, has ended its connections
		})
		target.Host = listener.Addr().String()
		c.URL = settings.NewSecret(target.String())
	}
}

type proxy struct {
	t      *testing.T
	server string
	doom   fate
}

func (p proxy) relay(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		p.t.Error(err)
		return
	}
	var cut atomic.Bool
	answered := make(chan struct{})
	var answers sync.WaitGroup
	answers.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if cut.Load() { // the client, which waits for nothing else, is not told
				close(answered)
				return
			}
			if _, failed := client.Write(buffer[:n]); err != nil || failed != nil {
				_ = client.Close() // ends forward
				return
			}
		}
	})
	committing := p.forward(client, server)
	if committing != nil {
		cut.Store(true)
		p.decide(client, server, committing, answered)
	}
	_ = server.Close() // ends the answers
	answers.Wait()
	_ = client.Close() // the cut itself
}

// forward passes on what the client says until it says COMMIT, which it returns,
// or nothing more.
func (p proxy) forward(client io.Reader, server io.Writer) (commit []byte) {
	const startup, typed = 4, 5 // lengths of headers (PostgreSQL, "Message Formats")
	for header := startup; ; header = typed {
		message := make([]byte, header)
		if _, err := io.ReadFull(client, message); err != nil {
			return nil
		}
		body := make([]byte, binary.BigEndian.Uint32(message[header-4:])-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return nil
		}
		message = append(message, body...) //nolint:makezero // the header is full, the body comes behind it
		if header == typed && message[0] == 'Q' && string(body) == "commit\x00" {
			return message
		}
		if _, err := server.Write(message); err != nil {
			return nil
		}
	}
}

func (p proxy) decide(client io.Writer, server io.Writer, commit []byte, answered <-chan struct{}) {
	if p.doom.deliver {
		if _, err := server.Write(commit); err != nil {
			p.t.Error(err)
		}
		<-answered
	}
	if p.doom.answer == nil {
		return
	}
	message, err := p.doom.answer.Encode(nil)
	if err == nil {
		message, err = (&pgproto3.ReadyForQuery{TxStatus: 'I'}).Encode(message)
	}
	if err == nil {
		_, err = client.Write(message)
	}
	if err != nil {
		p.t.Error(err)
	}
}
