package crash_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// throughSeam has a repository reach its database through a proxy that knows
// enough of PostgreSQL's protocol to tell one request from the next.
func throughSeam(t testing.TB, s *seam) tenantdbtest.Option {
	t.Helper()
	return func(c *tenantdb.Config) {
		target, err := url.Parse(c.URL.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		p := &proxy{server: target.Host, seam: s, open: map[net.Conn]struct{}{}}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p.serving.Go(func() { p.accept(listener) })
		t.Cleanup(func() {
			_ = listener.Close() // ends accept
			p.closeAll()
			p.serving.Wait()
		})
		target.Host = listener.Addr().String()
		c.URL = settings.NewSecret(target.String())
	}
}

// poolPing is what the pool asks a connection that was idle for a second.
const poolPing = "-- ping"

type proxy struct {
	server  string
	seam    *seam
	serving sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func (p *proxy) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // closed
		}
		p.serving.Go(func() { p.relay(conn) })
	}
}

// track keeps a connection for closeAll until it is closed.
func (p *proxy) track(conn net.Conn) (closeIt func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[conn] = struct{}{}
	return func() {
		_ = conn.Close() // nobody is left to be told
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, conn)
	}
}

func (p *proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.Close() // ends its relay
	}
}

// relay serves one connection, a request at a time: PostgreSQL answers nothing
// that it was not asked.
func (p *proxy) relay(conn net.Conn) {
	defer p.track(conn)()
	upstream, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer p.track(upstream)()
	l := &line{
		client: bufio.NewReader(conn), toClient: conn,
		server: bufio.NewReader(upstream), toServer: upstream,
		statements: map[string]string{},
	}
	if err := p.start(l); err != nil {
		return
	}
	for {
		request, err := l.read()
		if err != nil || request.ends {
			return // closing the other side tells it
		}
		f, released := letThrough, (<-chan struct{})(nil)
		switch {
		case request.step == poolPing: // whether it comes depends on how long the connection was idle
		case request.counts || p.seam.countsAll():
			f, released = p.seam.at(request.step)
		case p.seam.dead.Load():
			return
		}
		if f.deliver {
			if err := l.ask(request.bytes, f.answer); err != nil {
				return
			}
		}
		p.seam.delivered(f)
		if f.hold {
			<-released
		}
		if !f.answer {
			return
		}
	}
}

// countsAll: connecting and preparing are steps, too.
func (s *seam) countsAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.armed && s.cold
}

// start passes on what comes before the first request.
func (p *proxy) start(l *line) error {
	hello, err := readFrame(l.client, 0)
	if err != nil {
		return err
	}
	const cancelRequest = 80877102 // PostgreSQL, "Message Formats", CancelRequest
	if len(hello) >= 8 && binary.BigEndian.Uint32(hello[4:]) == cancelRequest {
		if p.seam.dead.Load() {
			return io.EOF
		}
		_, err := l.toServer.Write(hello)
		if err == nil {
			err = io.EOF // there is no answer, and nothing follows
		}
		return err
	}
	f, released := letThrough, (<-chan struct{})(nil)
	if p.seam.countsAll() {
		f, released = p.seam.at("connect")
	} else if p.seam.dead.Load() {
		f = cutOff
	}
	if f.deliver {
		err = l.authenticate(hello, f.answer)
	}
	p.seam.delivered(f)
	if f.hold {
		<-released
	}
	if err == nil && !f.answer {
		err = io.EOF
	}
	return err
}

// line is a client's connection and the one to the server.
type line struct {
	client     *bufio.Reader
	toClient   io.Writer
	server     *bufio.Reader
	toServer   io.Writer
	statements map[string]string // prepared ones, by name
}

// request is all that a client sends before it waits for an answer.
type request struct {
	bytes  []byte
	step   string
	counts bool // it carries a statement out, rather than prepare one
	ends   bool
}

// read reads a request: up to Query or Sync.
func (l *line) read() (request, error) {
	var r request
	for {
		message, err := readFrame(l.client, 1)
		if err != nil {
			return r, err
		}
		r.bytes = append(r.bytes, message...)
		body := message[5:]
		switch message[0] {
		case 'X':
			r.ends = true
			return r, nil
		case 'Q':
			r.step, r.counts = title(text(body)), true
			return r, nil
		case 'P':
			name, rest, _ := bytes.Cut(body, []byte{0})
			l.statements[string(name)] = text(rest)
			r.step = "prepare " + title(text(rest))
		case 'B':
			_, rest, _ := bytes.Cut(body, []byte{0}) // the portal
			r.step, r.counts = title(l.statements[text(rest)]), true
		case 'S':
			return r, nil
		}
	}
}

// ask sends a request and reads its answer to the end.
func (l *line) ask(request []byte, passOn bool) error {
	if _, err := l.toServer.Write(request); err != nil {
		return err
	}
	var answer []byte
	for {
		message, err := readFrame(l.server, 1)
		if err != nil {
			return err
		}
		answer = append(answer, message...)
		if message[0] == 'Z' { // ReadyForQuery
			break
		}
	}
	if !passOn {
		return nil
	}
	_, err := l.toClient.Write(answer)
	return err
}

// authenticate brings a client and the server to the first ReadyForQuery. A
// client that is not to hear of it is told all but that.
func (l *line) authenticate(hello []byte, passOn bool) error {
	if _, err := l.toServer.Write(hello); err != nil {
		return err
	}
	for {
		message, err := readFrame(l.server, 1)
		if err != nil {
			return err
		}
		if message[0] == 'Z' && !passOn {
			return nil
		}
		if _, err := l.toClient.Write(message); err != nil {
			return err
		}
		const done, final = 0, 12 // AuthenticationOk, AuthenticationSASLFinal: all others want an answer
		if kind := message[0]; kind == 'Z' {
			return nil
		} else if kind != 'R' || message[8] == done || message[8] == final {
			continue
		}
		reply, err := readFrame(l.client, 1)
		if err != nil {
			return err
		}
		if _, err := l.toServer.Write(reply); err != nil {
			return err
		}
	}
}

// readFrame reads a message with its header: a type, but in the first message,
// and a length that counts itself.
func readFrame(from io.Reader, kind int) ([]byte, error) {
	header := make([]byte, kind+4)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(header[kind:])
	if n < 4 || n > 1<<20 {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	message := append(make([]byte, 0, kind+int(n)), header...)
	message = message[:kind+int(n)]
	_, err := io.ReadFull(from, message[kind+4:])
	return message, err
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// title names a statement shortly.
func title(sql string) string {
	for _, known := range []struct{ part, name string }{
		{"set_config", "bind"}, {"FOR NO KEY UPDATE", "lock booking"}, {"claimed_at = $4", "finish"},
		{"UPDATE followup_bookings", "update"}, {"FROM followup_numbers", "read facts"}, {"FROM followup_tenants", "list tenants"},
		{"ORDER BY", "list candidates"}, {"FROM followup_bookings", "read booking"}, {"clock_timestamp", "read clock"},
	} {
		if strings.Contains(sql, known.part) {
			return known.name
		}
	}
	return sql
}
