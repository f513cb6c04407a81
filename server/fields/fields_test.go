package fields

import (
	"context"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// fieldsOf reads a header section, a field a line.
func fieldsOf(text string) (list message.Fields) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name != "" {
			list = append(list, message.Field{Name: name, Value: value})
		}
	}
	return list
}

func textOf(fields message.Fields) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	return b.String()
}

func TestFieldsOfAnAnswer(t *testing.T) {
	const isolated = "Cross-Origin-Opener-Policy: same-origin\nCross-Origin-Embedder-Policy: require-corp\nCross-Origin-Resource-Policy: same-origin\n"
	for name, c := range map[string]struct {
		opts                  Options
		request, answer, want string
	}{
		"added":               {Options{Headers: fieldsOf("X-A: 1\nX-A: 2")}, "", "Content-Type: a/b\n", "Content-Type: a/b\nX-A: 1\nX-A: 2\n"},
		"replaced":            {Options{Headers: fieldsOf("cache-control: no-store")}, "", "Cache-Control: no-cache\nETag: \"a\"\n", "ETag: \"a\"\ncache-control: no-store\n"},
		"lists_are_added_to":  {Options{Headers: fieldsOf("Vary: Cookie\nLink: <a>")}, "", "Vary: Accept-Encoding\nLink: <b>\n", "Vary: Accept-Encoding\nLink: <b>\nVary: Cookie\nLink: <a>\n"},
		"cors_all":            {Options{Origins: []string{"*"}}, "Origin: https://a", "", "Access-Control-Allow-Origin: *\n"},
		"cors_all_no_origin":  {Options{Origins: []string{"*"}}, "", "", "Access-Control-Allow-Origin: *\n"},
		"cors_one":            {Options{Origins: []string{"https://a", "https://b"}}, "Origin: https://b", "Vary: Accept\n", "Vary: Accept\nAccess-Control-Allow-Origin: https://b\nVary: Origin\n"},
		"cors_varies":         {Options{Origins: []string{"https://a"}}, "Origin: https://a", "Vary: Accept, origin\n", "Vary: Accept, origin\nAccess-Control-Allow-Origin: https://a\n"},
		"cors_varies_by_all":  {Options{Origins: []string{"https://a"}}, "", "Vary: *\n", "Vary: *\n"},
		"cors_varies_else":    {Options{Origins: []string{"https://a"}}, "", "Vary: Origin-Trial\n", "Vary: Origin-Trial\nVary: Origin\n"},
		"cors_other":          {Options{Origins: []string{"https://a"}}, "Origin: https://a.evil", "", "Vary: Origin\n"},
		"cors_none":           {Options{Origins: []string{"https://a"}}, "", "", "Vary: Origin\n"},
		"cors_of_the_handler": {Options{Origins: []string{"*"}}, "Origin: https://a", "access-control-allow-origin: https://a\n", "access-control-allow-origin: https://a\n"},
		"cors_of_headers":     {Options{Origins: []string{"*"}, Headers: fieldsOf("Access-Control-Allow-Origin: https://c")}, "", "", "Access-Control-Allow-Origin: https://c\n"},
		"isolation":           {Options{Isolation: true}, "", "", isolated},
		"isolation_of_a_rule": {Options{Isolation: true}, "", "Cross-Origin-Resource-Policy: cross-origin\n", "Cross-Origin-Resource-Policy: cross-origin\n" + strings.Replace(isolated, "Cross-Origin-Resource-Policy: same-origin\n", "", 1)},
		"all":                 {Options{Isolation: true, Origins: []string{"https://a"}, Headers: fieldsOf("X-A: 1")}, "Origin: https://a", "", isolated + "Access-Control-Allow-Origin: https://a\nVary: Origin\nX-A: 1\n"},
		"nothing":             {Options{}, "", "A: b\n", "A: b\n"},
	} {
		of := fieldsOf(c.answer)
		got := New(c.opts).Finish(&message.Request{Fields: fieldsOf(c.request)}, message.Response{Fields: of})
		if textOf(got.Fields) != c.want {
			t.Errorf("%s: got %q, want %q", name, textOf(got.Fields), c.want)
		}
		if textOf(of) != c.answer {
			t.Errorf("%s: the handler's own fields became %q", name, textOf(of))
		}
	}
}

