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
// without TLS: curl --http1.0 names nothing else.
func Listen(l net.Listener, config *tls.Config) *Listener {
	if slices.Contains(config.NextProtos, "http/1.1") {
		config = config.Clone()
		config.NextProtos = append(slices.Clip(config.NextProtos), "http/1.0") // the least preferred
	}
	return &Listener{l, config}
}
