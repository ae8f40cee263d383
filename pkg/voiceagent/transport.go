package voiceagent

import (
	"net"
	"net/http"
	"time"
)

const (
	// connectTimeout bounds the TCP connect and, apart, the TLS handshake. Running
	// into it is a CallNotStarted; running into Config.Timeout later is a CallUnknown.
	connectTimeout = 10 * time.Second
	// maxHeaderBytes and maxBodyBytes bound what is read of an answer.
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 64 << 10
)

// newTransport returns a transport that sends a request once or not at all.
//
// net/http by itself repeats a POST that carries an Idempotency-Key when a reused
// connection breaks (http.Transport's documentation), and its HTTP/2 has retries of
// its own. So every request gets a connection of its own, and ALPN offers http/1.1
// alone. A proxy would put a second party between "connected" and the voice agent.
func newTransport() *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		DisableKeepAlives:      true,
		DisableCompression:     true, // the bound on the body is a bound on what is read
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              &http1,
	}
}
