package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

const (
	// headerTimeout is how long an answer may take to begin.
	headerTimeout = 30 * time.Second
	// stallTimeout is how long the content of an answer may pause.
	stallTimeout = time.Minute
	// maxRedirects is how many redirects one request follows.
	maxRedirects = 5
	// maxAnswer bounds the content of each answer but a blob, in bytes: what registries are to accept as a manifest (OCI
	// distribution specification, "Pushing Manifests").
	maxAnswer = 4 << 20
	// maxRefusal bounds what is read of the content of a failure, in bytes.
	maxRefusal = 64 << 10
)

var (
	errTooLarge = errors.New("the answer is larger than 4 MiB")
	errStalled  = errors.New("the answer stalls: not a byte for a minute")
	errTooSlow  = errors.New("not finished within two minutes")
	errTooMany  = errors.New("more than 5 redirects")
)

// roundTripper is the transport below the library's. The library signs requests, and follows redirects with its own clients,
// whose rules differ: so each request is judged here, by how it came about.
type roundTripper struct {
	inner      *http.Transport
	dialer     *dialer
	registry   string // host and port
	repository string // path of the repository's resources, with a slash at its end
	insecure   bool
	userAgent  string
	stall      time.Duration
}

func newTransport(repository name.Repository, insecure bool, userAgent string) *roundTripper {
	d := newDialer((&url.URL{Host: repository.RegistryStr()}).Hostname(), insecure)
	return &roundTripper{
		inner:      newHTTP(d),
		dialer:     d,
		registry:   repository.RegistryStr(),
		repository: "/v2/" + repository.RepositoryStr() + "/",
		insecure:   insecure,
		userAgent:  userAgent,
		stall:      stallTimeout,
	}
}

// RoundTrip sends a request that may be sent. An answer that says that something failed is an error; 401 is for the library,
// which signs in then, and 404 to a POST too, by which a realm says that it wants a GET.
func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	first, redirects := origin(req)
	if err := t.judge(req, first, redirects); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", t.userAgent)
	// The URL of a blob that is elsewhere may have a signature in it.
	out.Header.Del("Referer")
	resp, err := t.inner.RoundTrip(out)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		cancel(nil)
		if req.URL.Scheme == "http" {
			err = &overPlainHTTP{err}
		}
		return nil, err
	}
	content := &body{inner: resp.Body, ctx: ctx, cancel: cancel, stall: t.stall, left: maxAnswer, over: errTooLarge}
	resp.Body = content
	switch isSignIn := resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusNotFound && req.Method == http.MethodPost; {
	case resp.StatusCode >= 400:
		content.left, content.over = maxRefusal, io.EOF
		if !isSignIn {
			defer resp.Body.Close()
			return nil, newStatusError(resp, first)
		}
	case t.isBlob(first):
		content.left = math.MaxInt64 - 1
	}
	return resp, nil
}

// origin returns the request that led to a request by redirects, and their number.
func origin(req *http.Request) (first *http.Request, redirects int) {
	for first = req; first.Response != nil && first.Response.Request != nil && redirects <= maxRedirects; redirects++ {
		first = first.Response.Request
	}
	return first, redirects
}

// isBlob says whether a request is for a blob of the repository.
func (t *roundTripper) isBlob(first *http.Request) bool {
	return first.URL.Host == t.registry && strings.HasPrefix(first.URL.Path, t.repository+"blobs/")
}

// judge says why a request is not sent.
func (t *roundTripper) judge(req, first *http.Request, redirects int) error {
	switch {
	case redirects > maxRedirects:
		return errTooMany
	case redirects > 0 && first.Method == http.MethodPost:
		// Its content is a secret.
		return errors.New("a request with credentials is redirected")
	case redirects > 0 && first.URL.Host == t.registry && first.URL.Path == "/v2/" && req.URL.Host != t.registry:
		// What is answered there would say where credentials go.
		return fmt.Errorf("signing in is redirected to %s: name that registry instead", req.URL.Host)
	}
	isRegistry := req.URL.Host == t.registry
	switch secure := req.URL.Scheme == "https"; {
	case !secure && req.URL.Scheme != "http":
		return fmt.Errorf("the scheme %q is none of HTTP", req.URL.Scheme)
	case !secure && redirects > 0 && req.Response.Request.URL.Scheme == "https":
		return fmt.Errorf("redirected from HTTPS to plain HTTP, to %s", req.URL.Host)
	case !secure && !(t.insecure && isRegistry):
		return &plainError{req.URL.Host}
	case secure && t.insecure && isRegistry:
		return errSecure
	}
	// A proxy would connect to it, and dialing not see it.
	if address, err := netip.ParseAddr(req.URL.Hostname()); err == nil {
		return t.dialer.check(req.Context(), req.URL.Hostname(), address)
	}
	return nil
}

// errSecure ends the library's try of HTTPS where plain HTTP is asked for.
var errSecure = errors.New("plain HTTP is asked for")

// overPlainHTTP is an error of plain HTTP, which the library puts behind errSecure.
type overPlainHTTP struct{ err error }

func (e *overPlainHTTP) Error() string { return e.err.Error() }
func (e *overPlainHTTP) Unwrap() error { return e.err }

// plainError is a refusal of plain HTTP.
type plainError struct{ host string }

func (e *plainError) Error() string { return "no plain HTTP to " + e.host }

// body is the content of an answer, with its bounds.
type body struct {
	inner  io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer
	left   int64 // bytes that may come
	over   error // what Read returns when more come
}

// Read fails when nothing comes for too long. The time in which nobody reads does not count.
func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	if b.timer == nil {
		b.timer = time.AfterFunc(b.stall, func() { b.cancel(errStalled) })
	} else {
		b.timer.Reset(b.stall)
	}
	n, err := b.inner.Read(p)
	b.timer.Stop()
	if int64(n) > b.left {
		n, err = int(b.left), b.over
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.inner.Close()
	b.cancel(nil)
	return err
}
