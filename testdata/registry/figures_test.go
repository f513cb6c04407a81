package registry

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// measures skips what takes minutes and judges nothing, unless PREVIEWD_FIGURES is set.
func measures(t *testing.T) {
	t.Helper()
	if os.Getenv("PREVIEWD_FIGURES") == "" {
		t.Skip("PREVIEWD_FIGURES is not set")
	}
}

// quantile is that of durations: 0.5 is their median.
func quantile(all []time.Duration, of float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(of*float64(len(sorted)-1)+0.5)].Round(time.Millisecond)
}

// until waits for an answer with the content, asking each 10 ms, and returns when it came.
func (p *previewd) until(host, path, content string) time.Time {
	p.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got, err := p.try(host, path); err == nil && got.StatusCode == 200 && got.content == content {
			return time.Now()
		}
	}
	p.t.Fatalf("%s%s does not become %q", host, path, content)
	return time.Time{}
}

// TestPushToVisible measures from the end of a push to the first answer of the new build.
func TestPushToVisible(t *testing.T) {
	measures(t)
	r := serve(t, options{})
	r.push("pr-1", numbered(0).image(t))
	p := show(t, r, "PREVIEWS_CHECK=5s")
	p.has("pr-1", numbered(0))
	var took []time.Duration
	for n := 1; n <= 20; n++ {
		time.Sleep(rand.N(5 * time.Second)) // at any moment between two questions
		r.push("pr-1", numbered(n).image(t))
		pushed := time.Now()
		took = append(took, p.until("pr-1.localhost", "/about.html", numbered(n)["about.html"]).Sub(pushed))
	}
	t.Logf("push to visible at PREVIEWS_CHECK=5s: median %v, 95th percentile %v", quantile(took, 0.5), quantile(took, 0.95))
}

// TestFirstVisit measures the first visit to a build of 30 MB in 300 files, beside crane, which fetches it and does not unpack.
func TestFirstVisit(t *testing.T) {
	measures(t)
	r := serve(t, options{})
	p := show(t, r)
	before := p.peak()
	var ours, theirs []time.Duration
	for n := range 7 {
		tag := fmt.Sprintf("pr-%d", n)
		f := files{"index.html": "<title>" + tag}
		text := incompressible(30_000_000)
		for i := range 300 {
			f[fmt.Sprintf("assets/%d.bin", i)] = strconv.Itoa(n) + text[i*100_000:(i+1)*100_000]
		}
		r.push(tag, f.image(t))
		began := time.Now()
		run(t, "", r.variables(), tool(t, "CRANE", "crane"), "pull", "--insecure", r.tag(tag), filepath.Join(t.TempDir(), "image.tar"))
		theirs = append(theirs, time.Since(began))
		began = time.Now()
		if got := p.get(tag+".localhost", "/"); got.content != f["index.html"] {
			t.Fatal(got)
		}
		ours = append(ours, time.Since(began))
	}
	t.Logf("first visit to 30 MB in 300 files: median %v of %v; crane pull: %v of %v; peak memory %d MiB, %d MiB before", quantile(ours, 0.5), ours, quantile(theirs, 0.5), theirs, p.peak(), before)
}

// peak is the largest resident memory up to now, in MiB.
func (p *previewd) peak() int64 {
	p.t.Helper()
	kibibytes, err := subject.Status(p.ID(), "VmHWM")
	if err != nil {
		p.t.Fatal(err)
	}
	return kibibytes >> 10
}

// TestReplicas measures how long three servers behind a proxy, which takes one after the other, show two builds side by side.
func TestReplicas(t *testing.T) {
	measures(t)
	const check = 2 * time.Second
	r := serve(t, options{})
	r.push("pr-1", numbered(0).image(t))
	var next atomic.Int64
	var servers []*url.URL
	for range 3 {
		p := show(t, r, "PREVIEWS_CHECK="+check.String())
		p.has("pr-1", numbered(0))
		servers = append(servers, &url.URL{Scheme: "http", Host: p.Addr})
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(servers[next.Add(1)%3])
		r.Out.Host = r.In.Host
	}})
	defer proxy.Close()
	client := clientOf(t, proxy.Listener.Addr().String())
	var mixed, all []time.Duration
	for n := 1; n <= 15; n++ {
		time.Sleep(rand.N(check))
		r.push("pr-1", numbered(n).image(t))
		pushed := time.Now()
		var first time.Time
		for fresh := 0; fresh < 9; time.Sleep(5 * time.Millisecond) { // thrice each
			response, err := client.Get("http://pr-1.localhost/about.html")
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || response.StatusCode != http.StatusOK || !strings.HasPrefix(string(text), "<p>build ") {
				t.Fatal(response.Status, err, string(text))
			}
			if string(text) != numbered(n)["about.html"] {
				fresh = 0
				continue
			}
			if fresh++; first.IsZero() {
				first = time.Now()
			}
		}
		all = append(all, time.Since(pushed))
		mixed = append(mixed, time.Since(first))
	}
	t.Logf("three servers at PREVIEWS_CHECK=%v: all show the new build after %v (median), %v (the longest); two builds are seen side by side for %v, %v",
		check, quantile(all, 0.5), quantile(all, 1), quantile(mixed, 0.5), quantile(mixed, 1))
}
