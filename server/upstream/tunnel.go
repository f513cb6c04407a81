package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/previewd/previewd/server/message"
)

var errHalf = errors.New("one side of the tunnel ended, and the other said nothing more")

// tunnel answers for a server that has switched to another protocol.
func (x *exchange) tunnel(resp *http.Response, protocol string) message.Response {
	far, ok := resp.Body.(farEnd)
	if protocol == "" || !ok || !strings.EqualFold(resp.Header.Get("Upgrade"), protocol) {
		return x.refuse(errSwitch, resp)
	}
	list, err := fields(resp.Header)
	if err != nil {
		return x.refuse(err, resp)
	}
	x.clock.stop()
	x.outcome.Tunnel = true
	if x.upstreams.opts.Switched != nil {
		x.upstreams.opts.Switched(x.route.server.name)
	}
	t := &tunnel{exchange: x, far: far}
	return message.Response{Status: resp.StatusCode, Fields: list, Body: &message.Tunnel{
		Protocol: resp.Header.Get("Upgrade"), Serve: t.serve, End: func() error { x.end(resp); return nil },
	}}
}

// farEnd is the connection to a server.
type farEnd interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// tunnel moves bytes between a client and a server.
type tunnel struct {
	exchange *exchange
	far      farEnd
	client   message.TunnelEnd

	mu     sync.Mutex
	cutOff bool
	err    error       // why it was cut
	silent *time.Timer // runs when one direction has ended
}

// serve returns when both directions have ended, or one has failed, or the server stops. The end of one is passed on, and
// the other then may be silent for as long as a server may.
func (t *tunnel) serve(client message.TunnelEnd) error {
	x := t.exchange
	t.client = client
	defer context.AfterFunc(x.ctx, func() { t.cut(nil) })()
	var up sync.WaitGroup
	up.Go(func() { x.outcome.Received = t.direction(t.far, client) })
	x.outcome.Sent = t.direction(client, t.far)
	up.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.silent != nil {
		t.silent.Stop()
	}
	t.cutOff = true
	return t.err
}

// direction moves what comes from r to w, and then the end.
func (t *tunnel) direction(w interface {
	io.Writer
	CloseWrite() error
}, r io.Reader) int64 {
	n, err := move(heard{t, w}, r, t.exchange.upstreams.room)
	if err != nil {
		t.cut(err)
		return n
	}
	// An error means that it is closed.
	_ = w.CloseWrite()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.silent == nil {
		t.silent = time.AfterFunc(t.exchange.upstreams.opts.Timeout, func() { t.cut(errHalf) })
	}
	return n
}

// cut ends both directions. The first reason counts.
func (t *tunnel) cut(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cutOff {
		return
	}
	t.cutOff, t.err = true, why
	// An error means that it is closed already.
	_ = t.far.Close()
	t.client.Cut()
}

// heard is a side of a tunnel that hears something.
type heard struct {
	tunnel *tunnel
	io.Writer
}

func (h heard) Write(p []byte) (int, error) {
	n, err := h.Writer.Write(p)
	h.tunnel.mu.Lock()
	defer h.tunnel.mu.Unlock()
	if h.tunnel.silent != nil {
		h.tunnel.silent.Reset(h.tunnel.exchange.upstreams.opts.Timeout)
	}
	return n, err
}
