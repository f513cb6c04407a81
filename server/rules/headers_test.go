package rules

import (
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// applied says which fields an answer has after the rules: name and value, one a line.
func fieldsOf(text, host, target string) string {
	h, _ := ParseHeaders([]byte(text))
	resp := message.Response{Status: 200, Body: message.Bytes("x"), Fields: message.Fields{{Name: "Content-type", Value: "text/plain"}, {Name: "Vary", Value: "Accept-Encoding"}}}
	if f := h.For(host, target); f != nil {
		f.apply(&resp)
	}
	var lines []string
	for _, f := range resp.Fields {
		lines = append(lines, f.Name+": "+f.Value)
	}
	return strings.Join(lines, "\n")
}

const usual = "Content-type: text/plain\nVary: Accept-Encoding"

// TestHeaders: blocks apply in the order of the file; lists are joined, of other fields the last counts.
func TestHeaders(t *testing.T) {
	for _, c := range []struct{ name, rules, target, want string }{
		{"exact", "/a\n  X-A: 1", "/a", usual + "\nX-A: 1"},
		{"exact_slash", "/a\n  X-A: 1", "/a/", usual},
		{"query_does_not_count", "/a\n  X-A: 1", "/a?x", usual + "\nX-A: 1"},
		{"splat", "/a/*\n  X-A: :splat", "/a/b/c", usual + "\nX-A: b/c"},
		{"splat_needs_the_slash", "/a/*\n  X-A: 1", "/a", usual},
		{"suffix", "/*.js\n  X-A: 1", "/x/y.js", usual + "\nX-A: 1"},
		{"placeholder", "/:a/x-:b\n  X-A: :b-:a 12:30", "/1/x-2", usual + "\nX-A: 2-1 12:30"},
		{"a_captured_line_end_stays_escaped", "/:a\n  X-A: :a", "/x%0d%0ay", usual + "\nX-A: x%0D%0Ay"},
		{"joined", "/*\n  X-A: 1\n/a\n  x-a: 2", "/a", usual + "\nX-A: 1, 2"},
		{"joined_in_a_block", "/a\n  X-A: 1\n  X-A: 2", "/a", usual + "\nX-A: 1, 2"},
		{"last_counts", "/*\n  X-Frame-Options: DENY\n/a\n  X-Frame-Options: SAMEORIGIN", "/a", usual + "\nX-Frame-Options: SAMEORIGIN"},
		{"same_pattern_twice", "/a\n  X-A: 1\n  X-B: 1\n/a\n  X-A: 2", "/a", usual + "\nX-B: 1\nX-A: 2"},
		{"cookies_are_lines", "/a\n  Set-Cookie: a=1\n  Set-Cookie: b=2", "/a", usual + "\nSet-Cookie: a=1\nSet-Cookie: b=2"},
		{"replaces_ours", "/a\n  content-type: text/html", "/a", "Vary: Accept-Encoding\ncontent-type: text/html"},
		{"vary_is_joined", "/a\n  Vary: Origin", "/a", "Content-type: text/plain\nVary: Accept-Encoding, Origin"},
		{"taken_away", "/*\n  X-A: 1\n/a\n  ! X-A", "/a", usual},
		{"taken_away_and_set", "/*\n  X-A: 1\n/a\n  ! X-A\n  X-A: 2", "/a", usual + "\nX-A: 2"},
		{"ours_taken_away", "/a\n  ! Content-Type", "/a", "Vary: Accept-Encoding"},
		{"host", "https://:p.example/a\n  X-A: :p", "/a", usual + "\nX-A: site"},
		{"other_host", "https://other.example/*\n  X-A: 1", "/a", usual},
		{"two_splats_match_nothing", "/**\n  X-A: 1\n/a\n  X-B: 1", "/a", usual + "\nX-B: 1"},
		{"escaped_pattern", "/caf%C3%A9\n  X-A: 1", "/caf%c3%a9", usual + "\nX-A: 1"},
		{"raw_pattern_matches_nothing", "/café\n  X-A: 1", "/caf%C3%A9", usual},
		{"blank_in_a_path", "/a # note\n  X-A: 1\n/a\n  X-B: 1", "/a", usual + "\nX-B: 1"},
		{"no_path_belongs_to_the_one_before", "/a\n  X-A: 1\nb.txt\n  X-B: 1", "/a", usual + "\nX-A: 1\nX-B: 1"},
		{"framing", "/a\n  Content-Length: 3\n  Transfer-Encoding: x\n  Connection: close\n  Date: now\n  X-A: 1", "/a", usual + "\nX-A: 1"},
		{"password", "/a\n  Basic-Auth: ann:pass", "/a", usual},
		{"bad_fields", "/a\n  X A: 1\n  : 1\n  X-B:\n  X-C: \x01\n  X-A: 1", "/a", usual + "\nX-A: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fieldsOf(c.rules, "SITE.example:8000", c.target); got != c.want {
				t.Errorf("%q of %q has\n%s\nwant\n%s", c.target, c.rules, got, c.want)
			}
		})
	}
}

