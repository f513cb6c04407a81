package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// listenOn starts an admin port on a loopback address, and returns its port.
func listenOn(t *testing.T, address string, h http.Handler) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("%s: %v", address, err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func TestAskReady(t *testing.T) {
	// A proxy of the environment is for other hosts; there is none here.
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	t.Setenv("http_proxy", "http://127.0.0.1:9")
	ready := newMetrics().Admin(Check{Name: "directory", Probe: passes})
	for _, c := range []struct {
		name, listen string
		ask          []string // hosts
	}{
		{"all interfaces", ":0", []string{"", "0.0.0.0", "[::]", "localhost", "127.0.0.1", "[::1]"}},
		{"IPv4", "0.0.0.0:0", []string{"", "0.0.0.0", "localhost"}},
		{"IPv4 loopback", "127.0.0.1:0", []string{"127.0.0.1", "localhost"}},
		{"another loopback address", "127.1.2.3:0", []string{"127.1.2.3"}},
		{"IPv6 loopback", "[::1]:0", []string{"[::1]", "[::]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			port := listenOn(t, c.listen, ready)
			for _, host := range c.ask {
				if err := AskReady(t.Context(), host+":"+port); err != nil {
					t.Errorf("%q: %v", host, err)
				}
			}
		})
	}
}

func TestAskReadySaysInOneLineWhatIsWrong(t *testing.T) {
	answers := func(status int, text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, status, text) })
	}
	for _, c := range []struct {
		name string
		h    http.Handler
		want string // %s: the address
	}{
		{"not ready", newMetrics().Admin(Check{Name: "directory", Probe: fails("not readable\nby uid 65532")}, Check{Name: "drain", Probe: fails("draining")}),
			"http://%s/readyz answered 503 Service Unavailable: directory: not readable; by uid 65532; drain: draining"},
		{"another server", answers(404, "<html>\r\n<p>\x1b[31mno\r\n"), `http://%s/readyz answered 404 Not Found: <html>; <p>\x1b[31mno`},
		{"a redirect", http.RedirectHandler("/elsewhere", http.StatusFound), "http://%s/readyz answered 302 Found: <a href=\"/elsewhere\">Found</a>."},
		{"a long answer", answers(500, strings.Repeat("x", 1<<20)), "http://%s/readyz answered 500 Internal Server Error: " + strings.Repeat("x", 4<<10)},
	} {
		address := "127.0.0.1:" + listenOn(t, "127.0.0.1:0", c.h)
		err := AskReady(t.Context(), address)
		if want := strings.ReplaceAll(c.want, "%s", address); err == nil || err.Error() != want {
			t.Errorf("%s: got %q, want %q", c.name, err, want)
		}
	}
}

func TestAskReadyOfNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, address := range []string{address, "no such host.invalid:1", "127.0.0.1:99999"} {
		if err := AskReady(t.Context(), address); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want an error of one line", address, err)
		}
	}
}

// TestAskReadyDoesNotWaitForEver: the server accepts and says nothing.
func TestAskReadyDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	err = AskReady(t.Context(), l.Addr().String())
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took < healthTimeout || took > healthTimeout+time.Minute {
		t.Errorf("got %v after %v, want the deadline exceeded after %v", err, took, healthTimeout)
	}
	if want := "no answer within 2s"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want %q in it", err, want)
	}
}

// TestAskByHTTPS: a development certificate is as good as any.
func TestAskByHTTPS(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	if err := Ask(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "answered 404 Not Found") {
		t.Errorf("got %v, want the answer", err)
	}
}

// TestAsk: a page that is there, leads elsewhere or wants a password is health; what is not there is not.
func TestAsk(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	t.Setenv("http_proxy", "http://127.0.0.1:9")
	var asked string
	address := "127.0.0.1:" + listenOn(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "https://elsewhere.invalid/", http.StatusPermanentRedirect)
		case "/page":
			answer(w, http.StatusOK, "<p>page\n")
		case "/secret":
			answer(w, http.StatusUnauthorized, "who is it\n")
		case "/broken":
			answer(w, http.StatusInternalServerError, "broken\n")
		default:
			answer(w, http.StatusNotFound, "no\nsuch file\n")
		}
	}))
	for _, c := range []struct{ target, want string }{
		{"/", ""},
		{"/page", ""},
		{"/page?a=b", ""},
		{"/secret", ""},
		{"/broken", "http://%s/broken answered 500 Internal Server Error: broken"},
		{"/nowhere", "http://%s/nowhere answered 404 Not Found: no; such file"},
	} {
		got := ""
		if err := Ask(t.Context(), "http://"+address+c.target); err != nil {
			got = err.Error()
		}
		if want := strings.ReplaceAll(c.want, "%s", address); got != want || asked != c.target {
			t.Errorf("%s: asked %q, got %q, want %q", c.target, asked, got, want)
		}
	}
	if err := Ask(t.Context(), "http://no-such-host.invalid/"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want an error of one line", err)
	}
}
