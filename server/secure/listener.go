package secure

import (
	"crypto/tls"
	"net"
	"slices"
)

// Listener is a listener on whose connections TLS is to be spoken. Its Accept returns them as they are: the
// handshake is the business of a Conn, so that no client keeps others out.
type Listener struct {
	net.Listener
	Config *tls.Config
}

// Listen returns a Listener. Where config offers http/1.1, a client of http/1.0 alone is served too, as it is
// without TLS: curl --http1.0 names nothing else. Where config names no cipher suites of TLS 1.2, they are cipherSuites.
func Listen(l net.Listener, config *tls.Config) *Listener {
	config = config.Clone()
	if slices.Contains(config.NextProtos, "http/1.1") {
		config.NextProtos = append(slices.Clip(config.NextProtos), "http/1.0") // the least preferred
	}
	if config.CipherSuites == nil {
		config.CipherSuites = cipherSuites()
	}
	return &Listener{l, config}
}

// cipherSuites are those of TLS 1.2 with forward secrecy and authenticated encryption. Those with CBC, which Go offers
// too, have a history of attacks on their padding, and HTTP/2 prohibits them (RFC 9113, appendix A). TLS 1.3 has none, and
// its own are not chosen here.
func cipherSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}
