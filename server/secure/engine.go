package secure

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/previewd/previewd/server/http1"
	"github.com/previewd/previewd/server/http2"
	"github.com/previewd/previewd/server/message"
)

// Engine is what the connections of one server share. Its exported fields are set before the first connection and
// not changed afterwards.
type Engine struct {
	// HTTP1 and HTTP2 speak on connections whose handshake is over.
	HTTP1 *http1.Engine
	HTTP2 *http2.Engine
	// Timeout bounds the time from the opening of a connection to the end of its handshake.
	Timeout time.Duration
	// Failed is called for each handshake that fails, with a reason of a closed set; it may be nil.
	Failed func(reason string, peer net.Addr, err error)

	once     sync.Once
	refusing *http1.Engine // of clients that speak plain HTTP
}

// Config returns what the connections of a listener are made with: a client is offered HTTP/2 if there is room for another
// connection of it, or if it speaks nothing else and there is some in a while.
func (e *Engine) Config(config *tls.Config) *tls.Config {
	if !slices.Contains(config.NextProtos, "h2") {
		return config
	}
	without := config.Clone()
	without.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(name string) bool { return name == "h2" })
	config = config.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !slices.Contains(hello.SupportedProtos, "h2") {
			return nil, nil
		}
		room, ok := e.HTTP2.TakeRoom(hello.Context(), !slices.Contains(hello.SupportedProtos, "http/1.1"))
		if !ok {
			return without, nil
		}
		hello.Conn.(*socket).room = &room
		return nil, nil
	}
	return config
}

func (e *Engine) prepare() {
	e.once.Do(func() { e.refusing = e.HTTP1.Answering(useHTTPS) })
}

// useHTTPS answers a request that came without TLS to where TLS is spoken.
func useHTTPS(_ context.Context, r *message.Request) message.Response {
	f := &message.Failure{Status: 400, Message: "This port speaks HTTPS", Explain: "Use https instead of http"}
	if host, found := r.Fields.Lookup("Host"); found && strings.HasPrefix(r.Target, "/") {
		f.Explain = "Ask for https://" + message.Latin1(host+r.Target) + " instead"
	}
	return f.Response()
}
