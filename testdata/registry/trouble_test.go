package registry

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRegistryDown: what is here is served while the registry is away, also by a server that starts then, and the admin port
// says since when. What is not here is told so, and comes when the registry is back.
func TestRegistryDown(t *testing.T) {
	t.Parallel()
	r := serve(t, options{})
	r.push("pr-1", pages("one").image(t))
	r.push("pr-2", pages("two").image(t))
	store := "PREVIEWS_STORE=" + filepath.Join(t.TempDir(), "store")
	p := show(t, r, store)
	p.has("pr-1", pages("one"))
	if status, text := p.admin("/healthz"); status != 200 || !strings.Contains(text, "[+]registry ok") {
		t.Errorf("all is well, and /healthz says %d %s", status, text)
	}

	r.close()
	isAway := func(p *previewd, since string) {
		p.has("pr-1", pages("one"))
		await(t, "/healthz tells of it", func() error {
			if status, text := p.admin("/healthz"); status != 200 || !strings.Contains(text, since) {
				return fmt.Errorf("it says %d %s", status, text)
			}
			return nil
		})
		if status, text := p.admin("/readyz"); status != 200 {
			t.Errorf("/readyz: %d %s", status, text)
		}
		for _, tag := range []string{"pr-2", "pr-3"} {
			for _, fields := range [][]string{navigation, subresource} {
				if got := p.get(tag+".localhost", "/", fields...); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
					t.Errorf("%s, which is not here: %v", tag, got)
				}
			}
		}
		if got := p.get("localhost", "/", navigation...); got.StatusCode != 200 || !strings.Contains(got.content, since) || !strings.Contains(got.content, "pr-1") {
			t.Errorf("the overview: %v", got)
		}
		p.says("connection refused")
	}
	isAway(p, "last reached at")
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	p = show(t, r, store)
	isAway(p, "has not been reached since the start")

	r.open()
	p.becomes("pr-2", pages("two"))
	await(t, "/healthz is well again", func() error {
		if _, text := p.admin("/healthz"); !strings.Contains(text, "[+]registry ok") {
			return fmt.Errorf("it says %s", text)
		}
		return nil
	})
	r.push("pr-1", pages("moved").image(t))
	p.becomes("pr-1", pages("moved"))
}

// incompressible is a text of so many bytes that no layer makes much smaller.
func incompressible(size int) string {
	text := make([]byte, size)
	random := rand.NewChaCha8([32]byte{2})
	random.Read(text)
	return string(text)
}