// TestPatternsThatTellPages: any other pattern that matches /page.html matches /page too, so that a clean URL costs no second look.
func TestPatternsThatTellPages(t *testing.T) {
	for text, want := range map[string]bool{
		"/*": false, "/:x": false, "/page": false, "/page/": false, "/page*": true, "/pag:x": true, "/page.html": true, "/*.html": true, "/*l": true,
		"/:x.js": false, "/:x.:y": true, "/*/page.html": true, "/*/:x": false, "/l": false, "/:x:y": true,
	} {
		p, err := parsePattern(text, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.tellsPages(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
		_, page := p.match("/page.html")
		if _, clean := p.match("/page"); page && !clean && !want {
			t.Errorf("%s matches /page.html alone", text)
		}
	}
}

// TestProblemsOfHeaders: each names its line, and the lines around it are obeyed.
func TestProblemsOfHeaders(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"X-B 1", `error: "X-B 1" must be a path or a field, such as /path, Name: value or ! Name`},
		{"X B: 1", "error: \"X B\" must be the name of a field: letters, digits and !#$%&'*+-.^_`|~"},
		{"X-B:", `error: X-B has no value`},
		{"X-B: a\x00b", `error: the value of X-B has a control character in it`},
		{"X-B: a\u009b2J", `error: the value of X-B has a control character in it`},
		{"Content-Length: 1", `warning: Content-Length belongs to the server, a rule cannot change it`},
		{"! Date", `warning: Date belongs to the server, a rule cannot change it`},
		{"Basic-Auth: ann:pass", `warning: Basic-Auth is ignored, and the page is not protected; the setting AUTH asks for a password`},
	} {
		h, problems := ParseHeaders([]byte("/a\n" + c.line + "\nX-A: 1\n"))
		if len(problems) != 1 || problems[0].String() != "_headers:2: "+c.want {
			t.Errorf("%q: %v, want %q", c.line, problems, c.want)
		}
		if got := h.All()[0].String(); got != "/a\n  X-A: 1" {
			t.Errorf("%q: the block is %q", c.line, got)
		}
	}
	for text, want := range map[string]string{
		"X-A: 1\n/a":       `_headers:1: error: "X-A: 1" stands before the first path`,
		"/a b\n  X-A: 1":   `_headers:1: error: "/a b" must be a path without blanks; fields and comments have lines of their own`,
		"/a/*/*\n  X-A: 1": `_headers:1: error: "/a/*/*": it has more than one *`,
		"/é\n  X-A: 1":     `_headers:1: warning: "/é" matches nothing: write what is not ASCII in escapes, "/%C3%A9"`,
		"/a?b\n  X-A: 1":   `_headers:1: warning: the query of "/a?b" is left out`,
		"/a\x1b[2J\nX: y":  `_headers:1: error: "/a\x1b[2J" has a control character in it`,
	} {
		if _, problems := ParseHeaders([]byte(text)); len(problems) != 1 || problems[0].String() != want {
			t.Errorf("%q: %v, want %q", text, problems, want)
		}
	}
}

// Laws: it never panics; what is accepted prints back to the same block; what is set can be sent.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []struct{ text, target string }{
		{"/*\n  X-A: :splat\n! B\n/a/:b-:c\n X: :c:b", "/a/1-2"}, {"https://:h.example/*\nA: :h", "/%0a"}, {"/é\nContent-Type: é", "/"}, {"x\n/a*b*\nA:b", "//"},
	} {
		f.Add(seed.text, seed.target)
	}
	f.Fuzz(func(t *testing.T, text, target string) {
		h, _ := ParseHeaders([]byte(text))
		for _, b := range h.All() {
			if b.never {
				continue
			}
			again, problems := ParseHeaders([]byte(b.String()))
			if len(again.All()) != 1 || again.All()[0].String() != b.String() {
				t.Fatalf("%q reads back as %v, %v", b.String(), again.All(), problems)
			}
		}
		fields := h.For("h.example", target)
		if fields == nil {
			return
		}
		resp := message.Response{Status: 200, Body: message.Bytes("x")}
		fields.apply(&resp)
		profile := message.Profile{}.WithDefaults()
		if settled := profile.Settle(&message.Request{}, resp); settled.Status != 200 {
			t.Fatalf("%v cannot be sent: %v", resp.Fields, settled.Err)
		}
	})
}
