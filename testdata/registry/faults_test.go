package registry

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// slowly sends what the registry sends with so many bytes a second, which may change.
func slowly(rate *atomic.Int64) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&trickle{ResponseWriter: w, ctx: r.Context(), rate: rate}, r)
	}
}

// trickle sends a sixteenth of its rate each sixteenth of a second.
type trickle struct {
	http.ResponseWriter
	ctx  context.Context
	rate *atomic.Int64 // bytes a second
}

func (t *trickle) Write(text []byte) (n int, err error) {
	for len(text) > 0 {
		part := text[:min(int64(len(text)), max(1, t.rate.Load()/16))]
		done, err := t.ResponseWriter.Write(part)
		n += done
		if err != nil {
			return n, err
		}
		if err := http.NewResponseController(t.ResponseWriter).Flush(); err != nil {
			return n, err
		}
		text = text[len(part):]
		select {
		case <-time.After(time.Second / 16):
		case <-t.ctx.Done():
			return n, t.ctx.Err()
		}
	}
	return n, nil
}

// limited is a registry that has had enough, and says when one may come again.
func limited(after time.Duration) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"errors":[{"code":"TOOMANYREQUESTS","message":"you have reached your pull rate limit"}]}`)
	}
}

// broken is a registry behind a proxy that has a page for errors.
func broken(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusInternalServerError)
	io.WriteString(w, "<html><h1>Oops</h1>\n\x1b[31m<script>alert(1)</script>"+strings.Repeat(" ", 4096))
}

// garbage is the right media type, and nothing that is of it.
func garbage(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	text := make([]byte, 2000)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(text)
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method != http.MethodHead {
		w.Write(text)
	}
}

// circles leads to itself for ever.
func circles(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	query := r.URL.Query()
	query.Set("n", strconv.Itoa(n+1))
	w.Header().Set("Location", r.URL.Path+"?"+query.Encode())
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// elsewhere leads to another host.
func elsewhere(url string) fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Location", url+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// reset ends the connection without an answer.
func reset(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if conn, ok := conn.(*net.TCPConn); ok {
		conn.SetLinger(0)
	}
	conn.Close()
}

// blobs has a fault for layers and configs only.
func blobs(f fault) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			f(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// TestFaults: the registry misbehaves as it is told to, and then is itself again.
func TestFaults(t *testing.T) {
	r := serve(t, options{})
	r.push("v1", files{"index.html": "<p>one"}.image(t))
	another := serve(t, options{})
	manifest := "/v2/" + repository + "/manifests/v1"
	for what, f := range map[string]fault{
		"429": limited(7 * time.Second), "500": broken, "200": garbage, "too many redirects": circles, "404": elsewhere(another.url()), "reset": reset,
	} {
		r.misbehave(f)
		if got := look(r.url() + manifest); !strings.Contains(got, what) {
			t.Errorf("%s: %s", what, got)
		}
	}
	r.misbehave(blobs(broken))
	if got := look(r.url() + "/v2/" + repository + "/blobs/any"); !strings.Contains(got, "500") {
		t.Errorf("a blob: %s", got)
	}
	var rate atomic.Int64
	rate.Store(100 << 10)
	for _, f := range []fault{nil, blobs(broken), slowly(&rate)} {
		r.misbehave(f)
		if got := look(r.url() + manifest); !strings.Contains(got, "200") {
			t.Errorf("well again: %s", got)
		}
	}
	if got := len(another.log(manifest)); got != 1 {
		t.Errorf("the other host was asked %d times", got)
	}
}

// look is the status or the error of a GET request, as words.
func look(url string) string {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Accept", string(types.OCIManifestSchema1))
	response, err := client.Do(request)
	if err != nil {
		return strings.ReplaceAll(err.Error(), "stopped after 10 redirects", "too many redirects")
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err.Error()
	}
	return response.Status
}
