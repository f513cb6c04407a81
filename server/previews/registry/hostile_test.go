package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const head = "HEAD /v2/team/app/manifests/pr-42"
const get = "GET /v2/team/app/manifests/pr-42"

// TestFailures: each is one line that names what was asked for, and none is that the tag is gone or the image refused.
func TestFailures(t *testing.T) {
	a := newAuthority(t)
	elsewhere := a.serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	redirectTo := func(target string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target, http.StatusTemporaryRedirect)
		}
	}
	for name, c := range map[string]struct {
		what   string // that is answered so
		answer http.HandlerFunc
		want   string
	}{
		"500": {get, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "answers 500 Internal Server Error"},
		"500 with garbage": {get, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, strings.Repeat("<h1>\n", 100_000))
		}, "answers 500 Internal Server Error"},
		"words": {get, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = io.WriteString(w, `{"errors":[{"code":"UNAVAILABLE","message":"maintenance\nuntil noon"}]}`)
		}, `answers 503 Service Unavailable ("maintenance")`},
		"403": {get, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"not yours"}]}`)
		}, `answers 403 Forbidden ("not yours"), asked without credentials`},
		"401":                {get, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "answers 401 Unauthorized, asked without credentials"},
		"404 of signing in":  {"GET /v2/", http.NotFound, "answers 404 Not Found"},
		"garbage":            {get, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "answers with something other than a manifest"},
		"endless redirects":  {get, redirectTo("/v2/team/app/manifests/pr-42"), "more than 5 redirects"},
		"a redirect to HTTP": {get, redirectTo("http://" + elsewhere + "/"), "redirected from HTTPS to plain HTTP, to " + elsewhere},
		"another scheme":     {get, redirectTo("ftp://example.com/"), `the scheme "ftp" is none of HTTP`},
		"a secret elsewhere": {get, redirectTo("https://" + elsewhere + "/?signature=s3cret"), elsewhere + " answers 500 Internal Server Error"},
		"metadata": {get, redirectTo("https://169.254.169.254/latest"),
			`SSRF protection: redirect from "127.0.0.1" to private/link-local host "169.254.169.254" denied`},
		"signing in elsewhere": {"GET /v2/", redirectTo("https://" + elsewhere + "/"), "signing in is redirected to " + elsewhere + ": name that registry instead"},
		"endless signing in":   {"GET /v2/", redirectTo("/v2/"), "more than 5 redirects"},
		"a realm by HTTP": {"GET /v2/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://example.com/token"`)
			w.WriteHeader(401)
		}, `invalid realm in www-authenticate: realm scheme "http" not allowed for a secure registry; use https`},
		"a realm that hands out nothing": {"GET /v2/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/token"`)
			w.WriteHeader(401)
		}, "no token in bearer response:"},
		"a cut answer": {get, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		}, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.on("GET /token", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"refresh_token":"s3cret"}`) })
			f.on(c.what, c.answer)
			host := a.serve(t, f)
			_, err := a.client(t, host, Options{}).Image(t.Context(), "pr-42")
			if want := host + "/team/app:pr-42: " + c.want; err == nil || err.Error() != want {
				t.Fatalf("got  %v\nwant %s", err, want)
			}
			isOneLine(t, err)
			if _, isRefused := errors.AsType[*RefusedError](err); isRefused || errors.Is(err, ErrNotFound) {
				t.Errorf("%v is final", err)
			}
			if n := f.count(c.what); n > maxRedirects+1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// TestUnreachable: the errors of connecting say what can be done.
func TestUnreachable(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	plain := httptest.NewServer(newFake())
	defer plain.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, c := range map[string]struct {
		host, want string
		insecure   bool
	}{
		"nobody listens":               {closed.Addr().String(), "connect: connection refused", false},
		"nobody listens to plain HTTP": {closed.Addr().String(), "connect: connection refused", true},
		"another authority":            {b.serve(t, newFake()), "SSL_CERT_FILE names a file with the certificates that are trusted", false},
		"plain HTTP":                   {plain.Listener.Addr().String(), "server gave HTTP response to HTTPS client; PREVIEWS_INSECURE=true allows it", false},
		"a link-local one":             {"169.254.169.254", "169.254.169.254 is at 169.254.169.254: link-local, not connected to", false},
		"the unspecified one":          {"0.0.0.0:5000", "0.0.0.0 is at 0.0.0.0: no address of a server, not connected to", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := a.client(t, c.host, Options{Insecure: c.insecure}).Head(t.Context(), "pr-42")
			if err == nil || !strings.HasPrefix(err.Error(), c.host+"/team/app:pr-42: ") || !strings.HasSuffix(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			isOneLine(t, err)
		})
	}
}

