package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

// repository is the one that all tests use.
const repository = "team/app"

// registry is distribution's registry on a port of 127.0.0.1, and the door before it: it counts what is asked for,
// misbehaves when told to, and closes and opens again at the same address.
type registry struct {
	t    *testing.T
	addr string      // host:port
	tls  *tls.Config // nil is plain HTTP
	app  http.Handler

	tokens bool // it wants them

	mu     sync.Mutex
	server *http.Server // nil while it is closed
	fault  fault
	asked  []asked
}

// asked is a request as it came to the door.
type asked struct {
	at     time.Time
	method string
	path   string
	header http.Header
}

// fault answers a request in place of the registry, or has next answer.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// options say what a registry wants of its clients.
type options struct {
	tokens *tokens     // nil is that all may do everything
	tls    *tls.Config // nil is plain HTTP
	// address is where it listens, "" a free port of 127.0.0.1.
	address string
}

// serve starts a registry until the test ends. It has nothing, and deletes what it is told to.
func serve(t *testing.T, o options) *registry {
	t.Helper()
	r := &registry{t: t, addr: cmp.Or(o.address, "127.0.0.1:0"), tls: o.tls, tokens: o.tokens != nil}
	mux := http.NewServeMux()
	r.app = mux
	r.open() // the realm has the address
	config := &configuration.Configuration{Storage: configuration.Storage{"filesystem": {"rootdirectory": memory(t)}, "delete": {"enabled": true}}}
	config.Tags.MaxTags = 1000
	config.HTTP.Secret = "upload sessions are signed with this"
	config.Log.Level = "error"
	if o.tokens != nil {
		config.Auth = o.tokens.parameters(t, r.url()+"/token")
		mux.Handle("/token", o.tokens)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	mux.Handle("/v2/", handlers.NewApp(ctx, config))
	t.Cleanup(r.close)
	return r
}

// memory is a directory in memory, where there is such a file system: distribution syncs each file.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "previewd-registry-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// url is the registry's address with its scheme.
func (r *registry) url() string {
	if r.tls != nil {
		return "https://" + r.addr
	}
	return "http://" + r.addr
}

// tag is the full name of a tag.
func (r *registry) tag(name string) string { return r.addr + "/" + repository + ":" + name }

// open listens: where it listened before, if it did.
func (r *registry) open() {
	r.t.Helper()
	listener, err := net.Listen("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = listener.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(r.door), TLSConfig: r.tls, ErrorLog: log.New(io.Discard, "", 0)}
	r.mu.Lock()
	r.server = server
	r.mu.Unlock()
	if r.tls != nil {
		go server.ServeTLS(listener, "", "")
		return
	}
	go server.Serve(listener)
}

// close ends all connections, and refuses new ones.
func (r *registry) close() {
	r.mu.Lock()
	server := r.server
	r.server = nil
	r.mu.Unlock()
	if server != nil {
		server.Close()
	}
}

// misbehave has the fault answer from now on; nil is that the registry does.
func (r *registry) misbehave(f fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

func (r *registry) door(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.asked = append(r.asked, asked{time.Now(), request.Method, request.URL.Path, request.Header})
	fault := r.fault
	r.mu.Unlock()
	if fault != nil {
		fault(w, request, r.app)
		return
	}
	r.app.ServeHTTP(w, request)
}

// forgetAsked empties the log.
func (r *registry) forgetAsked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = nil
}

// log are the requests up to now whose path contains the text.
func (r *registry) log(text string) []asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []asked
	for _, a := range r.asked {
		if strings.Contains(a.path, text) {
			found = append(found, a)
		}
	}
	return slices.Clip(found)
}
