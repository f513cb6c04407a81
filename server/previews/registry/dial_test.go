package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Law: addresses at which a machine's own secrets are served are never connected to, in whatever form they are written.
func TestJudge(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "", "10.0.0.1": "", "192.168.1.1": "", "172.16.0.1": "", "100.64.0.1": "", "2001:db8::1": "", "fd12:3456::1": "", "::ffff:192.0.2.1": "", "64:ff9b::192.0.2.1": "",
		"127.0.0.1": "loopback", "127.8.8.8": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback", "64:ff9b::127.0.0.1": "loopback", "::127.0.0.1": "loopback",
		"169.254.169.254": "link-local", "169.254.170.2": "link-local", "fe80::1": "link-local", "::ffff:169.254.169.254": "link-local", "64:ff9b::169.254.169.254": "link-local", "::169.254.169.254": "link-local", "fe80::1%eth0": "link-local",
		"100.100.100.200": "a machine's own service", "168.63.129.16": "a machine's own service", "192.0.0.192": "a machine's own service",
		"fd00:ec2::254": "a machine's own service", "fd00:ec2::23": "a machine's own service", "fd20:ce::254": "a machine's own service", "::ffff:100.100.100.200": "a machine's own service", "0.0.0.1": "a machine's own service",
		"0.0.0.0": "no address of a server", "::": "no address of a server", "::ffff:0.0.0.0": "no address of a server", "224.0.0.1": "no address of a server", "ff02::1": "no address of a server",
	} {
		asked := false
		why := judge(netip.MustParseAddr(address), func() bool { asked = true; return false })
		if asked {
			why, want = judge(netip.MustParseAddr(address), func() bool { return true }), strings.TrimPrefix(want, "loopback")
		}
		if why != want {
			t.Errorf("%s: got %q, want %q", address, why, want)
		}
	}
}

// TestLoopback: it is for registries that are there.
func TestLoopback(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		registry, host string
		proxies        []string
		want           bool
	}{
		{"localhost", "localhost", nil, true},
		{"127.0.0.1", "127.0.0.1", nil, true},
		{"registry.example.com", "Registry.example.com", nil, true}, // an entry in /etc/hosts
		{"127.0.0.1", "token.example.com", nil, true},
		{"192.0.2.1", "token.example.com", nil, false},
		{"192.0.2.1", "proxy.example.com", []string{"proxy.example.com"}, true},
	} {
		d := &dialer{registry: strings.ToLower(c.registry), proxies: c.proxies}
		if err := d.check(t.Context(), c.host, loopback); (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestDial: the address is judged that a name leads to, as late as that.
func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	conn, err := (&dialer{registry: "192.0.2.1"}).DialContext(t.Context(), "tcp", "localhost:"+port)
	if err == nil {
		conn.Close()
		t.Fatal("connected")
	}
	if refusal, ok := errors.AsType[*addressError](err); !ok || refusal.host != "localhost" {
		t.Errorf("got %v", err)
	}
	conn, err = (&dialer{registry: "localhost"}).DialContext(t.Context(), "tcp", "localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// TestPorts: what the confinement has to leave open.
func TestPorts(t *testing.T) {
	for _, c := range []struct {
		repository string
		insecure   bool
		proxy      map[string]string
		want       []uint16
	}{
		{"r.example.com/team/app", false, nil, []uint16{443}},
		{"r.example.com:5000/team/app", false, nil, []uint16{443, 5000}},
		{"r.example.com/team/app", true, nil, []uint16{80, 443}},
		{"[::1]:5000/team/app", true, nil, []uint16{443, 5000}},
		{"r.example.com/team/app", false, map[string]string{"HTTPS_PROXY": "http://proxy.example.com:3128"}, []uint16{443, 3128}},
		{"r.example.com/team/app", false, map[string]string{"https_proxy": "proxy.example.com:3128"}, []uint16{443, 3128}},
		{"r.example.com/team/app", false, map[string]string{"HTTPS_PROXY": "proxy.example.com"}, []uint16{80, 443}},
		{"r.example.com/team/app", false, map[string]string{"HTTPS_PROXY": "https://proxy.example.com"}, []uint16{443}},
		{"r.example.com/team/app", false, map[string]string{"HTTPS_PROXY": "socks5://me:s3cret@proxy.example.com"}, []uint16{443, 1080}},
		{"r.example.com/team/app", false, map[string]string{"HTTP_PROXY": "http://proxy.example.com:3128", "HTTPS_PROXY": "http://%"}, []uint16{443}},
		{"r.example.com/team/app", true, map[string]string{"HTTP_PROXY": "http://proxy.example.com:3128"}, []uint16{80, 443, 3128}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
				t.Setenv(name, c.proxy[name])
			}
			client, err := New(Options{Repository: c.repository, Insecure: c.insecure})
			if err != nil {
				t.Fatal(err)
			}
			if got := client.Ports(); !slices.Equal(got, c.want) {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// TestProxy: what is asked for goes through it, and addresses that are never connected to are not asked of it either.
func TestProxy(t *testing.T) {
	a, f := newAuthority(t), newFake()
	digest := f.put("manifests", "pr-42", encode(t, f.manifest(t, imageConfig)))
	host := a.serve(t, f)
	var connected atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connected.Add(1)
		if r.Host == "r.example.com:443" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.Method != http.MethodConnect || r.Host != host {
			t.Errorf("the proxy gets %s %s", r.Method, r.Host)
			w.WriteHeader(502)
			return
		}
		there, err := net.Dial("tcp", host)
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		here, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		done := make(chan struct{})
		go func() {
			_, _ = io.Copy(there, buffered)
			_ = there.(*net.TCPConn).CloseWrite()
			close(done)
		}()
		_, _ = io.Copy(here, there)
		here.Close()
		<-done
	}))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := a.client(t, host, Options{})
	client.transport.inner.Proxy = http.ProxyURL(at)
	defer client.transport.inner.CloseIdleConnections()
	if got, err := client.Head(t.Context(), "pr-42"); err != nil || got != digest {
		t.Fatalf("got %q, %v", got, err)
	}
	if n := connected.Load(); n != 1 {
		t.Errorf("%d connections through the proxy", n)
	}
	client = a.client(t, "r.example.com", Options{})
	client.transport.inner.Proxy, client.transport.dialer.proxies = http.ProxyURL(at), []string{at.Hostname()}
	if _, err := client.Head(t.Context(), "pr-42"); err == nil || err.Error() != "r.example.com/team/app:pr-42: the proxy "+at.Host+" answers 403 Forbidden" {
		t.Errorf("got %v", err)
	}
	client = a.client(t, "169.254.169.254", Options{})
	client.transport.inner.Proxy = http.ProxyURL(at)
	if _, err := client.Head(t.Context(), "pr-42"); err == nil || !strings.HasSuffix(err.Error(), "link-local, not connected to") {
		t.Errorf("got %v", err)
	}
}

// TestConnectionsAreReused: many requests, one connection, and that of HTTP/2.
func TestConnectionsAreReused(t *testing.T) {
	a, f := newAuthority(t), newFake()
	digest := f.put("manifests", "pr-42", encode(t, f.manifest(t, imageConfig)))
	var connections atomic.Int32
	host := a.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("%s %s by %s", r.Method, r.URL, r.Proto)
		}
		f.ServeHTTP(w, r)
	}))
	client := a.client(t, host, Options{})
	dial := client.transport.inner.DialContext
	client.transport.inner.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		connections.Add(1)
		return dial(ctx, network, address)
	}
	for range 10 {
		if _, err := client.Head(t.Context(), "pr-42"); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Image(t.Context(), digest); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// piped has a client speak plain HTTP with a function that answers each request by hand, under the test's own clock.
func piped(t *testing.T, answer func(w io.Writer, r *http.Request)) *Client {
	client, err := New(Options{Repository: "r.example.com/team/app", Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	var servers sync.WaitGroup
	client.transport.inner.DialContext = func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		servers.Go(func() {
			defer there.Close()
			in := bufio.NewReader(there)
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				answer(there, r)
			}
		})
		return here, nil
	}
	t.Cleanup(servers.Wait)
	t.Cleanup(client.transport.inner.CloseIdleConnections)
	return client
}

// TestSlowLayer: a layer may take as long as it needs, but for a minute without a byte.
func TestSlowLayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pauses = 100
		client := piped(t, func(w io.Writer, r *http.Request) {
			if r.URL.Path == "/v2/" {
				_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				return
			}
			_, _ = fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", pauses)
			for range pauses {
				time.Sleep(stallTimeout - time.Second)
				_, _ = io.WriteString(w, "x")
			}
		})
		content := strings.Repeat("x", pauses)
		began := time.Now()
		layer, err := client.Layer(t.Context(), Layer{Digest: sum([]byte(content)), Size: pauses})
		if err != nil {
			t.Fatal(err)
		}
		defer layer.Close()
		if got, err := io.ReadAll(layer); err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
		if took := time.Since(began); took != pauses*(stallTimeout-time.Second) {
			t.Errorf("took %v", took)
		}
	})
}

