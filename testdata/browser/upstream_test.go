package browser

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// harbour starts the API of apps/harbour, and returns its URL.
func harbour(t *testing.T) string {
	t.Helper()
	packages := os.Getenv("PREVIEWD_PACKAGES")
	if packages == "" {
		absent(t, "PREVIEWD_PACKAGES names no directory with express and socket.io")
	}
	packages, err := filepath.Abs(packages)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.Command("node", "apps/harbour/server.cjs")
	node.Env = append(os.Environ(), "NODE_PATH="+packages)
	node.Stderr = os.Stderr
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Kill()
		_ = node.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("node did not start: %v", err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

// TestAPIBesideTheSite: a page with an API of express, an event stream and socket.io, over HTTP, and over HTTPS with HTTP/2
// and a WebSocket on a connection of its own.
func TestAPIBesideTheSite(t *testing.T) {
	api := harbour(t)
	proxy := "PROXY=/api=" + api + ",/socket.io=" + api
	for name, s := range map[string]site{
		"http":  serve(t, "apps/harbour/page", proxy),
		"https": serve(t, "apps/harbour/page", proxy, "TLS_SELF_SIGNED=true"),
	} {
		t.Run(name, func(t *testing.T) {
			p := blank(t)
			p.must(p.TrustAll())
			p.must(p.Go(name + "://" + s.Addr + "/"))
			p.is(200)
			p.shows("berths: 7, asked as "+name+" at this host, /api/berths?at=%2Fquay//1", "cookies: berth=seven tide=high", "arrivals: 201 100000", "departed: 204", "moved: 200 here ?moved",
				"storm: 503 harbour closed", "Tern (websocket), come in by websocket", "cargo of 300000 by websocket", "Tern (polling,websocket), come in by websocket", "tide: 5", "done")
			p.quiet("/api/storm", "/api/arrivals/tern: 204 net::ERR_ABORTED", "/api/tide: 200 net::ERR_ABORTED")
			if got := metric(t, s.Server, `previewd_upstream_tunnels{upstream="`+api+`"}`); got != 1 {
				t.Errorf("there are %v tunnels, and the page has one", got)
			}
			p.must(p.Close())
			for end := time.Now().Add(time.Minute); metric(t, s.Server, `previewd_upstream_tunnels{upstream="`+api+`"}`) != 0; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the tunnel is left when the page is gone")
				}
			}
			log, err := os.ReadFile(s.Output)
			p.must(err)
			if !strings.Contains(string(log), `transport=websocket`) || !strings.Contains(string(log), ` 101 `) {
				t.Errorf("the log has no WebSocket:\n%s", log)
			}
		})
	}
}

// TestAPIThatIsNotThere: a page of a server that is not there comes by itself once it is.
func TestAPIThatIsNotThere(t *testing.T) {
	port, err := subject.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, "apps/harbour/page", "PROXY=/api=http://127.0.0.1:"+port)
	p := open(t, s.url+"/api/")
	p.is(502)
	p.shows("http://127.0.0.1:" + port + ": connection refused")
	server := http.Server{Addr: "127.0.0.1:" + port, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "open for business")
	})}
	go func() { _ = server.ListenAndServe() }()
	defer server.Close()
	p.shows("open for business")
}

// TestPythonBehindPROXY: the listings and pages of http.server, through a path that is taken away.
func TestPythonBehindPROXY(t *testing.T) {
	python := start(t, []string{"python3", "-m", "http.server"}, module+"/testdata/www")
	s := serve(t, "apps/harbour/page", "PROXY=/strait=http://"+python.Addr+"/")
	p := open(t, s.url+"/strait/")
	p.is(200)
	p.shows("5 lights, all in order.")
	p.must(p.Go(s.url + "/strait/log"))
	p.is(200)
	p.shows("Directory listing for /log/")
	p.must(p.Await("location.pathname == '/strait/log/'"))
}

// metric returns a metric with its labels.
func metric(t *testing.T, s *subject.Server, name string) float64 {
	t.Helper()
	value, err := s.Metric(name)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
