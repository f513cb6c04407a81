package metrics

import (
	"errors"
	"math"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/previewd/previewd/server/message"
)

func newMetrics() *Metrics {
	return New(Build{"1.2.3", "abcdef"}, func() uint64 { return 7 })
}

func exchange(method, proto string, status int) *message.Exchange {
	return &message.Exchange{
		Request: &message.Request{Method: method, Proto: proto},
		Status:  status, Sent: 1024, Duration: 80 * time.Microsecond,
	}
}

// scrape returns what /metrics says.
func scrape(m *Metrics) string {
	w := httptest.NewRecorder()
	m.Admin().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestSeriesBeginToExistWithTheirFirstUse(t *testing.T) {
	m := newMetrics()
	if got := scrape(m); strings.Contains(got, "previewd_http_requests_total{") {
		t.Errorf("series of requests before the first one:\n%s", got)
	}
	for range 3 {
		m.Record(exchange("GET", "HTTP/1.1", 200))
	}
	refused := exchange("SPAM", "HTTP/7.3", 501)
	refused.Refused, refused.Sent = true, 0
	m.Record(refused)
	m.RequestStarted()
	m.RequestStarted()
	m.RequestDone()
	m.ConnectionOpened()
	m.ConnectionOpened()
	m.ConnectionOpened()
	m.ConnectionClosed()
	got := scrape(m)
	for _, want := range []string{
		`previewd_http_requests_total{code="200",method="GET",protocol="HTTP/1.1"} 3`,
		`previewd_http_requests_total{code="501",method="other",protocol="other"} 1`,
		`previewd_http_request_duration_seconds_bucket{le="5e-05"} 0`,
		`previewd_http_request_duration_seconds_bucket{le="0.0001"} 4`,
		`previewd_http_request_duration_seconds_bucket{le="10"} 4`,
		`previewd_http_request_duration_seconds_count 4`,
		`previewd_http_response_size_bytes_total 3072`,
		`previewd_http_requests_in_flight 1`,
		`previewd_connections 2`,
		`previewd_connections_total 3`,
		`previewd_requests_malformed_total 1`,
		`previewd_log_records_dropped_total 7`,
		`previewd_build_info{goversion="go`,
		`revision="abcdef",version="1.2.3"} 1`,
		"go_goroutines ",
		`promhttp_metric_handler_requests_total{code="200"} 1`,
		"promhttp_metric_handler_errors_total",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "previewd_http_requests_total{"); n != 2 {
		t.Errorf("%d series of requests, want 2", n)
	}
}

func TestLabelsAreClosedSets(t *testing.T) {
	for _, c := range []struct {
		method, proto          string
		status                 int
		wantM, wantC, wantP, x string
	}{
		{"GET", "HTTP/1.1", 200, "GET", "200", "HTTP/1.1", ""},
		{"CONNECT", "HTTP/2.0", 100, "CONNECT", "100", "HTTP/2.0", ""},
		{"PATCH", "HTTP/0.9", 599, "PATCH", "599", "HTTP/0.9", ""},
		{"get", "http/1.1", 600, other, other, other, ""},
		{other, other, 99, other, other, other, ""},
		{"", "", 0, other, other, other, ""},
		{"G\xff\n", "HTTP/1.12", -1, other, other, other, ""},
		{"GET", "HTTP/1.0", math.MaxInt, "GET", other, "HTTP/1.0", ""},
	} {
		m, code, p := methods[methodIndex(c.method)], codes[codeIndex(c.status)], protocols[protocolIndex(c.proto)]
		if m != c.wantM || code != c.wantC || p != c.wantP {
			t.Errorf("%q %d %q: got %s %s %s, want %s %s %s", c.method, c.status, c.proto, m, code, p, c.wantM, c.wantC, c.wantP)
		}
	}
}

func TestEverySeriesCanBeMadeAtOnce(t *testing.T) {
	m := newMetrics()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, method := range methods {
				for _, proto := range protocols {
					for status := lowestCode - 1; status <= highestCode; status += 50 {
						m.Record(exchange(method, proto, status))
					}
				}
			}
		})
	}
	group.Wait()
	if got := testutil.ToFloat64(m.requests.WithLabelValues("GET", "149", "HTTP/2.0")); got != 8 {
		t.Errorf("counted %v requests, want 8", got)
	}
}

