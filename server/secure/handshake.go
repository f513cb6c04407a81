package secure

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// The reasons for which handshakes fail: a closed set, as they are the values of a label.
const (
	PlainHTTP   = "plain_http"   // the client speaks HTTP without TLS
	NotTLS      = "not_tls"      // it speaks neither
	TooSlow     = "timeout"      // it took longer than HeaderTimeout
	WentAway    = "closed"       // it closed the connection
	ClientAlert = "client_alert" // it refused, as a certificate that it does not trust
	NoProtocol  = "no_protocol"  // none of the protocols that it names in ALPN is offered
	NoVersion   = "no_version"   // none of its versions of TLS is spoken
	NoCipher    = "no_cipher"    // none of its cipher suites, curves or signature algorithms is
	OtherReason = "other"
)

// said are beginnings of the errors that crypto/tls has no types for.
var said = []struct{ text, reason string }{
	{"tls: client requested unsupported application protocols", NoProtocol},
	{"tls: client offered only unsupported versions", NoVersion},
	{"tls: no cipher suite supported by both", NoCipher},
	{"tls: no key exchanges supported by both", NoCipher},
	{"tls: no ECDHE curve supported by both", NoCipher},
	{"tls: peer doesn't support any of the certificate's signature algorithms", NoCipher},
}

// reasonOf sorts the error of a handshake.
func reasonOf(err error) string {
	var foreign tls.RecordHeaderError
	var network *net.OpError
	switch {
	case errors.As(err, &foreign):
		if foreign.Conn != nil && beginsLikeHTTP(foreign.RecordHeader) {
			return PlainHTTP
		}
		return NotTLS
	case errors.Is(err, os.ErrDeadlineExceeded):
		return TooSlow
	case errors.As(err, &network) && network.Op == "remote error":
		return ClientAlert
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return WentAway
	}
	for _, s := range said {
		if strings.HasPrefix(err.Error(), s.text) {
			return s.reason
		}
	}
	return OtherReason
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
