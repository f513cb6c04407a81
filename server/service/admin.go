package service

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/access"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/tcp"
)

const (
	// adminConnections is how many connections the admin port may have: those of a kubelet, a Prometheus and a few people.
	// At the limit, the one that has waited longest gives way.
	adminConnections = 8
	// adminHeaderTimeout and adminIdleTimeout are HeaderTimeout and IdleTimeout of the admin port. Whoever scrapes it may
	// have to connect anew each time.
	adminHeaderTimeout = 2 * time.Second
	adminIdleTimeout   = 10 * time.Second
	// adminShutdown is how long the last answers of the admin port may take when all else has ended.
	adminShutdown = 200 * time.Millisecond
)

// newAdmin is the server of the admin port. Descriptors are reserved for its connections and the one that waits for its
// turn, and it uses no others: so the site is not kept from answering by what happens there, nor probes by what happens on
// the site.
func newAdmin(setup Setup, l net.Listener, pages http.Handler) (*server.Server, error) {
	if err := tcp.Reserve(l, adminConnections+1); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	return &server.Server{Handler: adminHandler(pages), Profile: message.Profile{Server: setup.Profile.Server},
		Report: accesslog.NewReporter(setup.Log).Report, MaxConnections: adminConnections,
		HeaderTimeout: adminHeaderTimeout, IdleTimeout: adminIdleTimeout, ShutdownTimeout: adminShutdown}, nil
}

// serveAdmin serves the admin port until ctx ends.
func serveAdmin(ctx context.Context, s *server.Server, l net.Listener) error {
	err := s.Serve(ctx, l)
	var cut *server.CutError
	if errors.As(err, &cut) {
		return nil // nobody waits for these
	}
	return err
}

// forPrograms are the pages that programs ask for, by whatever name they know the server.
var forPrograms = []string{"/metrics", "/livez", "/readyz"}

// adminHandler answers with the pages of a handler of net/http. Those for people are shown to those who ask for an address
// or localhost: a page elsewhere whose name is made to lead here (DNS rebinding) cannot read them.
func adminHandler(pages http.Handler) message.Handler {
	hosts := access.NewHosts(nil)
	return func(ctx context.Context, r *message.Request) message.Response {
		target, err := url.ParseRequestURI(r.Target)
		if err != nil {
			return message.Fail(400, "")
		}
		host := r.Fields.Get("Host")
		if host != "" && !hosts.Allow(host) && !slices.Contains(forPrograms, target.Path) {
			return (&message.Failure{Status: 403, Message: "Only at an address or localhost",
				Explain: "This page is shown only if it is asked for by an IP address or as localhost"}).Response()
		}
		asked := &http.Request{Method: r.Method, URL: target, RequestURI: r.Target, Host: host, Header: http.Header{},
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: r.Peer.String()}
		for _, f := range r.Fields {
			asked.Header.Add(f.Name, f.Value)
		}
		page := page{header: http.Header{}, status: http.StatusOK}
		pages.ServeHTTP(&page, asked.WithContext(ctx))
		return page.response()
	}
}

// page is an answer that is whole before it is sent: an http.ResponseWriter.
type page struct {
	header  http.Header
	status  int
	content bytes.Buffer
}

func (p *page) Header() http.Header { return p.header }

func (p *page) WriteHeader(status int) { p.status = status }

func (p *page) Write(b []byte) (int, error) { return p.content.Write(b) }

func (p *page) response() message.Response {
	resp := message.Response{Status: p.status, Body: message.Bytes(p.content.Bytes())}
	for _, name := range slices.Sorted(maps.Keys(p.header)) {
		for _, value := range p.header[name] {
			resp.Fields = append(resp.Fields, message.Field{Name: name, Value: value})
		}
	}
	return resp
}
