package rules

import (
	"context"
	"errors"
	pathpkg "path"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// files are a site in memory: contents by path. Their validators are as the real site's.
type files map[string]string

func (f files) Find(target string) (string, bool) {
	raw, _ := splitTarget(target)
	p, ok := parsePath(raw)
	if !ok {
		return "", false
	}
	name := pathpkg.Clean(strings.ReplaceAll(p.text, "\x00", "/"))
	slash := strings.HasSuffix(p.text, "/")
	candidates := []string{pathpkg.Join(name, "index.html"), name + ".html"}
	if !slash {
		candidates = append([]string{name}, candidates...)
	}
	for _, c := range candidates {
		if _, found := f[c]; found && c != "/"+RedirectsFile && c != "/"+HeadersFile {
			return c, true
		}
	}
	return "", false
}

func (f files) Look(name, seen string, limit int64) (content []byte, version string, err error) {
	text, found := f["/"+name]
	if !found {
		return nil, "", nil
	}
	if text := f["error of /"+name]; text != "" {
		return nil, "", errors.New(text)
	}
	return []byte(text), f["version of /"+name] + "v" + text, nil
}

func (f files) serve(_ context.Context, r *message.Request) message.Response {
	if r.Method != "GET" && r.Method != "HEAD" {
		return message.Fail(405, "")
	}
	name, found := f.Find(r.Target)
	if !found {
		for dir := pathpkg.Dir("/" + strings.Trim(r.Target, "/")); ; dir = pathpkg.Dir(dir) {
			if page, found := f[pathpkg.Join(dir, "404.html")]; found {
				return message.Response{Status: 404, Body: message.Bytes(page), Fields: message.Fields{{Name: "Content-type", Value: "text/html"}}, Err: &message.Failure{Status: 404}}
			}
			if dir == "/" {
				return message.Fail(404, "File not found")
			}
		}
	}
	tag := `"` + name + r.Variant + `"`
	fields := message.Fields{{Name: "Content-type", Value: "text/plain"}, {Name: "ETag", Value: tag}, {Name: "Cache-Control", Value: "no-cache"}, {Name: "Vary", Value: "Accept-Encoding"}}
	if r.Fields.Get("If-None-Match") == tag {
		return message.Response{Status: 304, Fields: fields[1:]}
	}
	return message.Response{Status: 200, Fields: fields, Body: message.Bytes(f[name])}
}

// ask sends a request through the rules of a site.
func ask(t *testing.T, f files, method, target string, fields ...message.Field) message.Response {
	t.Helper()
	h := New(Options{Site: f}).Handler(f.serve)
	r := &message.Request{Method: method, Target: target, Scheme: "http", Fields: append(message.Fields{{Name: "Host", Value: "site.example:8000"}}, fields...)}
	return h(t.Context(), r)
}
