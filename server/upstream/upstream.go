package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

const (
	// dialTimeout bounds the making of a connection, and that of TLS on it.
	dialTimeout = 10 * time.Second
	// idleTimeout is how long a connection is kept for the next request. Node and uvicorn close one after 5 s, and a
	// request that crosses the end on its way fails.
	idleTimeout = 4 * time.Second
	// maxConnections is how many requests a server is sent at the same time, and maxIdle how many connections are kept.
	// Further requests wait. Tunnels do not count.
	maxConnections, maxIdle = 512, 64
	// maxHead bounds the head of an answer, in bytes.
	maxHead = 256 << 10
	// cost is what a request to a server holds at the least, in bytes: a connection of net/http with its two goroutines, the
	// heads, and small buffers.
	cost = 24 << 10
	// largeShare is the share of the budget that large buffers may take.
	largeShare = 8
)

// Options says which servers there are, and how they are asked.
type Options struct {
	// Routes are the paths that other servers answer for.
	Routes []Route
	// Origins are servers that Fetch may ask: URLs without a path.
	Origins []string
	// KeepHost sends the client's Host field, and not the server's.
	KeepHost bool
	// Timeout is how long a server may send and take no byte.
	Timeout time.Duration
	// Roots are the certificates that servers of https are judged by; nil are the system's.
	Roots *x509.CertPool
	// Trusted says whether forwarding fields are believed that come from an address; nil trusts none.
	Trusted func(netip.Addr) bool

	// Budget is what a request takes from as long as it is under way; nil has no limit.
	Budget *budget.Budget

	// Started is called for each request that a server is to be asked, Switched when it has become a tunnel, and Ended at
	// its end. Each may be nil.
	Started, Switched func(server string)
	Ended             func(Outcome)
}

// Route is a path, with all below it, that another server answers for.
type Route struct {
	// Prefix is a plain URL path, such as /api.
	Prefix string
	// Target is the URL of the server. If it has a path, that stands in place of Prefix in what the server is asked for.
	Target string
}

// Outcome is what has become of a request to another server.
type Outcome struct {
	// Server is its origin as it is configured.
	Server string
	// Status is the status code that it answered with, 0 if it did not.
	Status int
	// Duration is the time from the request to the last byte of the answer.
	Duration time.Duration
	// Sent counts the bytes of content that it sent, Received those that it got; in a tunnel all bytes.
	Sent, Received int64
	// Tunnel is set where the request has become one.
	Tunnel bool
}

// Upstreams are the other servers.
type Upstreams struct {
	opts      Options
	transport *http.Transport
	routes    []*route
	origins   []*server
	room      *budget.Budget // of large buffers
}

// New returns the servers of opts. Nothing is asked of them yet.
func New(opts Options) (*Upstreams, error) {
	u := &Upstreams{opts: opts}
	if opts.Budget != nil {
		_, limit := opts.Budget.Use()
		u.room = opts.Budget.Part(limit / largeShare)
	}
	for _, r := range opts.Routes {
		parsed, err := parseRoute(r.Prefix, r.Target)
		if err != nil {
			return nil, err
		}
		u.routes = append(u.routes, parsed)
	}
	byLength(u.routes)
	for _, origin := range opts.Origins {
		s, _, err := parseServer(origin)
		if err != nil {
			return nil, err
		}
		u.origins = append(u.origins, s)
	}
	u.transport = &http.Transport{
		// No proxy is asked: these servers are near.
		DialContext:            dialing(&net.Dialer{Timeout: dialTimeout}),
		TLSClientConfig:        &tls.Config{RootCAs: opts.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		TLSHandshakeTimeout:    dialTimeout,
		DisableCompression:     true, // what the client accepts is the client's business
		MaxIdleConns:           maxConnections,
		MaxIdleConnsPerHost:    maxIdle,
		MaxConnsPerHost:        maxConnections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHead,
	}
	return u, nil
}

// Names are the servers by the names that Outcome has, each once.
func (u *Upstreams) Names() []string {
	var names []string
	for _, r := range u.routes {
		names = append(names, r.server.name)
	}
	for _, s := range u.origins {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Ports are the TCP ports of the servers, each once.
func (u *Upstreams) Ports() []uint16 {
	var ports []uint16
	add := func(s *server) {
		authority := withPort(s.scheme, s.host)
		// An error means that it is no port, to which nothing connects.
		if n, err := strconv.ParseUint(authority[strings.LastIndexByte(authority, ':')+1:], 10, 16); err == nil {
			ports = append(ports, uint16(n))
		}
	}
	for _, r := range u.routes {
		add(r.server)
	}
	for _, s := range u.origins {
		add(s)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Close closes the connections that no request uses.
func (u *Upstreams) Close() { u.transport.CloseIdleConnections() }

// Handler answers the paths of Routes, and leaves all others to next. The longest prefix counts.
func (u *Upstreams) Handler(next message.Handler) message.Handler {
	if len(u.routes) == 0 {
		return next
	}
	return func(ctx context.Context, r *message.Request) message.Response {
		for _, route := range u.routes {
			rest, found := route.cut(r.Target)
			if !found || r.Method == "CONNECT" {
				continue
			}
			if len(route.segments)+len(route.path) > 0 && climbs(rest) {
				return (&message.Failure{Status: 400, Message: "The path leads out of " + route.prefix + "/"}).Response()
			}
			return u.ask(ctx, r, route, route.target(r.Target, rest))
		}
		return next(ctx, r)
	}
}

// Fetch asks one of Origins for a target; found is false where it is none of them. A path that goes up is refused. A Location is mended by what asked and
// target have in common at their end: the path before that is what stands for the other.
func (u *Upstreams) Fetch(ctx context.Context, r *message.Request, origin, target string) (resp message.Response, found bool) {
	asked, _, err := parseServer(origin)
	if err != nil {
		return resp, false
	}
	for _, s := range u.origins {
		if s.is(asked.scheme, asked.host) {
			if goesUp(target) {
				return (&message.Failure{Status: 400, Message: "The path has a segment .. in it"}).Response(), true
			}
			return u.ask(ctx, r, between(s, r.Target, target), target), true
		}
	}
	return resp, false
}
