package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/origin"
)

// listener is where the site is served, by http or by https.
type listener struct {
	net.Listener
	scheme string
}

// listeners are one or two: HTTP, HTTPS, or both in this order.
type listeners []listener

// listen binds the ports that c asks for.
func listen(ctx context.Context, c config.Config, https *https) (listeners, error) {
	first, err := server.Listen(ctx, c.Addr())
	switch {
	case err != nil:
		return nil, listenError("PORT", err)
	case https == nil:
		return listeners{{first, "http"}}, nil
	case !c.HTTPSBeside():
		return listeners{{https.listen(first, c), "https"}}, nil
	}
	second, err := server.Listen(ctx, c.TLSAddr())
	if err != nil {
		return nil, errors.Join(listenError("TLS_PORT", err), first.Close())
	}
	return listeners{{first, "http"}, {https.listen(second, c), "https"}}, nil
}

// all are the listeners as the server takes them.
func (ls listeners) all() []net.Listener {
	var list []net.Listener
	for _, l := range ls {
		list = append(list, l.Listener)
	}
	return list
}

func (ls listeners) close() error {
	var err error
	for _, l := range ls {
		err = errors.Join(err, l.Close())
	}
	return err
}

// redirecting puts HTTPS_REDIRECT before a handler. On is to the port where HTTPS listens, which may have
// been a free one.
func (ls listeners) redirecting(c config.Config, handler message.Handler) message.Handler {
	if c.HTTPSRedirect == "off" {
		return handler
	}
	port, err := strconv.ParseUint(c.HTTPSRedirect, 10, 16)
	if err != nil { // on: config.Load has checked that there are two
		port = uint64(ls[1].address().Port())
	}
	return origin.RedirectToHTTPS(int(port), handler)
}

func (l listener) address() netip.AddrPort { return netip.MustParseAddrPort(l.Addr().String()) }

// start is http.server's line for a listener, and the URL in it.
func (l listener) start() (line, url string) {
	address := l.address()
	host := address.Addr().WithZone("").Unmap().String()
	url = l.scheme + "://" + address.String() + "/"
	protocol := map[string]string{"http": "HTTP", "https": "HTTPS"}[l.scheme]
	return fmt.Sprintf("Serving %s on %s port %d (%s) ...", protocol, host, address.Port(), url), url
}

// gaveWay says whether the admin port is another than the one wanted.
func gaveWay(c config.Config, admin net.Addr) bool {
	return c.AdminPort != 0 && netip.MustParseAddrPort(admin.String()).Port() != uint16(c.AdminPort)
}

// listenAdmin listens on the admin port. The default one gives way to a free one when it is taken.
func listenAdmin(ctx context.Context, c config.Config) (net.Listener, error) {
	l, err := server.Listen(ctx, c.AdminAddr())
	if err != nil && !c.AdminPortSet {
		c.AdminPort = 0
		l, err = server.Listen(ctx, c.AdminAddr())
	}
	if err != nil {
		return nil, listenError("ADMIN_PORT", err)
	}
	return l, nil
}
