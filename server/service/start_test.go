package service

import (
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/previewd/previewd/config"
)

// at is a listener that listens on an address in name only.
type at struct {
	net.Listener
	address string
}

func (a at) Addr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a.address)) }

// TestAddressesAreThoseToOpen: localhost comes first where it leads to the listener, then the interfaces that it is on.
func TestAddressesAreThoseToOpen(t *testing.T) {
	interfaces := []netip.Addr{netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("fd00::2")}
	for _, c := range []struct {
		listening, base string
		want            []string
	}{
		{"[::]:8000", "/", []string{"http://localhost:8000/", "http://192.168.1.20:8000/", "http://[fd00::2]:8000/"}},
		{"0.0.0.0:80", "/", []string{"http://localhost:80/", "http://192.168.1.20:80/"}},
		{"127.0.0.1:8000", "/docs", []string{"http://localhost:8000/docs/"}},
		{"[::1]:8000", "/", []string{"http://localhost:8000/"}},
		{"127.0.0.2:8000", "/", []string{"http://127.0.0.2:8000/"}},
		{"192.168.1.20:8000", "/", []string{"http://192.168.1.20:8000/"}},
	} {
		main := listeners{{at{address: c.listening}, "http"}}
		got := newStart(config.Config{BasePath: c.base}, main, at{address: "[::]:9090"}.Addr(), "", interfaces)
		if !slices.Equal(got.addresses, c.want) || got.admin != "http://localhost:9090/" {
			t.Errorf("%s: got %q and admin %q, want %q", c.listening, got.addresses, got.admin, c.want)
		}
	}
}

func TestNotesOfAStart(t *testing.T) {
	main := listeners{{at{address: "127.0.0.1:8000"}, "http"}, {at{address: "127.0.0.1:8443"}, "https"}}
	c := config.Config{Directory: "a \x1b[31m\"dir\"", BasePath: "/", CGI: true, CGIDirectories: []string{"/cgi-bin"}, Auth: []string{"anna:secret"}}
	full, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	newStart(c, main, at{address: "127.0.0.1:9090"}.Addr(), "AB:CD", nil).print(&b)
	want := `  directory   "` + full + `/a \x1b[31m\"dir\""
  open        http://localhost:8000/
  open        https://localhost:8443/
  CA          http://localhost:9090/ca.pem
  SHA-256     AB:CD
  admin port  http://localhost:9090/
  password    every request needs one
  scripts     files below /cgi-bin are run
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got := printable(`C:\Users\é "x"`); got != `C:\Users\é "x"` {
		t.Errorf("a path of Windows: got %q", got)
	}
}

func TestBrowserCommand(t *testing.T) {
	const url = "http://localhost:8000/"
	for _, c := range []struct{ system, variable, want string }{
		{"darwin", "", "open " + url},
		{"windows", "", "rundll32 url.dll,FileProtocolHandler " + url},
		{"linux", "DISPLAY", "xdg-open " + url},
		{"freebsd", "WAYLAND_DISPLAY", "xdg-open " + url},
		{"linux", "", ""},
	} {
		got, err := browserCommand(c.system, map[string]string{c.variable: ":0"}, url)
		if strings.Join(got, " ") != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s with %q: got %q, %v, want %q", c.system, c.variable, got, err, c.want)
		}
	}
}
