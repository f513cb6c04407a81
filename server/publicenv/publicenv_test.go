package publicenv

import (
	"context"
	"testing"

	"github.com/previewd/previewd/server/message"
)

func TestPublicVariables(t *testing.T) {
	environ := map[string]string{
		"PUBLIC_API": "https://api.example/?a=1&b=2", "PUBLIC_HTML": "</script><!--\u2028\u2029\"'\\", "PUBLIC_EMPTY": "", "PUBLIC_BYTES": "\xff",
		"PUBLIC_ENV": "/env.js", "SECRET": "s", "XPUBLIC_A": "s", "public_a": "s", "PUBLIC": "s", "PATH": "s",
	}
	const (
		object = `{"PUBLIC_API":"https://api.example/?a=1\u0026b=2","PUBLIC_BYTES":"\ufffd","PUBLIC_EMPTY":"",` +
			`"PUBLIC_HTML":"\u003c/script\u003e\u003c!--\u2028\u2029\"'\\"}`
		script = "window.__env = " + object + ";\n"
		data   = object + "\n"
	)
	for name, c := range map[string]struct {
		method, target, accept, want string // "" is not answered here
	}{
		"script":           {"GET", "/env.js", "*/*", script},
		"head":             {"HEAD", "/env.js", "*/*", script},
		"query":            {"GET", "/env.js?v=1", "", script},
		"escaped":          {"GET", "/%65nv.js", "", script},
		"json":             {"GET", "/env.js", "application/json", data},
		"json_of_several":  {"GET", "/env.js", "application/json, text/plain, */*", data},
		"json_any_case":    {"GET", "/env.js", "Application/JSON;q=0.5", data},
		"json_refused":     {"GET", "/env.js", "application/json;q=0, */*", script},
		"script_preferred": {"GET", "/env.js", "text/javascript, application/json;q=0.5", script},
		"json_preferred":   {"GET", "/env.js", "application/javascript;q=0.1, application/json;q=0.5", data},
		"navigation":       {"GET", "/env.js", "text/html,application/xhtml+xml,*/*;q=0.8", script},
		"malformed_weight": {"GET", "/env.js", "application/json;q=x", script},
		"other":            {"GET", "/env.json", "", ""},
		"below":            {"GET", "/env.js/", "", ""},
		"post":             {"POST", "/env.js", "", ""},
	} {
		passed := false
		serve := Handler("/env.js", environ, func(context.Context, *message.Request) message.Response {
			passed = true
			return message.Response{}
		})
		resp := serve(t.Context(), &message.Request{Method: c.method, Target: c.target, Fields: message.Fields{{Name: "Accept", Value: c.accept}}})
		if passed != (c.want == "") {
			t.Errorf("%s: passed on %v", name, passed)
		}
		if passed {
			continue
		}
		got, _ := message.InMemory(resp.Body)
		mediaType := map[string]string{script: "text/javascript; charset=utf-8", data: "application/json"}[string(got)]
		if string(got) != c.want || resp.Fields.Get("Content-Type") != mediaType || resp.Fields.Get("Cache-Control") != "no-store" || resp.Fields.Get("Vary") != "Accept" {
			t.Errorf("%s: %v %q, want %q", name, resp.Fields, got, c.want)
		}
	}
}
