package service

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/metrics"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/registrytest"
	"github.com/previewd/previewd/server/site"
)

// previewsOf returns the previews of an environment, which run until the test ends, and write to a log.
func previewsOf(t *testing.T, environ map[string]string, log io.Writer) *sites {
	t.Helper()
	c, err := config.Load(nil, environ)
	if err != nil {
		t.Fatal(err)
	}
	profile := message.Profile{}.WithDefaults()
	setup := Setup{Config: c, Environ: environ, Profile: profile,
		Log: accesslog.New(zapcore.AddSync(log), accesslog.JSON, zapcore.InfoLevel, profile, time.Now)}
	from, err := openRepository(&setup)
	if err != nil {
		t.Fatal(err)
	}
	files := site.New(siteOptions(setup, nil, nil))
	many := newSites(setup, from, files, nil, nil, nil, metrics.New(setup.Build, nil))
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { many.watch(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		_ = files.Close()
		from.close()
	})
	return many
}

// output is a log that is read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// environOf is that of a server for the tags of a repository.
func environOf(t *testing.T, r *registrytest.Registry) map[string]string {
	return map[string]string{"PREVIEWS": r.Repository, "PREVIEWS_INSECURE": "true", "PREVIEWS_STORE": t.TempDir(), "PREVIEWS_CHECK": "1s", "RELOAD": "true"}
}

// ask asks for a target of a tag's site.
func ask(ctx context.Context, s *sites, tag, target string, fields ...message.Field) message.Response {
	return s.handler(nil)(ctx, &message.Request{Method: "GET", Target: target, Scheme: "http", Content: message.NoContent{},
		Fields: append(message.Fields{{Name: "Host", Value: tag + ".localhost"}}, fields...)})
}

// TestHealth: /healthz speaks of a registry only where there is one.
func TestHealth(t *testing.T) {
	if got := previewsOf(t, map[string]string{"PREVIEWS": "directories", "DIRECTORY": t.TempDir()}, io.Discard).checks(); len(got) != 0 {
		t.Errorf("directories: got %+v", got)
	}
	if got := previewsOf(t, environOf(t, registrytest.Start(t)), io.Discard).checks(); len(got) != 1 || got[0].Name != "registry" {
		t.Errorf("a registry: got %+v", got)
	}
}

// TestAnotherPathIsSeen: what an earlier start has unpacked with another PREVIEWS_PATH is not shown.
func TestAnotherPathIsSeen(t *testing.T) {
	r := registrytest.Start(t)
	r.Push("pr-1", map[string]string{"index.html": "the root", "app/index.html": "the app"})
	environ := environOf(t, r)
	for _, c := range []struct{ path, want string }{{"", "the root"}, {"/app", "the app"}, {"/", "the root"}} {
		t.Run(c.path, func(t *testing.T) {
			environ["PREVIEWS_PATH"] = c.path
			resp := ask(t.Context(), previewsOf(t, environ, io.Discard), "pr-1", "/")
			var b strings.Builder
			if _, err := resp.Body.WriteTo(&b); err != nil || b.String() != c.want {
				t.Errorf("got %q, %v, want %q", b.String(), err, c.want)
			}
			_ = resp.Body.Close()
		})
	}
}

// TestWarningsNameTheTag whose files they are about, and not where the store has those.
func TestWarningsNameTheTag(t *testing.T) {
	r := registrytest.Start(t)
	r.Push("Feature_1", map[string]string{"index.html": "", "_redirects": "nonsense\n"})
	var log output
	resp := ask(t.Context(), previewsOf(t, environOf(t, r), &log), "feature-1", "/")
	if resp.Status != 200 || !strings.Contains(log.String(), `"preview":"Feature_1"`) {
		t.Errorf("got %d, %s", resp.Status, &log)
	}
}