// TestVariants: whoever gets other fields gets another representation.
func TestVariants(t *testing.T) {
	variant := func(opts Options, origin string) (seen string) {
		New(opts).Handler(func(_ context.Context, r *message.Request) message.Response {
			seen = r.Variant
			return message.Response{Status: 200}
		})(t.Context(), &message.Request{Method: "GET", Fields: fieldsOf("Origin: " + origin)})
		return seen
	}
	two := []string{"https://a", "https://b"}
	list := map[string]string{
		"nothing":  variant(Options{}, "https://a"),
		"headers":  variant(Options{Headers: fieldsOf("A: b")}, "https://a"),
		"others":   variant(Options{Headers: fieldsOf("A: c")}, "https://a"),
		"all":      variant(Options{Origins: []string{"*"}}, "https://a"),
		"a":        variant(Options{Origins: two}, "https://a"),
		"b":        variant(Options{Origins: two}, "https://b"),
		"stranger": variant(Options{Origins: two}, "https://c"),
		"isolated": variant(Options{Isolation: true}, "https://a"),
	}
	seen := map[string]string{}
	for name, v := range list {
		if other, twice := seen[v]; twice {
			t.Errorf("%s and %s are both %q", name, other, v)
		}
		seen[v] = name
	}
	if list["nothing"] != "" {
		t.Errorf("nothing is %q", list["nothing"])
	}
}

func TestPreflights(t *testing.T) {
	const asked = "Access-Control-Request-Method: PUT\n"
	all, one := []string{"*"}, []string{"https://a"}
	for name, c := range map[string]struct {
		origins         []string
		method, request string
		status          int // 0 is not answered here
		want            string
	}{
		"all":             {all, "OPTIONS", "Origin: https://x\n" + asked, 204, "Access-Control-Allow-Methods: PUT\nAccess-Control-Max-Age: 7200\nAccess-Control-Allow-Origin: *\n"},
		"fields":          {all, "OPTIONS", "Origin: https://x\n" + asked + "Access-Control-Request-Headers: authorization, x-b\n", 204, "Access-Control-Allow-Methods: PUT\nAccess-Control-Allow-Headers: authorization, x-b\nAccess-Control-Max-Age: 7200\nAccess-Control-Allow-Origin: *\n"},
		"private_network": {all, "OPTIONS", "Origin: https://x\n" + asked + "Access-Control-Request-Private-Network: true\n", 204, "Access-Control-Allow-Methods: PUT\nAccess-Control-Max-Age: 7200\nAccess-Control-Allow-Private-Network: true\nAccess-Control-Allow-Origin: *\n"},
		"listed":          {one, "OPTIONS", "Origin: https://a\n" + asked, 204, "Access-Control-Allow-Methods: PUT\nAccess-Control-Max-Age: 7200\nAccess-Control-Allow-Origin: https://a\nVary: Origin\n"},
		"not_listed":      {one, "OPTIONS", "Origin: https://b\n" + asked, 403, "Vary: Origin\n"},
		"no_origin":       {all, "OPTIONS", asked, 0, ""},
		"no_method":       {all, "OPTIONS", "Origin: https://x\n", 0, ""},
		"get":             {all, "GET", "Origin: https://x\n" + asked, 0, ""},
		"off":             {nil, "OPTIONS", "Origin: https://x\n" + asked, 0, ""},
	} {
		s := New(Options{Origins: c.origins})
		passed := false
		r := &message.Request{Method: c.method, Fields: fieldsOf(c.request)}
		resp := s.Handler(func(context.Context, *message.Request) message.Response {
			passed = true
			return message.Response{}
		})(t.Context(), r)
		if passed != (c.status == 0) || resp.Status != c.status {
			t.Errorf("%s: status %d, passed on %v, want %d", name, resp.Status, passed, c.status)
		}
		if got := textOf(s.Finish(r, resp).Fields); !passed && got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if f := resp.Failure(); f != nil && f.Message != "Origin 'https://b' is not in CORS" {
			t.Errorf("%s: %q", name, f.Message)
		}
	}
}

func TestOnFiles(t *testing.T) {
	for status, want := range map[int]string{200: "A: b\nX: y\n", 301: "A: b\n", 304: "A: b\n", 404: "A: b\n"} {
		shared := make(message.Fields, 1, 4)
		shared[0] = message.Field{Name: "A", Value: "b"}
		resp := OnFiles(fieldsOf("X: y"), func(context.Context, *message.Request) message.Response {
			return message.Response{Status: status, Fields: shared}
		})(t.Context(), &message.Request{})
		if got := textOf(resp.Fields); got != want || textOf(shared[:2]) != "A: b\n: \n" {
			t.Errorf("%d: got %q, want %q; the handler's own are %q", status, got, want, textOf(shared[:2]))
		}
	}
}
