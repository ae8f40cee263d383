package wire_test

import (
	"net"
	"sync"
	"testing"
	"time"
)

// fault is what a proxy does to the connections through it. The zero value is
// none.
type fault struct {
	name string
	// latency delays everything, each way.
	latency time.Duration
	// cut ends all connections, and new ones at once.
	cut bool
	// halfOpen accepts and says nothing, and goes silent on what is open. A
	// connection that has met it is cut in the end.
	halfOpen bool
	// lateEnd ends the server's side of all connections, or of the next one that is
	// used if none is open, and tells a side that the other has ended so much later.
	lateEnd time.Duration
	// limited cuts a connection once so many bytes have gone up, to the server, or
	// down.
	limited  bool
	up, down int
	lasting  bool // only a connection of many requests comes to the limit
}

// cuts: the fault ends connections that are in use.
func (f fault) cuts() bool { return f.cut || f.limited || f.lateEnd > 0 }

const unlimited = 1 << 30

var faults = []fault{
	{name: "latency", latency: 40 * time.Millisecond},
	{name: "cut", cut: true},
	{name: "half-open", halfOpen: true},
	{name: "slow close", lateEnd: 700 * time.Millisecond},
	{name: "nothing gets to the server", limited: true, up: 0, down: unlimited},
	{name: "a request is cut in its middle", limited: true, up: 100, down: unlimited},
	{name: "no answer gets back", limited: true, up: unlimited, down: 0},
	{name: "an answer is cut in its middle", limited: true, up: unlimited, down: 60},
	{name: "every connection ends after a while", limited: true, up: 1500, down: 1500, lasting: true},
}

// proxy passes TCP connections on to a server, as well as its fault lets it.
type proxy struct {
	server  string
	address string
	ln      net.Listener
	serving sync.WaitGroup

	mu    sync.Mutex
	fault fault
	links map[*link]struct{}
	cuts  int  // connections that a fault has ended
	seen  int  // pieces of data that have met a fault
	owed  bool // the fault is to end a connection, and none was open
}

// link is one connection through a proxy.
type link struct {
	client, server *net.TCPConn
	ended          chan struct{}
	once           sync.Once
	silenced       bool
	passed         [2]int // bytes up and down under a limit
}

const (
	up = iota
	down
)

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: server, address: ln.Addr().String(), ln: ln, links: map[*link]struct{}{}}
	p.serving.Go(p.accept)
	t.Cleanup(func() {
		_ = ln.Close() // ends accept
		p.each(p.end)
		p.serving.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return // closed
		}
		p.serving.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// serve relays a connection to its end.
func (p *proxy) serve(client *net.TCPConn) {
	upstream, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close() // as the server's own refusal
		return
	}
	l := &link{client: client, server: upstream.(*net.TCPConn), ended: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = struct{}{}
	cut := p.fault.cut
	p.mu.Unlock()
	if cut {
		p.reset(l)
	}
	p.serving.Go(func() { p.relay(l, l.server, l.client, down) })
	p.relay(l, l.client, l.server, up)
}

// relay passes on one direction until either side ends.
func (p *proxy) relay(l *link, from, to *net.TCPConn, way int) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.pass(l, to, way, buffer[:n]) {
			return
		}
		if err != nil {
			p.endLate(l)
			return
		}
	}
}

// endLate ends a link of which one side has ended.
func (p *proxy) endLate(l *link) {
	p.mu.Lock()
	d := p.fault.lateEnd
	p.mu.Unlock()
	if d == 0 || l.wait(d) {
		p.end(l)
	}
}

// pass passes data on, and reports false if the link is over.
func (p *proxy) pass(l *link, to *net.TCPConn, way int, data []byte) bool {
	p.mu.Lock()
	f := p.fault
	if f.name != "" {
		p.seen++
	}
	l.silenced = l.silenced || f.halfOpen
	left := len(data)
	if f.limited {
		left = [2]int{f.up, f.down}[way] - l.passed[way]
		l.passed[way] += len(data)
	}
	endNow := p.owed && way == up
	if endNow {
		p.owed = false
	}
	p.mu.Unlock()
	if f.halfOpen {
		<-l.ended
		return false
	}
	if f.latency > 0 && !l.wait(f.latency) {
		return false
	}
	if left < len(data) {
		_, _ = to.Write(data[:max(left, 0)]) // it is cut next
		p.reset(l)
		return false
	}
	if _, err := to.Write(data); err != nil {
		p.endLate(l)
		return false
	}
	if endNow {
		p.endServer(l)
	}
	return true
}

// wait reports false if the link ends first.
func (l *link) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ended:
		return false
	}
}

// reset ends a link so that both sides are told of a broken connection.
func (p *proxy) reset(l *link) {
	_ = l.client.SetLinger(0) // it may be closed already
	_ = l.server.SetLinger(0)
	p.mu.Lock()
	p.cuts++
	p.mu.Unlock()
	p.end(l)
}

func (p *proxy) end(l *link) {
	l.once.Do(func() {
		close(l.ended)
		_ = l.client.Close() // whichever side is still there is told
		_ = l.server.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	})
}

// each does something to every link.
func (p *proxy) each(do func(*link)) {
	p.mu.Lock()
	all := make([]*link, 0, len(p.links))
	for l := range p.links {
		all = append(all, l)
	}
	p.mu.Unlock()
	for _, l := range all {
		do(l)
	}
}

// inject begins a fault.
func (p *proxy) inject(f fault) {
	p.mu.Lock()
	p.fault = f
	p.mu.Unlock()
	switch {
	case f.cut:
		p.each(p.reset)
	case f.lateEnd > 0:
		p.each(p.endServer)
		p.mu.Lock()
		p.owed = p.cuts == 0
		p.mu.Unlock()
	}
}

// endServer ends a link's server side. Its relay sees that, and ends the other.
func (p *proxy) endServer(l *link) {
	p.mu.Lock()
	p.cuts++
	p.mu.Unlock()
	_ = l.server.Close() // it may be closed already
}

// heal ends the fault.
func (p *proxy) heal() {
	p.mu.Lock()
	p.fault, p.owed = fault{}, false
	p.mu.Unlock()
	p.each(func(l *link) {
		p.mu.Lock()
		silenced := l.silenced
		p.mu.Unlock()
		if silenced {
			p.reset(l)
		}
	})
}

// cutOff is how many connections a fault has ended.
func (p *proxy) cutOff() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// metBy: the fault has met somebody at work.
func (p *proxy) metBy(f fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts > 0 || p.seen > 0 && !f.cuts()
}
