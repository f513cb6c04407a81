package reload

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/previewd/previewd/server/message"
)

// one is a Reload around a single answer.
func one(t *testing.T, r *message.Request, resp message.Response) (message.Response, string) {
	t.Helper()
	rl := New(Options{Site: newFiles(), Pages: true, Profile: message.Profile{}.WithDefaults(), Count: &counts{}})
	r.Content = message.NoContent{}
	got := rl.Handler(func(_ context.Context, r *message.Request) message.Response {
		if r.Uses == nil {
			return resp
		}
		r.Uses(message.File{Name: "a'é.html", State: message.FileState{Found: true, Size: 1}})
		return resp
	})(t.Context(), r)
	if got.Body == nil {
		return got, ""
	}
	var b strings.Builder
	n, err := got.Body.WriteTo(&b)
	if err != nil {
		t.Error(err)
	}
	if length := got.Body.Len(); length != -1 && length != n || n != int64(b.Len()) {
		t.Errorf("Len is %d, written %d, counted %d", length, b.Len(), n)
	}
	if err := got.Body.Close(); err != nil {
		t.Error(err)
	}
	return got, b.String()
}

func html(text string) message.Response {
	return message.Response{Status: 200, Body: message.Bytes(text), Fields: message.Fields{
		{Name: "Content-type", Value: "text/html; charset=utf-8"}, {Name: "Last-Modified", Value: "then"}, {Name: "ETag", Value: `"abc"`},
		{Name: "Vary", Value: "Accept-Encoding"}, {Name: "Accept-Ranges", Value: "bytes"}}}
}

