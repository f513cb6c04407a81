package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/previewd/previewd/server/message"
)

// The reasons for which handshakes fail: a closed set, as they are the values of a label.
const (
	plainHTTP   = "plain_http"   // the client speaks HTTP without TLS
	notTLS      = "not_tls"      // it speaks neither
	tooSlow     = "timeout"      // it took longer than HeaderTimeout
	wentAway    = "closed"       // it closed the connection
	clientAlert = "client_alert" // it refused, as a certificate that it does not trust
	noProtocol  = "no_protocol"  // none of the protocols that it names in ALPN is offered
	noVersion   = "no_version"   // none of its versions of TLS is spoken
	noCipher    = "no_cipher"    // none of its cipher suites, curves or signature algorithms is
	otherReason = "other"
)

// said are beginnings of the errors that crypto/tls has no types for.
var said = []struct{ text, reason string }{
	{"tls: client requested unsupported application protocols", noProtocol},
	{"tls: client offered only unsupported versions", noVersion},
	{"tls: no cipher suite supported by both", noCipher},
	{"tls: no key exchanges supported by both", noCipher},
	{"tls: no ECDHE curve supported by both", noCipher},
	{"tls: peer doesn't support any of the certificate's signature algorithms", noCipher},
}

// reasonOf sorts the error of a handshake.
func reasonOf(err error) string {
	var foreign tls.RecordHeaderError
	var network *net.OpError
	switch {
	case errors.As(err, &foreign):
		if foreign.Conn != nil && beginsLikeHTTP(foreign.RecordHeader) {
			return plainHTTP
		}
		return notTLS
	case errors.Is(err, os.ErrDeadlineExceeded):
		return tooSlow
	case errors.As(err, &network) && network.Op == "remote error":
		return clientAlert
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return wentAway
	}
	for _, s := range said {
		if strings.HasPrefix(err.Error(), s.text) {
			return s.reason
		}
	}
	return otherReason
}

// beginsLikeHTTP says whether the first bytes of a connection begin a request line: a method, and perhaps
// the blank and the target behind it. Methods are of capital letters, all that are in use.
func beginsLikeHTTP(start [5]byte) bool {
	for i, c := range start {
		if c < 'A' || c > 'Z' {
			return i > 1 && c == ' '
		}
	}
	return true
}

// useHTTPS answers a request that came without TLS to where TLS is spoken.
func useHTTPS(_ context.Context, r *message.Request) message.Response {
	f := &message.Failure{Status: 400, Message: "This port speaks HTTPS", Explain: "Use https in place of http"}
	if host, found := r.Fields.Lookup("Host"); found && strings.HasPrefix(r.Target, "/") {
		f.Explain = "Ask for https://" + message.Latin1(host+r.Target) + " instead"
	}
	return f.Response()
}
