package metrics

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func passes() error { return nil }

func fails(reason string) func() error { return func() error { return errors.New(reason) } }

func TestAdminAnswers(t *testing.T) {
	well := newMetrics().Admin(Check{Name: "directory", Probe: passes}, Check{Name: "listeners", Probe: passes})
	ill := newMetrics().Admin(Check{Name: "directory", Probe: fails("open /srv: permission denied\nuid 65532")}, Check{Name: "listeners", Probe: passes},
		Check{Name: "draining", Probe: fails("a signal came")})
	for _, c := range []struct {
		name, method, path string
		h                  http.Handler
		status             int
		body               string
	}{
		{"live", "GET", "/livez", well, 200, "ok\n"},
		{"live_but_not_ready", "GET", "/livez", ill, 200, "ok\n"},
		{"ready", "GET", "/readyz", well, 200, "ok\n"},
		{"query", "GET", "/readyz?verbose", well, 200, "ok\n"},
		{"not_ready", "GET", "/readyz", ill, 503, "directory: open /srv: permission denied; uid 65532\ndraining: a signal came\n"},
		{"healthy", "GET", "/healthz", well, 200, "[+]directory ok\n[+]listeners ok\nhealthz check passed\n"},
		{"ill", "GET", "/healthz", ill, 503, "[-]directory failed: open /srv: permission denied; uid 65532\n" +
			"[+]listeners ok\n[-]draining failed: a signal came\nhealthz check failed\n"},
		{"elsewhere", "GET", "/", well, 404, endpoints + "\n"},
		{"no_subtree", "GET", "/metrics/", well, 404, endpoints + "\n"},
		{"post_elsewhere", "POST", "/x", well, 404, endpoints + "\n"},
		{"post", "POST", "/readyz", ill, 405, "only GET and HEAD\n"},
		{"post_metrics", "DELETE", "/metrics", well, 405, "only GET and HEAD\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(c.h, c.method, c.path)
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, c.status, c.body)
			}
			if got := w.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Errorf("Content-Type = %q", got)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control = %q", got)
			}
			if got := w.Header().Get("Allow"); (got == "GET, HEAD") != (c.status == 405) {
				t.Errorf("Allow = %q", got)
			}
		})
	}
}

func TestChecksAreMadeForEachRequest(t *testing.T) {
	var down atomic.Bool
	h := newMetrics().Admin(Check{Name: "listeners", Probe: func() error {
		if down.Load() {
			return errors.New("not listening yet")
		}
		return nil
	}})
	for _, c := range []struct {
		down   bool
		status int
	}{{true, 503}, {false, 200}, {true, 503}} {
		down.Store(c.down)
		if got := ask(h, "GET", "/readyz").Code; got != c.status {
			t.Errorf("down %v: got %d, want %d", c.down, got, c.status)
		}
	}
}

func TestAHangingProbeIsReportedAndNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, mount := 0, make(chan struct{})
		h := newMetrics().Admin(Check{Name: "directory", Probe: func() error { calls++; <-mount; return nil }}, Check{Name: "listeners", Probe: passes})
		const want = "directory: no answer within 900ms\n"
		for range 3 {
			start := time.Now()
			w := ask(h, "GET", "/readyz")
			if w.Code != 503 || w.Body.String() != want || time.Since(start) != probeTimeout {
				t.Errorf("got %d %q after %v, want 503 %q after %v", w.Code, w.Body, time.Since(start), want, probeTimeout)
			}
		}
		close(mount)
		synctest.Wait()
		if calls != 1 {
			t.Errorf("probed %d times, want once", calls)
		}
		if w := ask(h, "GET", "/readyz"); w.Code != 200 || calls != 2 {
			t.Errorf("once the mount is back: %d, probed %d times", w.Code, calls)
		}
	})
}

func TestVersionHasTheLabelsOfBuildInfo(t *testing.T) {
	w := ask(newMetrics().Admin(), "GET", "/version")
	var got map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["version"] != "1.2.3" || got["revision"] != "abcdef" || got["goversion"] != runtime.Version() {
		t.Errorf("got %q", w.Body)
	}
}

func TestMetricsAreServedAsOpenMetricsToo(t *testing.T) {
	server := httptest.NewServer(newMetrics().Admin())
	defer server.Close()
	req, err := http.NewRequest(http.MethodHead, server.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || !strings.HasPrefix(got, "application/openmetrics-text") {
		t.Errorf("got %d, Content-Type %q", resp.StatusCode, got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q", got)
	}
}

func TestWhatOnlyHealthLooksAtLeavesTheServerReady(t *testing.T) {
	h := newMetrics().Admin(Check{Name: "directory", Probe: passes},
		Check{Name: "certificate", Probe: fails(`key "k": not PEM`), HealthOnly: true})
	if w := ask(h, "GET", "/readyz"); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("/readyz: got %d %q", w.Code, w.Body)
	}
	const want = "[+]directory ok\n[-]certificate failed: key \"k\": not PEM\nhealthz check failed\n"
	if w := ask(h, "GET", "/healthz"); w.Code != 503 || w.Body.String() != want {
		t.Errorf("/healthz: got %d %q, want 503 %q", w.Code, w.Body, want)
	}
}

func TestTheDevelopmentCACanBeFetched(t *testing.T) {
	if w := ask(newMetrics().Admin(), "GET", "/ca.pem"); w.Code != 404 {
		t.Errorf("without a CA: %d", w.Code)
	}
	m := newMetrics()
	m.CA = func() []byte { return []byte("-----BEGIN CERTIFICATE-----\n") }
	h := m.Admin()
	w := ask(h, "GET", "/ca.pem")
	if w.Code != 200 || w.Body.String() != string(m.CA()) || w.Header().Get("Content-Type") != "application/x-x509-ca-cert" {
		t.Errorf("got %d %q, %v", w.Code, w.Body, w.Header())
	}
	if w := ask(h, "GET", "/"); w.Body.String() != endpoints+" /ca.pem\n" {
		t.Errorf("elsewhere: %q", w.Body)
	}
}
