package process

import (
	"net"
	"syscall"
	"testing"
)

// Not parallel, as the next: whoever else asked for a port might get this one.
func TestSomebodyWhoListensIsSeen(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if !Listens(t.Context(), address) {
		t.Error("somebody listens")
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if Listens(t.Context(), address) {
		t.Error("nobody listens any more")
	}
}

// The kernel gives the port by lot; asked for, a connection to itself is certain.
func TestAConnectionToItselfIsNobodyAndLeavesThePortFree(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().(*net.TCPAddr)
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	d := net.Dialer{LocalAddr: address, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
	}}
	if listens(t.Context(), d, address.String()) {
		t.Error("a connection to itself is taken for somebody")
	}
	again, err := net.Listen("tcp", address.String())
	if err != nil {
		t.Fatalf("the port is kept: %v", err)
	}
	_ = again.Close() // nobody has connected
}