func TestMetricsOfTLS(t *testing.T) {
	m := newMetrics()
	var broken error
	tls := m.TLS(func() time.Time { return time.Unix(1793232000, 5) }, func() error { return broken })
	tls.HandshakeFailed("timeout")
	tls.HandshakeFailed("timeout")
	tls.Complaint()
	got := scrape(m)
	for _, want := range []string{
		`previewd_tls_handshake_failures_total{reason="timeout"} 2`,
		`previewd_http2_errors_total 1`,
		`previewd_tls_certificate_not_after_timestamp_seconds 1.793232e+09`,
		`previewd_tls_certificate_last_reload_successful 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	broken = errors.New("not PEM")
	if want := "previewd_tls_certificate_last_reload_successful 0"; !strings.Contains(scrape(m), want) {
		t.Errorf("no %q for broken files", want)
	}
}

func TestMetricsOfPasswords(t *testing.T) {
	m := newMetrics()
	failed := m.Auth()
	for _, kind := range []string{"wrong", "wrong", "slowed", "busy", "anything"} {
		failed(kind)
	}
	got := scrape(m)
	for _, want := range []string{`{kind="wrong"} 2`, `{kind="slowed"} 1`, `{kind="busy"} 1`, `{kind="other"} 1`} {
		if !strings.Contains(got, "previewd_auth_failures_total"+want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestMetricsOfTheCache(t *testing.T) {
	m := newMetrics()
	m.WatchCache(func() Cache {
		return Cache{Hits: 5, Misses: 4, Evictions: 3, Entries: 2, Bytes: 1 << 20, Size: 64 << 20}
	})
	text := scrape(m)
	for _, line := range []string{"hits_total 5", "misses_total 4", "evictions_total 3", "entries 2", "size_bytes 1.048576e+06", "limit_bytes 6.7108864e+07"} {
		if !strings.Contains(text, "\npreviewd_cache_"+line+"\n") {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

func TestMetricsOfPreviews(t *testing.T) {
	m := newMetrics()
	m.WatchPreviews(func() (known, open int) { return 3, 2 })
	text := scrape(m)
	for _, line := range []string{"known 3", "open 2"} {
		if !strings.Contains(text, "\npreviewd_previews_"+line+"\n") {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

func TestMetricsOfPreviewsFromARegistry(t *testing.T) {
	m := newMetrics()
	p := m.Pulls(func() int { return 4 }, func() (bytes, limit int64, builds int) { return 4096, 1 << 20, 5 })
	for _, result := range []string{"ok", "ok", "refused", "no_room", "anything"} {
		p.Pulled(result, 1000, 300*time.Millisecond)
	}
	for _, result := range []string{"ok", "not_found", "limited", "anything", "failed"} {
		p.RegistryAsked(result)
	}
	if want := "registry_reached_timestamp_seconds 0\n"; !strings.Contains(scrape(m), want) {
		t.Errorf("no %q before the registry was reached", want)
	}
	p.Reached(time.UnixMilli(1793232000500))
	text := scrape(m)
	for _, line := range []string{
		"in_use 4", "store_bytes 4096", "store_limit_bytes 1.048576e+06", "builds 5",
		`pulls_total{result="ok"} 2`, `pulls_total{result="refused"} 1`, `pulls_total{result="no_room"} 1`, `pulls_total{result="failed"} 1`,
		"pulled_bytes_total 5000", `pull_duration_seconds_bucket{le="0.25"} 0`, `pull_duration_seconds_bucket{le="0.5"} 5`,
		`registry_requests_total{result="ok"} 1`, `registry_requests_total{result="not_found"} 1`,
		`registry_requests_total{result="limited"} 1`, `registry_requests_total{result="failed"} 2`,
		"registry_reached_timestamp_seconds 1.7932320005e+09",
	} {
		if !strings.Contains(text, "\npreviewd_previews_"+line+"\n") {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

func TestMetricsLint(t *testing.T) {
	m := newMetrics()
	m.Pulls(func() int { return 0 }, func() (bytes, limit int64, builds int) { return 0, 0, 0 }).Pulled("ok", 0, 0)
	m.WatchPreviews(func() (known, open int) { return 0, 0 })
	m.TLS(time.Now, func() error { return nil }).HandshakeFailed("timeout")
	m.WatchCache(func() Cache { return Cache{} })
	m.Record(exchange("GET", "HTTP/1.1", 200))
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; its linter was run as a library")
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(scrape(m))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestNothingIsAllocatedForARequest(t *testing.T) {
	m := newMetrics()
	x := exchange("GET", "HTTP/1.1", 304)
	if n := testing.AllocsPerRun(1000, func() { m.RequestStarted(); m.Record(x); m.RequestDone() }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	if n := testing.AllocsPerRun(1000, func() { m.ConnectionOpened(); m.ConnectionClosed() }); n != 0 {
		t.Errorf("%v allocations a connection, want none", n)
	}
}

// BenchmarkRecord is what all metrics cost a request.
func BenchmarkRecord(b *testing.B) {
	m := newMetrics()
	x := exchange("GET", "HTTP/1.1", 200)
	b.ReportAllocs()
	for b.Loop() {
		m.RequestStarted()
		m.Record(x)
		m.RequestDone()
	}
}

// BenchmarkDuration is the part of it that the histogram costs.
func BenchmarkDuration(b *testing.B) {
	m := newMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.duration.Observe(80e-6)
	}
}

func TestScripts(t *testing.T) {
	m := newMetrics()
	m.ScriptStarted()
	m.ScriptStarted()
	m.ScriptEnded(3 * time.Millisecond)
	m.ScriptFailed("timeout")
	m.ScriptFailed("never heard of")
	got := scrape(m)
	for _, want := range []string{
		"previewd_cgi_runs_total 2",
		"previewd_cgi_running 1",
		`previewd_cgi_duration_seconds_bucket{le="0.005"} 1`,
		`previewd_cgi_failures_total{kind="timeout"} 1`,
		`previewd_cgi_failures_total{kind="other"} 1`,
		`previewd_cgi_failures_total{kind="busy"} 0`, // there from the start, so that a rate finds it
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}