// TestAnArchiveStaysWholeWhenItsTagMoves: it reads the files of its build while it is sent, and nobody deletes them before its end.
func TestAnArchiveStaysWholeWhenItsTagMoves(t *testing.T) {
	r := registrytest.Start(t)
	files := map[string]string{"index.html": "the first"}
	for i := range 100 {
		files[fmt.Sprintf("d/%d.bin", i)] = strings.Repeat(fmt.Sprint(i), 100_000)
	}
	r.Push("pr-1", files)
	environ := environOf(t, r)
	environ["PREVIEWS_SIZE"] = "70MiB" // three builds, and no fourth
	many := previewsOf(t, environ, io.Discard)
	shown := func(text string) bool {
		resp := ask(t.Context(), many, "pr-1", "/index.html")
		defer resp.Body.Close()
		content, _ := message.InMemory(resp.Body)
		return string(content) == text
	}
	await := func(text string) {
		for !shown(text) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	await("the first")
	archive := ask(t.Context(), many, "pr-1", "/d/?archive=tar.gz")
	if archive.Status != 200 {
		t.Fatalf("the archive: %d", archive.Status)
	}
	for n := range 2 {
		files["index.html"] = fmt.Sprint("another, ", n)
		r.Push("pr-1", files)
		await(files["index.html"])
	}
	files["index.html"] = "of another tag, for which the store needs the room"
	r.Push("pr-2", files)
	if resp := ask(t.Context(), many, "pr-2", "/index.html"); resp.Body != nil {
		_ = resp.Body.Close()
	}
	var b bytes.Buffer
	_, err := archive.Body.WriteTo(&b)
	if closed := archive.Body.Close(); err != nil || closed != nil {
		t.Errorf("%v, %v", err, closed)
	}
	zipped, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for each := tar.NewReader(zipped); ; names++ {
		h, err := each.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d names: %v", names, err)
		}
		if _, err := io.Copy(io.Discard, each); err != nil {
			t.Errorf("%s: %v", h.Name, err)
		}
	}
	if names < 100 {
		t.Errorf("it has %d names", names)
	}
}

// TestAnOpenPageIsToldThatItsTagMoved, and those of other tags are not.
func TestAnOpenPageIsToldThatItsTagMoved(t *testing.T) {
	r := registrytest.Start(t)
	for _, tag := range []string{"pr-1", "pr-2"} {
		r.Push(tag, map[string]string{"index.html": "<!doctype html><title>" + tag + "</title>the first"})
	}
	many := previewsOf(t, environOf(t, r), io.Discard)
	request := func(ctx context.Context, tag, target string) message.Response {
		return ask(ctx, many, tag, target, message.Field{Name: "Accept", Value: "text/html"}, message.Field{Name: "Sec-Fetch-Dest", Value: "document"})
	}
	content := func(tag string) string {
		resp := request(t.Context(), tag, "/")
		defer resp.Body.Close()
		var b strings.Builder
		if _, err := resp.Body.WriteTo(&b); err != nil {
			t.Error(err)
		}
		return b.String()
	}
	told := map[string]chan string{}
	for _, tag := range []string{"pr-1", "pr-2"} {
		for page := ""; !strings.Contains(page, "the first"); page = content(tag) {
			time.Sleep(10 * time.Millisecond)
		}
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		events := request(ctx, tag, "/__previewd/events")
		if events.Status != 200 {
			t.Fatalf("%s: the events: %d", tag, events.Status)
		}
		read, write := io.Pipe()
		defer read.Close()
		go func() {
			_, err := events.Body.WriteTo(write)
			_ = write.CloseWithError(err)
			_ = events.Body.Close()
		}()
		lines := make(chan string, 100)
		told[tag] = lines
		go func() {
			for s := bufio.NewScanner(read); s.Scan(); {
				if event, is := strings.CutPrefix(s.Text(), "event: "); is {
					lines <- event
				}
			}
		}()
	}
	for n := range 2 {
		r.Push("pr-1", map[string]string{"index.html": fmt.Sprint("<!doctype html><title>pr-1</title>another, ", n)})
		if event := <-told["pr-1"]; event != "reload" {
			t.Errorf("pr-1 is told %q", event)
		}
		if page := content("pr-1"); !strings.Contains(page, fmt.Sprint("another, ", n)) {
			t.Errorf("after that it gets %q", page)
		}
	}
	// A new build that lacks a page: that is not waited for, as it does not come back.
	r.Push("pr-1", map[string]string{"page.html": "", "index.htm": "the last"})
	if event := <-told["pr-1"]; event != "reload" {
		t.Errorf("pr-1 is told %q of a page that is gone", event)
	}
	if resp := request(t.Context(), "pr-1", "/index.html"); resp.Status != 404 {
		t.Errorf("a page that is gone: got %d", resp.Status)
	}
	select {
	case event := <-told["pr-2"]:
		t.Errorf("pr-2 is told %q", event)
	default:
	}
}