// TestInsecure: plain HTTP goes to the registry alone.
func TestInsecure(t *testing.T) {
	a, f := newAuthority(t), newFake()
	digest := f.put("manifests", "pr-42", encode(t, f.manifest(t, imageConfig)))
	server := httptest.NewServer(f)
	defer server.Close()
	host := server.Listener.Addr().String()
	client := a.client(t, host, Options{Insecure: true})
	if got, err := client.Head(t.Context(), "pr-42"); err != nil || got != digest {
		t.Fatalf("got %q, %v", got, err)
	}
	if tags, _, err := client.Tags(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("tags: %q, %v", tags, err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	f.on(get, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	_, err := client.Image(t.Context(), "pr-42")
	if want := host + "/team/app:pr-42: no plain HTTP to " + other.Listener.Addr().String(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	// So with a realm, whatever the library allows.
	f.on("GET /v2/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://localhost:`+strings.TrimPrefix(other.URL, "http://127.0.0.1:")+`/token"`)
		w.WriteHeader(401)
	})
	_, err = a.client(t, host, Options{Insecure: true}).Image(t.Context(), "pr-42")
	if err == nil || !strings.Contains(err.Error(), "no plain HTTP to localhost") {
		t.Errorf("got %v", err)
	}
	// The realm may be the registry itself.
	f.on("GET /v2/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token"`)
		w.WriteHeader(401)
	})
	f.on("GET /token", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"token":"token"}`) })
	if got, err := a.client(t, host, Options{Insecure: true}).Head(t.Context(), "pr-42"); err != nil || got != digest {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestRetryAfter: what a registry asks for is what the caller is told, wherever it was said.
func TestRetryAfter(t *testing.T) {
	limited := func(status int, field string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if field != "" {
				w.Header().Set("Retry-After", field)
			}
			w.WriteHeader(status)
		}
	}
	soon := time.Now().Add(20 * time.Minute).UTC().Format(http.TimeFormat)
	for name, c := range map[string]struct {
		what     string
		answer   http.HandlerFunc
		from, to time.Duration // 0 is: nothing is said
	}{
		"seconds":             {head, limited(429, "7"), 7 * time.Second, 7 * time.Second},
		"a date":              {head, limited(429, soon), 15 * time.Minute, 20 * time.Minute},
		"a date that is over": {head, limited(429, "Mon, 02 Jan 2006 15:04:05 GMT"), time.Second, time.Second},
		"none":                {head, limited(429, ""), time.Minute, time.Minute},
		"garbage":             {head, limited(429, "-1 s3cret"), time.Minute, time.Minute},
		"a year":              {head, limited(429, "31536000"), time.Hour, time.Hour},
		"503":                 {head, limited(503, "30"), 30 * time.Second, 30 * time.Second},
		"503 without":         {head, limited(503, ""), 0, 0},
		"500":                 {head, limited(500, "30"), 0, 0},
		"signing in":          {"GET /v2/", limited(429, "9"), 9 * time.Second, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			a, f := newAuthority(t), newFake()
			f.on(c.what, c.answer)
			_, err := a.client(t, a.serve(t, f), Options{}).Head(t.Context(), "pr-42")
			if err == nil {
				t.Fatal("no error")
			}
			isOneLine(t, err)
			if after, said := RetryAfter(fmt.Errorf("wrapped: %w", err)); said != (c.to > 0) || after < c.from || after > c.to {
				t.Errorf("%v: got %v, %v", err, after, said)
			}
			if n := f.count(c.what); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// TestLayer: content that is not what the manifest says ends with an error, whatever way it is sent in.
func TestLayer(t *testing.T) {
	l := Layer{Digest: sum(layerTwo), Size: int64(len(layerTwo))}
	wrong := []byte(strings.ToUpper(string(layerTwo)))
	long := append(layerTwo[:len(layerTwo):len(layerTwo)], "and more"...)
	for name, c := range map[string]struct {
		layer   Layer
		content []byte
		want    string
	}{
		"whole":                     {l, layerTwo, ""},
		"wrong":                     {l, wrong, "error verifying sha256 checksum"},
		"short":                     {l, layerTwo[:5], "error verifying sha256 checksum after reading 5 bytes"},
		"empty":                     {l, nil, "error verifying sha256 checksum after reading 0 bytes"},
		"long":                      {l, long, "is longer than the 21 bytes that the manifest says"},
		"the manifest says more":    {Layer{Digest: l.Digest, Size: 22}, layerTwo, "has 21 of the 22 bytes that the manifest says"},
		"the manifest says less":    {Layer{Digest: l.Digest, Size: 20}, layerTwo, "is longer than the 20 bytes that the manifest says"},
		"the manifest says nothing": {Layer{Digest: l.Digest}, layerTwo, "is longer than the 0 bytes that the manifest says"},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %v", name, chunked), func(t *testing.T) {
				a, f := newAuthority(t), newFake()
				f.on("GET /v2/team/app/blobs/"+l.Digest, func(w http.ResponseWriter, _ *http.Request) {
					if chunked {
						w.(http.Flusher).Flush()
					}
					_, _ = w.Write(c.content)
				})
				host := a.serve(t, f)
				content, err := a.client(t, host, Options{}).Layer(t.Context(), c.layer)
				if err != nil {
					t.Fatal(err)
				}
				defer content.Close()
				got, err := io.ReadAll(content)
				if c.want == "" {
					if err != nil || string(got) != string(layerTwo) {
						t.Errorf("got %q, %v", got, err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), host+"/team/app@"+l.Digest+": ") {
					t.Errorf("got  %v\nwant %s", err, c.want)
				}
				if int64(len(got)) > c.layer.Size {
					t.Errorf("%d bytes came", len(got))
				}
				if n, again := content.Read(make([]byte, 10)); n != 0 || again == nil || errors.Is(again, io.EOF) {
					t.Errorf("the next Read: %d, %v", n, again)
				}
			})
		}
	}
}

// TestLayerIsMissing: that is no word about the tag.
func TestLayerIsMissing(t *testing.T) {
	a := newAuthority(t)
	_, err := a.client(t, a.serve(t, newFake()), Options{}).Layer(t.Context(), Layer{Digest: sum(layerOne), Size: 1})
	if err == nil || errors.Is(err, ErrNotFound) || !strings.HasSuffix(err.Error(), "the registry lacks this layer") {
		t.Errorf("got %v", err)
	}
}

// TestLayerElsewhere: layers are redirected to a store with signed URLs, which gets no credentials and no word of where it
// was named.
func TestLayerElsewhere(t *testing.T) {
	a, f := newAuthority(t), newFake()
	var fields http.Header
	store := a.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fields = r.Header.Clone()
		_, _ = w.Write(layerTwo)
	}))
	f.on("GET /v2/team/app/blobs/"+sum(layerTwo), func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+store+"/blob?signature=s3cret", http.StatusTemporaryRedirect)
	})
	content, err := a.client(t, a.serve(t, f), Options{UserAgent: "previewd/1"}).Layer(t.Context(), Layer{Digest: sum(layerTwo), Size: int64(len(layerTwo))})
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if got, err := io.ReadAll(content); err != nil || string(got) != string(layerTwo) {
		t.Errorf("got %q, %v", got, err)
	}
	if fields.Get("User-Agent") != "previewd/1" || fields.Get("Referer") != "" || fields.Get("Authorization") != "" {
		t.Errorf("the store gets %q", fields)
	}
}

// TestCancelled: a call ends with its context, and the next one is not the worse for it.
func TestCancelled(t *testing.T) {
	a, f := newAuthority(t), newFake()
	digest := f.put("manifests", "pr-42", encode(t, f.manifest(t, imageConfig)))
	client := a.client(t, a.serve(t, f), Options{})
	client.pause = time.Hour
	reached := make(chan struct{})
	f.on("GET /v2/", func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	if _, err := client.Head(ctx, "pr-42"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	f.on("GET /v2/", func(http.ResponseWriter, *http.Request) {})
	if got, err := client.Head(t.Context(), "pr-42"); err != nil || got != digest {
		t.Errorf("got %q, %v", got, err)
	}
}