// TestWhatIsInjected: pages in windows and frames get the tag, and nothing else does.
func TestWhatIsInjected(t *testing.T) {
	fields := func(pairs ...string) (list message.Fields) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, message.Field{Name: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	with := func(resp message.Response, name, value string) message.Response {
		resp.Fields = append(resp.Fields, message.Field{Name: name, Value: value})
		return resp
	}
	typed := func(kind string) message.Response {
		return message.Response{Status: 200, Body: message.Bytes("<svg></svg>"), Fields: fields("Content-Type", kind)}
	}
	for name, c := range map[string]struct {
		method string
		asked  message.Fields
		resp   message.Response
		want   bool
	}{
		"navigation":                 {"GET", navigation, html("page"), true},
		"frame":                      {"GET", fields("Sec-Fetch-Dest", "iframe", "Accept", "*/*"), html("page"), true},
		"HEAD":                       {"HEAD", navigation, html("page"), true},
		"fetch":                      {"GET", fields("Sec-Fetch-Dest", "empty", "Accept", "text/html"), html("page"), false},
		"no metadata, a page":        {"GET", fields("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), html("page"), true},
		"no metadata, anything":      {"GET", fields("Accept", "*/*"), html("page"), false},
		"no metadata, nothing said":  {"GET", nil, html("page"), false},
		"an old browser's fetch":     {"GET", fields("Sec-Fetch-Mode", "cors", "Accept", "text/html"), html("page"), false},
		"POST":                       {"POST", navigation, html("page"), false},
		"SVG":                        {"GET", navigation, typed("image/svg+xml"), false},
		"text":                       {"GET", navigation, typed("text/plain"), false},
		"XHTML":                      {"GET", navigation, typed("application/xhtml+xml"), true},
		"coded":                      {"GET", navigation, with(html("page"), "Content-Encoding", "br"), false},
		"a download":                 {"GET", navigation, with(html("page"), "Content-Disposition", `attachment; filename="a"`), false},
		"shown under another name":   {"GET", navigation, with(html("page"), "Content-Disposition", `inline`), true},
		"a redirect":                 {"GET", navigation, message.Response{Status: 301, Fields: fields("Location", "./a/")}, false},
		"an error page of ours":      {"GET", navigation, message.Fail(404, "File not found"), true},
		"a failure that is no page":  {"GET", fields("Accept", "*/*"), message.Fail(404, "File not found"), false},
		"no content":                 {"GET", navigation, message.Response{Status: 204}, false},
		"an error page of the site":  {"GET", navigation, func() message.Response { r := html("gone"); r.Status = 404; return r }(), true},
		"a byte short of characters": {"GET", navigation, html("\xff\xfea"), false},
	} {
		t.Run(name, func(t *testing.T) {
			resp, text := one(t, &message.Request{Method: c.method, Target: "/a/b.html?x=/", Fields: c.asked}, c.resp)
			if got := strings.Contains(text, `src="../__previewd/reload.js"`); got != c.want {
				t.Errorf("injected %v, want %v: %q", got, c.want, text)
			}
			if isHTML(c.resp.Fields) && c.method != "POST" && !strings.HasSuffix(resp.Fields.Get("Vary"), "Sec-Fetch-Dest, Accept") {
				t.Errorf("Vary is %q", resp.Fields.Get("Vary"))
			}
			tagged := resp.Fields.Get("ETag")
			if c.want && (resp.Fields.Get("Last-Modified") != "" || resp.Fields.Get("Accept-Ranges") != "" || tagged == `"abc"`) {
				t.Errorf("fields %q", resp.Fields)
			}
		})
	}
}

// TestValidatorsAreThoseOfWhatIsSent: the page with the tag has an entity-tag of its own, by which it is not sent again.
func TestValidatorsAreThoseOfWhatIsSent(t *testing.T) {
	ask := func(name, value string) (message.Response, string) {
		return one(t, &message.Request{Method: "GET", Target: "/", Fields: append(navigation[:len(navigation):len(navigation)], message.Field{Name: name, Value: value})}, html("page"))
	}
	resp, text := ask("X", "")
	etag := resp.Fields.Get("ETag")
	if !strings.HasPrefix(etag, `"abc.`) || !strings.HasSuffix(etag, `"`) {
		t.Fatalf("ETag %q", etag)
	}
	for _, c := range []struct {
		name, value string
		status      int
	}{
		{"If-None-Match", etag, 304}, {"If-None-Match", `"abc"`, 200}, {"If-None-Match", "*", 304}, {"If-Match", `"abc"`, 412}, {"If-Match", etag, 200},
		{"If-Modified-Since", "Sun, 29 Nov 2026 00:00:00 GMT", 200}, {"Range", "bytes=0-1", 200},
	} {
		got, content := ask(c.name, c.value)
		if got.Status != c.status || c.status == 200 && content != text {
			t.Errorf("%s: %s: %d %q", c.name, c.value, got.Status, content)
		}
		if c.status == 304 && (got.Fields.Get("ETag") != etag || got.Fields.Get("Vary") == "" || got.Fields.Get("Content-Type") != "" || got.Body != nil) {
			t.Errorf("304 has %q", got.Fields)
		}
	}
}

// TestWhereTheTagIs: it is at the end of HTML in any coding, and in the root element of XML.
func TestWhereTheTagIs(t *testing.T) {
	typed := func(kind, text string) message.Response {
		return message.Response{Status: 200, Body: message.Bytes(text), Fields: message.Fields{{Name: "Content-Type", Value: kind}}}
	}
	wide := func(text string, little bool) string {
		var b []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			if little {
				b = append(b, byte(unit), byte(unit>>8))
			} else {
				b = append(b, byte(unit>>8), byte(unit))
			}
		}
		return string(b)
	}
	const tag = "\n<script async src=\"__previewd/reload.js\" data-shows='{\"/\":{\"a%27%C3%A9.html\":\"" + "VERSION" + "\"}}'></script>\n"
	ours := strings.Replace(tag, "VERSION", versionOf(message.FileState{Found: true, Size: 1}).String(), 1)
	absolute := strings.Replace(ours, `src="`, `src="/below/`, 1)
	inXML := strings.Replace(ours, "async ", `xmlns="http://www.w3.org/1999/xhtml" async="" `, 1)
	large := strings.Repeat("page ", maxCopied)
	for name, c := range map[string]struct {
		resp message.Response
		want string
	}{
		"HTML":              {html("<p>ö"), "<p>ö" + ours},
		"empty":             {html(""), ours},
		"UTF-8 with a mark": {html("\xef\xbb\xbf<p>"), "\xef\xbb\xbf<p>" + ours},
		"base":              {html("<BASE href=/x/><p>"), "<BASE href=/x/><p>" + absolute},
		"little endian":     {typed("text/html", wide("\ufeff<p>ö", true)), wide("\ufeff<p>ö"+ours, true)},
		"big endian":        {typed("text/html", wide("\ufeff<p>", false)), wide("\ufeff<p>"+ours, false)},
		"by its type":       {typed(`text/html; charset="UTF-16BE"`, wide("<p>", false)), wide("<p>"+ours, false)},
		"XHTML":             {typed("application/xhtml+xml", "<html><body/></html> <!-- </x> -->\n"), "<html><body/>" + inXML + "</html> <!-- </x> -->\n"},
		"XML of nothing":    {typed("application/xhtml+xml", "<html/>"), "<html/>"},
		"large":             {html(large), large + ours},
		"large XHTML":       {typed("application/xhtml+xml", "<html>"+large+"</html>"), "<html>" + large + inXML + "</html>"},
		"a stream": {message.Response{Status: 200, Fields: message.Fields{{Name: "Content-Type", Value: "text/html"}},
			Body: message.NewStream(func(w io.Writer) error { _, err := io.WriteString(w, "slow"); return err })}, "slow" + absolute},
	} {
		t.Run(name, func(t *testing.T) {
			_, text := one(t, &message.Request{Method: "GET", Target: "/", Prefix: "/below", Fields: navigation}, c.resp)
			if text != c.want {
				t.Errorf("got  %q\nwant %q", text, c.want)
			}
		})
	}
}

// TestVary: what an answer depends on is said once.
func TestVary(t *testing.T) {
	page := html("page")
	page.Fields = append(page.Fields, message.Field{Name: "vary", Value: "accept , Cookie,"})
	resp, _ := one(t, &message.Request{Method: "GET", Target: "/", Fields: navigation}, page)
	if got := resp.Fields.Values("Vary"); len(got) != 1 || got[0] != "Accept-Encoding, accept, Cookie, Sec-Fetch-Dest" {
		t.Errorf("Vary is %q", got)
	}
}

// TestLargePage: a page that is sent from its file has the tag behind it, but not if the file breaks off.
func TestLargePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.html")
	if err := os.WriteFile(path, []byte(strings.Repeat("page ", 100000)), 0o666); err != nil {
		t.Fatal(err)
	}
	open := func(unchanged error) message.Response {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return message.Response{Status: 200, Fields: message.Fields{{Name: "Content-Type", Value: "text/html"}},
			Body: &message.FileSection{File: f, Length: 500000, Unchanged: func() error { return unchanged }}}
	}
	_, text := one(t, &message.Request{Method: "GET", Target: "/", Fields: navigation}, open(nil))
	if len(text) < 500000 || !strings.HasPrefix(text[500000:], "\n<script") {
		t.Errorf("%d bytes", len(text))
	}
	rl := New(Options{Site: newFiles(), Pages: true, Profile: message.Profile{}.WithDefaults(), Count: &counts{}})
	changed := errors.New("changed")
	resp := rl.Handler(func(context.Context, *message.Request) message.Response { return open(changed) })(t.Context(), &message.Request{Method: "GET", Target: "/", Fields: navigation})
	var b strings.Builder
	if _, err := resp.Body.WriteTo(&b); !errors.Is(err, changed) || strings.Contains(b.String(), "script") {
		t.Errorf("err %v", err)
	}
	_ = resp.Body.Close()
}

// TestScript: the script is a file with an entity-tag.
func TestScript(t *testing.T) {
	resp, text := one(t, &message.Request{Method: "GET", Target: scriptPath + "?x"}, message.Response{})
	if resp.Status != 200 || text != string(scriptText) || resp.Fields.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("%d %q", resp.Status, resp.Fields)
	}
	resp, _ = one(t, &message.Request{Method: "GET", Target: scriptPath, Fields: message.Fields{{Name: "If-None-Match", Value: scriptTag}}}, message.Response{})
	if resp.Status != 304 {
		t.Errorf("status %d, want 304", resp.Status)
	}
}
