package process

import (
	"context"
	"errors"
	"net"
	"os"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// Unprivileged is whom root lets a server run as that refuses to run as root. It is
// nil for anybody else.
func Unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		// 64 bits, since macOS's nobody is -2.
		uid, uidErr := strconv.ParseInt(account.Uid, 10, 64)
		gid, gidErr := strconv.ParseInt(account.Gid, 10, 64)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("the server refuses to run as root, and this machine has neither a user postgres nor nobody to run it as: add one (useradd --system postgres), or run as an ordinary user")
}

// FreePort is a port of 127.0.0.1 that nobody listens on just now.
func FreePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

// Tail keeps the end of what is written to it: a program's last words.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	const most = 2000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

// String is what it has kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