// TestSlowRegistry: a page shows how far its build is; what is for no page waits for it, and is told to come back after 30 s.
func TestSlowRegistry(t *testing.T) {
	t.Parallel()
	r := serve(t, options{})
	site := files{"index.html": "<title>here</title>", "large.bin": incompressible(200_000)}
	r.push("pr-1", site.image(t))
	var rate atomic.Int64
	rate.Store(1 << 10)
	r.misbehave(blobs(slowly(&rate)))
	r.forgetAsked()
	p := show(t, r)

	var far string
	await(t, "the page says how far it is", func() error {
		got := p.get("pr-1.localhost", "/", navigation...)
		if got.StatusCode != 503 || got.Header.Get("Retry-After") == "" || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") ||
			got.Header.Get("Cache-Control") != "no-store" || strings.Contains(got.content, "<title>here") {
			t.Fatalf("%v", got)
		}
		if far = got.content; !strings.Contains(far, " kB of 20") || !strings.Contains(far, `<progress max="20`) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	began := time.Now()
	if got := p.get("pr-1.localhost", "/large.bin", subresource...); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("after it waited: %v", got)
	}
	if waited := time.Since(began); waited < 29*time.Second {
		t.Errorf("it waited for %v, want 30 s", waited)
	}
	if got := p.get("pr-1.localhost", "/__previewd/build"); got.StatusCode != 200 || !strings.Contains(got.content, `"state":"fetching"`) {
		t.Errorf("the build: %v", got)
	}
	rate.Store(1 << 20)
	p.has("pr-1", site) // it waits for the rest
	if blobs := len(r.log("/blobs/")); blobs != 2 {
		t.Errorf("%d blobs were asked for, of one layer and one config", blobs)
	}
}

// TestLimitedRegistry: a registry that answers 429 is left alone for as long as it says. What is here is served.
func TestLimitedRegistry(t *testing.T) {
	t.Parallel()
	r := serve(t, options{})
	r.push("pr-1", pages("one").image(t))
	r.push("pr-2", pages("two").image(t))
	p := show(t, r)
	p.has("pr-1", pages("one"))
	const pause, underWay = 8 * time.Second, 2 * time.Second
	r.misbehave(limited(pause))
	before := len(r.log(""))
	await(t, "the registry is asked, and refuses", func() error {
		if len(r.log("")) == before {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	first := r.log("")[before].at
	for _, tag := range []string{"pr-2", "nowhere"} {
		if got := p.get(tag+".localhost", "/", navigation...); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s, which is not here: %v", tag, got)
		}
	}
	p.has("pr-1", pages("one"))
	await(t, "the registry is asked again", func() error {
		if all := r.log(""); !all[len(all)-1].at.After(first.Add(pause)) {
			return fmt.Errorf("the last time was %v after the first 429", all[len(all)-1].at.Sub(first))
		}
		return nil
	})
	for _, a := range r.log("")[before:] {
		if after := a.at.Sub(first); after > underWay && after < pause-time.Second {
			t.Errorf("%s %s came %v after the registry had asked for %v of peace", a.method, a.path, after, pause)
		}
	}
	r.misbehave(nil)
	p.becomes("pr-2", pages("two"))
}

// TestBrokenRegistry: whatever the registry answers, what is here stays, a preview that is not here has one page that says
// so, and nothing of it reaches a terminal or a page as it is.
func TestBrokenRegistry(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]fault{"500": broken, "garbage": garbage, "circles": circles, "reset": reset,
		"blobs 500": blobs(broken), "blobs garbage": blobs(garbage), "blobs circles": blobs(circles), "blobs reset": blobs(reset)} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := serve(t, options{})
			r.push("pr-1", pages("one").image(t))
			p := show(t, r)
			p.has("pr-1", pages("one"))
			r.push("pr-2", pages("two").image(t))
			r.push("pr-1", pages("moved").image(t))
			r.misbehave(f)
			var got answer
			await(t, "the page says that it cannot be fetched", func() error {
				if got = p.get("pr-2.localhost", "/", navigation...); strings.Contains(got.content, "<progress") {
					return fmt.Errorf("%v", got)
				}
				return nil
			})
			if got.StatusCode != 503 || got.Header.Get("Retry-After") == "" || strings.Contains(got.content, "<script>alert") || strings.Contains(got.content, "\x1b") {
				t.Errorf("%v", got)
			}
			if got := p.get("pr-1.localhost", "/"); got.StatusCode != 200 {
				t.Errorf("what was here: %v", got)
			}
			if text := p.output(); strings.Contains(text, "\x1b") || strings.Contains(text, "panic") || strings.Contains(text, "�") {
				t.Errorf("the log:\n%s", text)
			}
			if lines := strings.Count(p.output(), "warn: "); lines == 0 || lines > 10 {
				t.Errorf("the log has %d warnings", lines)
			}
			r.misbehave(nil)
			p.becomes("pr-2", pages("two"))
			p.becomes("pr-1", pages("moved"))
		})
	}
}

// TestAnotherHost: layers may come from another host, as cloud registries have it. It never sees the credentials.
func TestAnotherHost(t *testing.T) {
	t.Parallel()
	// Confined, the server connects to the registry's port only, and 443.
	trusted := newAuthority(t)
	r := serve(t, options{tls: trusted.server, tokens: newTokens(t), address: "127.0.0.2:0"})
	_, port, _ := strings.Cut(r.addr, ":")
	another := serve(t, options{tls: trusted.server, address: "127.0.0.1:" + port})
	url := "https://localhost:" + port // no redirect is followed to the number of a private address
	for _, to := range []*registry{r, another} {
		to.push("pr-1", pages("one").image(t))
	}
	another.forgetAsked()
	r.misbehave(blobs(elsewhere(url)))
	p := show(t, r, "DOCKER_CONFIG="+dockerConfig(t, r.addr), "SSL_CERT_FILE="+trusted.file)
	p.has("pr-1", pages("one"))
	if len(another.log("/blobs/")) == 0 {
		t.Error("the other host was not asked")
	}

	// One that sends all away, to where there is nothing.
	r.misbehave(nil)
	r.push("pr-2", pages("two").image(t))
	r.misbehave(elsewhere(url))
	await(t, "the page says so", func() error {
		if got := p.get("pr-2.localhost", "/", navigation...); got.StatusCode == 200 || got.StatusCode == 503 && strings.Contains(got.content, "<progress") {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	for _, a := range another.log("") {
		if a.header.Get("Authorization") != "" || strings.Contains(fmt.Sprint(a.header), secret) {
			t.Errorf("the other host was sent %v with %s %s", a.header, a.method, a.path)
		}
	}
	p.has("pr-1", pages("one"))
}