// TestStalledLayer: a reader that pauses itself does not count, a registry that does ends it.
func TestStalledLayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := piped(t, func(w io.Writer, r *http.Request) {
			if r.URL.Path == "/v2/" {
				_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				return
			}
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
			_, _ = io.WriteString(w, "x")
			_, _ = io.WriteString(w, "x")
			<-t.Context().Done()
		})
		layer, err := client.Layer(t.Context(), Layer{Digest: sum(nil), Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		defer layer.Close()
		one := make([]byte, 1)
		for range 2 {
			time.Sleep(time.Hour)
			if n, err := layer.Read(one); n != 1 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
		}
		began := time.Now()
		n, err := layer.Read(one)
		if n != 0 || !errors.Is(err, errStalled) || !strings.HasSuffix(err.Error(), ": the answer stalls: not a byte for a minute") {
			t.Errorf("got %d, %v", n, err)
		}
		if took := time.Since(began); took != stallTimeout {
			t.Errorf("took %v", took)
		}
	})
}

// TestSilentRegistry: an answer has to begin, and all but a layer has to end, within a time.
func TestSilentRegistry(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w io.Writer)
		took   time.Duration
		want   string
	}{
		"no answer": {func(io.Writer) {}, headerTimeout, "net/http: timeout awaiting response headers"},
		"a slow answer": {func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			for range 1000 {
				time.Sleep(time.Second)
				if _, err := io.WriteString(w, "x"); err != nil {
					return
				}
			}
		}, maxCall, "not finished within two minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := piped(t, func(w io.Writer, r *http.Request) {
					if r.URL.Path == "/v2/" {
						_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
						return
					}
					c.answer(w)
				})
				began := time.Now()
				_, err := client.Image(t.Context(), "pr-42")
				if err == nil || !strings.HasSuffix(err.Error(), "r.example.com/team/app:pr-42: "+c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}
