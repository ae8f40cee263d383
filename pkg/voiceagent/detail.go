package voiceagent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Code is a cause that the voice agent names: one of those below, or "". Another
// text of the voice agent is nobody's code: it might be a lead's name.
type Code string

// codes are the causes that are passed on (docs/voice-agent.md).
var codes = map[Code]bool{
	upgradeRequired: true, "dispatch_failed": true, "insufficient_credits": true, "internal_error": true,
	"invalid_agent": true, "invalid_number": true, "invalid_request": true, "no_agent": true, "no_carrier": true,
	"no_trunk": true, "not_found": true, "rate_limited": true, "timeout": true, "unauthorized": true,
}

const upgradeRequired Code = "upgrade_required"

func asCode(v any) Code {
	text, _ := v.(string)
	if code := Code(text); codes[code] {
		return code
	}
	return ""
}

// describe says what an answer was, without a word of it.
func describe(resp *http.Response, a answer, note string) string {
	text := strings.TrimSpace(fmt.Sprintf("the voice agent answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	if note != "" {
		text += ": " + note
	}
	body := "no body"
	switch {
	case a.length >= maxBodyBytes:
		body = fmt.Sprintf("%d bytes or more of %s", maxBodyBytes, mediaOf(resp))
	case a.length > 0:
		body = fmt.Sprintf("%d bytes of %s", a.length, mediaOf(resp))
	}
	if a.code != "" {
		body = string(a.code) + ", " + body
	}
	return text + " (" + body + ")"
}

// mediaOf names the types that answers have.
func mediaOf(resp *http.Response) string {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case media == "application/json", media == "text/html", media == "text/plain", media == "application/problem+json":
		return media
	case err != nil:
		return "no type"
	default:
		return "another type"
	}
}

// failure says why there was no answer, of a closed set: an error of net/http may
// quote what the other side has sent.
func failure(ctx context.Context, timeout time.Duration, err error) string {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		network     net.Error
	)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", timeout)
	case ctx.Err() != nil:
		return "the request was cancelled"
	case errors.As(err, &dns):
		return "the lookup of its host failed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.As(err, &certificate):
		return "its certificate is not trusted"
	case errors.As(err, &record), errors.As(err, &alert):
		return "the TLS handshake failed"
	case errors.As(err, &network) && network.Timeout():
		return "the connection took too long"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended"
	default:
		return "a connection or an answer that is not HTTP"
	}
}
