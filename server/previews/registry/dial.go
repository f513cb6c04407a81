package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dialTimeout is how long it may take to connect, with the names resolved.
const dialTimeout = 10 * time.Second

// never are addresses that serve a machine's own secrets to whoever asks from there, beside the link-local ones: the metadata
// services of clouds, and what cannot be a registry.
var never = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),          // this host (RFC 791)
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
	netip.MustParsePrefix("fd00:ec2::/32"),      // Amazon Web Services
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
}

// embedding are the prefixes of IPv6 addresses that have an IPv4 address as their last four bytes: NAT64 (RFC 6052), and the
// IPv4-compatible ones (RFC 4291).
var embedding = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("::/96")}

// judge says why an address is not connected to, "" if it may be. Whether a loopback one may is for the caller to say.
func judge(address netip.Addr, loopback func() bool) string {
	address = address.Unmap().WithZone("")
	switch {
	case !address.IsValid() || address.IsUnspecified() || address.IsMulticast():
		return "no address of a server"
	case address.IsLinkLocalUnicast():
		return "link-local"
	case slices.ContainsFunc(never, func(p netip.Prefix) bool { return p.Contains(address) }):
		return "a machine's own service"
	case address.IsLoopback():
		if !loopback() {
			return "a loopback address, and the registry is elsewhere"
		}
		return ""
	}
	for _, prefix := range embedding {
		if prefix.Contains(address) {
			bytes := address.As16()
			return judge(netip.AddrFrom4([4]byte(bytes[12:])), loopback)
		}
	}
	return ""
}

// dialer connects to those addresses only that judge allows.
type dialer struct {
	registry string   // host of the registry, without a port
	proxies  []string // hosts of proxies, which may be at loopback addresses too
}

// addressError is a refusal to connect.
type addressError struct{ host, address, why string }

func (e *addressError) Error() string {
	return fmt.Sprintf("%s is at %s: %s, not connected to", e.host, e.address, e.why)
}

// DialContext is that of http.Transport.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	connect := net.Dialer{Timeout: dialTimeout, ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		resolved, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return d.check(ctx, host, resolved.Addr())
	}}
	return connect.DialContext(ctx, network, address)
}

// check judges an address that a host has.
func (d *dialer) check(ctx context.Context, host string, address netip.Addr) error {
	why := judge(address, func() bool {
		host := strings.ToLower(host)
		return host == d.registry || slices.Contains(d.proxies, host) || isLoopback(ctx, d.registry)
	})
	if why == "" {
		return nil
	}
	return &addressError{host, address.String(), why}
}

// isLoopback says whether all addresses of a host are loopback ones.
func isLoopback(ctx context.Context, host string) bool {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	return err == nil && !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.Unmap().IsLoopback() })
}

// proxies are those that the environment names, as http.ProxyFromEnvironment reads it.
func proxies(insecure bool) (list []*url.URL) {
	names := []string{"HTTPS_PROXY", "https_proxy"}
	if insecure {
		names = append(names, "HTTP_PROXY", "http_proxy")
	}
	for _, name := range names {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		proxy, err := url.Parse(value)
		if err != nil || proxy.Scheme == "" || proxy.Host == "" {
			proxy, err = url.Parse("http://" + value)
		}
		if err == nil && proxy.Host != "" {
			list = append(list, proxy)
		}
	}
	return list
}

// Ports are the TCP ports that the client connects to, in order: the registry's, 443, where layers and tokens are, and those
// of the proxies in the environment.
func (c *Client) Ports() []uint16 {
	scheme := "https"
	if c.insecure {
		scheme = "http"
	}
	ports := []uint16{443, portOf(&url.URL{Scheme: scheme, Host: c.repository.RegistryStr()})}
	for _, proxy := range proxies(c.insecure) {
		ports = append(ports, portOf(proxy))
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// portOf is the port of a URL, or its scheme's.
func portOf(u *url.URL) uint16 {
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(port)
	}
	switch u.Scheme {
	case "http":
		return 80
	case "socks5", "socks5h":
		return 1080
	}
	return 443
}

// newDialer returns the dialer for a registry's host, beside the proxies of the environment.
func newDialer(registry string, insecure bool) *dialer {
	d := &dialer{registry: strings.ToLower(registry)}
	for _, proxy := range proxies(insecure) {
		d.proxies = append(d.proxies, strings.ToLower(proxy.Hostname()))
	}
	return d
}

// newHTTP returns the transport below the rules of roundTripper.
func newHTTP(d *dialer) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            d.DialContext,
		ForceAttemptHTTP2:      true, // not by itself beside a DialContext
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    8,
		MaxResponseHeaderBytes: 64 << 10,
		// The library's error is the reason phrase alone.
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			return fmt.Errorf("the proxy %s answers %d %s", proxy.Host, answer.StatusCode, http.StatusText(answer.StatusCode))
		},
		// The bounds are those of what is sent.
		DisableCompression: true,
		// A connection that is gone without a word is given up before the next request waits on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}
