package process

import (
	"context"
	"net"
)

// Listens reports whether somebody listens at a TCP address of this machine.
//
// A port that is free may be one of those that the kernel gives to connections.
// Then whoever asks again and again whether it is in use connects, once in a
// while, to itself (RFC 9293, section 3.5, simultaneous open), and takes that for
// an answer while it keeps the port from the one who is waited for.
func Listens(ctx context.Context, address string) bool { return listens(ctx, net.Dialer{}, address) }

func listens(ctx context.Context, d net.Dialer, address string) bool {
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	itself := conn.LocalAddr().String() == conn.RemoteAddr().String()
	if tcp, ok := conn.(*net.TCPConn); ok && itself {
		_ = tcp.SetLinger(0) // else the port is kept for a minute more
	}
	_ = conn.Close() // nothing was sent
	return !itself
}
