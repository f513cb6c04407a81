package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/previewd/previewd/testdata/internal/subject"
)

// previewd is the server, with the tags of a registry for previews.
type previewd struct {
	*subject.Server
	t      *testing.T
	client *http.Client // whatever is asked for, it asks this server
}

// show starts previewd on a registry until the test ends, with variables of the form NAME=value. Each tag in use is asked
// for each second.
func show(t *testing.T, r *registry, variables ...string) *previewd {
	t.Helper()
	settings := []string{
		"PREVIEWS=" + r.addr + "/" + repository, "PREVIEWS_CHECK=1s", "PREVIEWS_STORE=" + filepath.Join(t.TempDir(), "store"),
		"DOCKER_CONFIG=" + t.TempDir(), "LOG_FORMAT=text",
	}
	if r.tls == nil {
		settings = append(settings, "PREVIEWS_INSECURE=true")
	}
	server, err := subject.Start([]string{binary}, "", t.TempDir(), append(settings, variables...)...)
	if err != nil {
		t.Fatal(err)
	}
	p := &previewd{Server: server, t: t, client: clientOf(t, server.Addr)}
	t.Cleanup(p.end)
	p.isConfined()
	return p
}

// clientOf is a client that connects to one address only, and follows no redirect.
func clientOf(t *testing.T, addr string) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Timeout: limit, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// end wants the server to end well. Of a test that failed it shows the log.
func (p *previewd) end() {
	if p.t.Failed() {
		p.t.Logf("the server's log:\n%s", p.output())
	}
	if p.Ended() {
		return // the test has seen to that
	}
	if err := p.Stop(); err != nil {
		p.t.Error(err)
	}
}

// output is what the server has printed.
func (p *previewd) output() string {
	text, err := os.ReadFile(p.Output)
	if err != nil {
		p.t.Error(err)
	}
	return string(text)
}

// isConfined wants the kernel's confinement to be on, where the kernel has any.
func (p *previewd) isConfined() {
	p.t.Helper()
	p.says("kernel confinement")
	if text := p.output(); !strings.Contains(text, "kernel confinement (Landlock") && !strings.Contains(text, "no kernel confinement: this kernel") &&
		!strings.Contains(text, "no kernel confinement: Landlock is turned off") {
		p.t.Errorf("the kernel has Landlock, and the server is not confined:\n%s", text)
	}
}

// says waits until the log has each text.
func (p *previewd) says(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		await(p.t, "the log says "+text, func() error {
			if got := p.output(); !strings.Contains(got, text) {
				return fmt.Errorf("it says:\n%s", got)
			}
			return nil
		})
	}
}

// answer is an answer with its content.
type answer struct {
	*http.Response
	content string
}

// String is what an answer says, as one line: a page's text, the start of anything else.
func (a answer) String() string {
	text := a.content
	if _, body, page := strings.Cut(text, "<body>"); page {
		text = tags.ReplaceAllString(body, " ")
	}
	text = strings.Join(strings.Fields(text), " ")
	return fmt.Sprintf("%s %v %.500q", a.Status, a.Header, text)
}

// tags are those of HTML, and what scripts and styles have between them.
var tags = regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|<[^>]*>`)

// build is the build that the answer says it comes from.
func (a answer) build() string { return a.Header.Get("X-Preview-Build") }

// try asks a host for a path, with fields as name and value.
func (p *previewd) try(host, path string, fields ...string) (answer, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	response, err := p.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response, string(content)}, err
}

// get is try for what cannot fail.
func (p *previewd) get(host, path string, fields ...string) answer {
	p.t.Helper()
	got, err := p.try(host, path, fields...)
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// Fields of a browser that goes to a page, and of one whose page wants a script.
var (
	navigation  = []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	subresource = []string{"Accept", "*/*", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}
)

// has wants a preview to have exactly these files, and waits for what is fetched.
func (p *previewd) has(tag string, f files) {
	p.t.Helper()
	for name, want := range f {
		got := p.get(tag+".localhost", "/"+name)
		if got.StatusCode != http.StatusOK || got.content != want {
			p.t.Errorf("%s has %d %.200q as %s, want %.200q", tag, got.StatusCode, got.content, name, want)
		}
		if got.build() == "" {
			p.t.Errorf("%s has no build: %v", name, got.Header)
		}
	}
}

// becomes waits until a preview has these files.
func (p *previewd) becomes(tag string, f files) {
	p.t.Helper()
	for name, want := range f {
		await(p.t, tag+" has a new "+name, func() error {
			got, err := p.try(tag+".localhost", "/"+name)
			if err != nil {
				return err
			}
			if got.StatusCode != http.StatusOK || got.content != want {
				return fmt.Errorf("%d %.200q", got.StatusCode, got.content)
			}
			return nil
		})
	}
}

// overview is the list of previews as JSON.
func (p *previewd) overview() []map[string]any {
	p.t.Helper()
	got := p.get("localhost", "/", "Accept", "application/json")
	var list []map[string]any
	if err := json.Unmarshal([]byte(got.content), &list); err != nil || got.StatusCode != http.StatusOK {
		p.t.Fatalf("the overview: %d %v %.2000q", got.StatusCode, err, got.content)
	}
	return list
}

// admin is the content of a path of the admin port, and its status.
func (p *previewd) admin(path string) (int, string) {
	p.t.Helper()
	response, err := http.Get("http://" + p.Admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}
