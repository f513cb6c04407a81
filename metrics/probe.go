package metrics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// healthTimeout bounds a health check.
	healthTimeout = 2 * time.Second
	// urlTimeout bounds one of a URL, which may be far: it leaves room for a lost packet or two.
	urlTimeout = 10 * time.Second
)

// AskReady asks the /readyz of the admin port that listens on address, in the form of net.Listen, and
// returns why it is not ready, in one line, nil if it is. A wildcard address is asked by loopback.
func AskReady(ctx context.Context, address string) error {
	return get(ctx, "http://"+reachable(address)+"/readyz", healthTimeout, func(status int) bool { return status == http.StatusOK })
}

// Ask asks for url, and returns in one line why there is nothing: no answer, or one of status 400 and above.
// A redirection is an answer, and is not followed; so is 401, as a server that asks for a password is up. Whose certificate it is does not matter, as it does not to the
// kubelet's probes: a development CA is nowhere installed, and the image has no roots.
func Ask(ctx context.Context, url string) error {
	return get(ctx, url, urlTimeout, func(status int) bool {
		return status >= http.StatusOK && status < http.StatusBadRequest || status == http.StatusUnauthorized
	})
}

// get wants an answer to GET url within timeout, whose status is fine.
func get(ctx context.Context, url string, timeout time.Duration, isFine func(status int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	client := http.Client{
		// The proxies of the environment are for other hosts.
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		// Whatever redirects is not the admin port.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: no answer within %v: %w", url, timeout, context.DeadlineExceeded)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	if !isFine(resp.StatusCode) {
		return fmt.Errorf("%s answered %s: %s", url, resp.Status, printable(string(text)))
	}
	return nil
}

// printable makes one line of a text that anybody may have sent.
func printable(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	quoted := strconv.QuoteToGraphic(strings.Join(lines, "; "))
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// reachable puts loopback in place of the wildcard address.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address // the request will say what is wrong with it
	}
	if host == "" {
		return net.JoinHostPort("localhost", port)
	}
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if a.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
