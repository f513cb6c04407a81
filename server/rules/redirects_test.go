package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// match says what rules make of a target, as "302 /to", "200 /file" or "".
func match(t *testing.T, text, target string, exists bool, fields ...message.Field) string {
	t.Helper()
	rs, _ := ParseRedirects([]byte(text))
	o, ok := rs.Match(Asked{Scheme: "http", Host: "site.example:8000", Target: target, Fields: fields}, func() bool { return exists })
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %s%s", o.Status, o.Location, o.Target)
}

// TestRedirects: the first rule that matches counts, an exact one before one that matches but for a slash at the end.
func TestRedirects(t *testing.T) {
	for _, c := range []struct{ name, rules, target, want string }{
		{"status_omitted_is_302", "/a /b", "/a", "302 /b"},
		{"first_match", "/a /b 301\n/a /c", "/a", "301 /b"},
		{"exact_before_loose", "/a /b\n/a/ /c", "/a/", "302 /c"},
		{"slash_does_not_count", "/a /b", "/a/", "302 /b"},
		{"two_slashes_do", "/a /b", "/a//", ""},
		{"case_counts", "/a /b", "/A", ""},
		{"splat", "/a/* /b/:splat", "/a/x/y", "302 /b/x/y"},
		{"splat_of_nothing", "/a/* /b/:splat", "/a", "302 /b/"},
		{"splat_within", "/a/*/z /b/:splat", "/a/x/y/z", "302 /b/x/y"},
		{"splat_first", "/*/z /b/:splat", "/x/y/z", "302 /b/x/y"},
		{"splat_after_text", "/pre* /b/:splat", "/prefix/y", "302 /b/fix/y"},
		{"second_splat_is_literal", "/a/** /b/:splat", "/a/x*", "302 /b/x"},
		{"placeholder", "/u/:id /v/:id", "/u/7", "302 /v/7"},
		{"placeholder_is_not_empty", "/u/:id /v/:id", "/u/", ""},
		{"placeholder_is_one_segment", "/u/:id /v/:id", "/u/7/x", ""},
		{"placeholders_within_a_segment_are_greedy", "/p/:a-:b /q/:a/:b", "/p/1-2-3", "302 /q/1-2/3"},
		{"placeholders_side_by_side", "/p/:a:b /q/:a/:b", "/p/123", "302 /q/12/3"},
		{"placeholder_and_splat", "/p/:a-* /q/:a/:splat", "/p/1-2-3/x", "302 /q/1-2/3/x"},
		{"placeholder_before_splat_leaves_what_must_follow", "/:a*b /q/:a/:splat", "/xyb", "302 /q/xy/"},
		{"placeholder_after_splat", "/*-:a /q/:a/:splat", "/x/y-z", "302 /q/z/x/y"},
		{"unknown_name_is_literal", "/a /b/:c", "/a", "302 /b/:c"},
		{"known_name_before_letters", "/a/:x /b/:xy", "/a/1", "302 /b/1y"},
		{"encoded_rule", "/caf%C3%A9 /b", "/caf%c3%a9", "302 /b"},
		{"raw_rule", "/café /b", "/caf%C3%A9", "302 /b"},
		{"raw_request", "/caf%C3%A9 /b", "/café", "302 /b"},
		{"latin_1_rule", "/caf\xe9 /b", "/caf%E9", "302 /b"},
		{"captured_escapes_stay", "/a/:x /b/:x", "/a/%26%20é", "302 /b/%26%20%C3%A9"},
		{"an_escaped_slash_separates_nothing", "/a/:x /b/:x", "/a/1%2f2", "302 /b/1%2F2"},
		{"dots_are_resolved", "/a /b", "/x/%2e%2e/./a", "302 /b"},
		{"nul", "/* /b", "/%00", ""},
		{"query_is_carried", "/a /b", "/a?x=1&y=%20", "302 /b?x=1&y=%20"},
		{"query_of_its_own", "/a /b?z=1", "/a?x=1", "302 /b?z=1"},
		{"empty_query", "/a /b", "/a?", "302 /b"},
		{"fragment_comes_last", "/a /b#c", "/a?x=1", "302 /b?x=1#c"},
		{"captured_in_a_query", "/a/:x /b?q=:x", "/a/1&admin=1", "302 /b?q=1%26admin%3D1"},
		{"query_pair", "/a id=:id /b/:id", "/a?x=1&id=5", "302 /b/5?x=1&id=5"},
		{"query_pair_missing", "/a id=:id /b/:id", "/a?x=1", ""},
		{"query_pair_literal", "/a p=1 /one\n/a p=2 /two\n/a /none", "/a?p=2", "302 /two?p=2"},
		{"query_pair_other", "/a p=1 /one\n/a p=2 /two\n/a /none", "/a?p=3", "302 /none?p=3"},
		{"query_pair_last_counts", "/a id=:id /b/:id", "/a?id=1&id=2", "302 /b/2?id=1&id=2"},
		{"host", "https://SITE.example/a /b", "/a", "302 /b"},
		{"other_host", "https://other.example/a /b", "/a", ""},
		{"rewrite", "/a /b 200", "/a?x=1", "200 /b?x=1"},
		{"gone", "/a /b 410", "/a", "410 /b"},
		{"another_origin", "/a https://example.org/x/:splat 301", "/a", "301 https://example.org/x/:splat"},
		{"subdomain", "/on/:sub https://:sub.example.org/ 302", "/on/docs", "302 https://docs.example.org/"},
		{"comment_behind", "/a /b 301 # moved", "/a", "301 /b"},
		{"no_slash_before", "a /b", "/a", "302 /b"},
		{"query_in_from_is_dropped", "/a?x=1 /b", "/a", "302 /b"},
		{"byte_order_mark_and_crlf", "\xef\xbb\xbf/a /b 301\r\n/c /d\r\n", "/a", "301 /b"},
		{"wide_blanks", "/a\u3000/b\u00a0301", "/a", "301 /b"},
		{"words_too_many", "/a /b 301 and more", "/a", "301 /b"},
		{"arrow", "/a -> /b", "/a", "302 /b"},
		{"not_a_path_of_the_site", "/* /b", "*", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := match(t, c.rules, c.target, false); got != c.want {
				t.Errorf("%q of %q is %q, want %q", c.target, c.rules, got, c.want)
			}
		})
	}
}

// TestNothingLeavesTheSite: text from the request never chooses the host, nor a directory that the rule does not name.
func TestNothingLeavesTheSite(t *testing.T) {
	for _, c := range []struct{ rules, target, want string }{
		{"/go/* /:splat", "/go//evil.example", ""},
		{"/go/* /:splat", "/go/%2Fevil.example", "302 /%2Fevil.example"},
		{"/go/* /:splat", `/go/\evil.example`, "302 /%5Cevil.example"},
		{"/go/* /:splat", "/go/%5c/evil.example", "302 /%5C/evil.example"},
		{"/hop/:h //:h", "/hop/evil.example", ""},
		{"/hop/:h https://:h/x", "/hop/evil.example", ""},
		{"/hop/:h https://x.:h", "/hop/evil.example", ""},
		{"/hop/:h https://:h.com/", "/hop/evil", ""},
		{"/hop/* https://example.org:splat", "/hop/@evil.example", ""},
		{"/on/:s https://:s.example.org/", "/on/evil.example%2F", ""},
		{"/on/:s https://:s.example.org/", "/on/evil.example%23", ""},
		{"/s/* /store/:splat 200", "/s/..%2Fup", ""},
		{"/s/* /store/:splat 200", "/s/..%5Cup", ""},
		{"/s/* /store/.:splat 200", "/s/.%2Fup", ""},
		{"/s/* /store/:splat 200", "/s/%252e%252e%252fup", "200 /store/%252e%252e%252fup"},
		{"/q x=:x /store/:x 200", "/q?x=../up", ""},
		{"/q x=:x /:x", "/q?x=/evil.example", "302 /%2Fevil.example?x=/evil.example"},
		{"/a/* /b/:splat", "/a/%0d%0aSet-Cookie:x", "302 /b/%0D%0ASet-Cookie:x"},
	} {
		if got := match(t, c.rules, c.target, false); got != c.want {
			t.Errorf("%q of %q is %q, want %q", c.target, c.rules, got, c.want)
		}
	}
}

// TestARuleThatLeadsToItselfIsPassedOver: it would never end.
func TestARuleThatLeadsToItselfIsPassedOver(t *testing.T) {
	for _, c := range []struct{ rules, target, want string }{
		{"/same /same\n/same /other", "/same", "302 /other"},
		{"/self/* /self/:splat", "/self/x", ""},
		{"/add /add/ 301", "/add/", ""},
		{"/add /add/ 301", "/add", "301 /add/"},
		{"/* /index.html 200", "/index.html", ""},
		{"/x /x?y=1", "/x", "302 /x?y=1"},
		{"/x /x?y=1", "/x?y=1", ""},
		{"/* https://site.example:8000/:splat", "/x", "302 https://site.example:8000/x"},
		{"/* http://site.example:8000/:splat", "/x", ""},
		{"/grow/* /grow/grow/:splat", "/grow/x", "302 /grow/grow/x"},
	} {
		if got := match(t, c.rules, c.target, false); got != c.want {
			t.Errorf("%q of %q is %q, want %q", c.target, c.rules, got, c.want)
		}
	}
}

// TestFilesWinOverRulesThatAreNotForced, one behind another too.
func TestFilesWinOverRulesThatAreNotForced(t *testing.T) {
	for rules, want := range map[string]string{"/a /b": "", "/a /b 302!": "302 /b", "/a /b\n/a /c 200!": "200 /c", "/a /b !": ""} {
		if got := match(t, rules, "/a", true); got != want {
			t.Errorf("%q is %q, want %q", rules, got, want)
		}
	}
}

// TestConditions: all have to hold; those that cannot be known never do.
func TestConditions(t *testing.T) {
	for _, c := range []struct{ rule, field, value, want string }{
		{"/a /b 302 Language=de,fr", "Accept-Language", "fr-CH, en;q=0.5", "302 /b"},
		{"/a /b 302 Language=de", "Accept-Language", "en;q=0.5, de;q=0.9", "302 /b"},
		{"/a /b 302 language=de", "Accept-Language", "en, de", ""},
		{"/a /b 302 Language=zh-TW", "Accept-Language", "zh-tw", "302 /b"},
		{"/a /b 302 Language=en", "X", "", "302 /b"},
		{"/a /b 302 Language=de", "Cookie", "nf_lang=de", "302 /b"},
		{"/a /b 302 Cookie=member,beta", "Cookie", "x=1; beta=", "302 /b"},
		{"/a /b 302 Cookie=member", "Cookie", "xmember=1", ""},
		{"/a /b 302 Language=en Cookie=beta", "X", "", ""},
		{"/a /b 302 Country=at", "Cookie", "nf_country=at", ""},
		{"/a /b 302 Role=admin", "X", "", ""},
	} {
		if got := match(t, c.rule, "/a", false, message.Field{Name: c.field, Value: c.value}); got != c.want {
			t.Errorf("%q with %s: %s is %q, want %q", c.rule, c.field, c.value, got, c.want)
		}
	}
}

// TestProblemsOfRedirects: each names its line, and the lines around it are obeyed.
func TestProblemsOfRedirects(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"/one", `error: "/one" has no target: a rule must be like /from /to 301`},
		{"/a to", `error: "/a to" has no target that begins with /, http:// or https://`},
		{"/a mailto:me@example.org", `error: "/a mailto:me@example.org" has no target that begins with /, http:// or https://`},
		{"/a /b abc", `error: "abc" must be a status: 200, 301, 302, 303, 307, 308, 401, 403, 404, 410, 451 or 500 to 599, with or without an exclamation mark`},
		{"/a /b 99999999999999999999", `error: "99999999999999999999" must be a status: 200, 301, 302, 303, 307, 308, 401, 403, 404, 410, 451 or 500 to 599, with or without an exclamation mark`},
		{"/a /b 304", `error: status 304 is not for a rule: it must be 200, 301, 302, 303, 307, 308, 401, 403, 404, 410, 451 or 500 to 599`},
		{"/:a/:a /b", `error: "/:a/:a": ":a" stands twice in it`},
		{"/:h //:h", `error: "//:h": the host in it would come from the request: a placeholder must stand before a domain, such as .example.org`},
		{"/a https:///b", `error: "https:///b": it has no host`},
		{"/a /b 302 Country=at", `warning: "Country" is not known here, so the rule never applies: it must be Language or Cookie`},
		{"/api/* https://api.example.org/:splat 200", `warning: "https://api.example.org/:splat" is on another host, from which nothing is fetched: the rule is ignored; with the status 200, PROXY_ORIGINS can allow http and https origins without placeholders`},
		{"/a*b*c /b", `warning: "/a*b*c" has more than one *, the first is a splat, a further one only itself`},
		{"/a%zz /b", `warning: "/a%zz" has a % that begins no escape, it is taken as it stands; %25 says so`},
		{"/a?b /b", `warning: the query of "/a?b" is left out; pairs that a query must have stand behind the path: id=:id`},
		{"/a\x00b /b", `error: "/a\x00b /b" has a control character in it`},
		{"/a\xff /b", `warning: the line is not UTF-8, its bytes are compared as they are`},
		{"/a /" + strings.Repeat("y", 2000), `warning: the line has 2004 characters, Cloudflare allows 2000`},
	} {
		text := "/before /x\n" + c.line + "\n/after /y\n"
		rs, problems := ParseRedirects([]byte(text))
		if len(problems) != 1 || problems[0].String() != "_redirects:2: "+c.want {
			t.Errorf("%q: %v, want %q", c.line, problems, c.want)
		}
		rules := rs.All()
		if len(rules) < 2 || rules[0].Line != 1 || rules[len(rules)-1].Line != 3 {
			t.Errorf("%q hides another line: %v", c.line, rules)
		}
	}
}

func TestBoundsOfAFile(t *testing.T) {
	rs, problems := ParseRedirects([]byte(strings.Repeat("/a /b\n", MaxRules+2)))
	if len(rs.All()) != MaxRules || len(problems) != 1 || problems[0].Line != MaxRules+1 {
		t.Errorf("%d rules, %v", len(rs.All()), problems)
	}
	large := strings.Repeat("#"+strings.Repeat("x", 1022)+"\n", 1024) + "/a /b\n"
	rs, problems = ParseRedirects([]byte("/first /b\n" + large))
	if len(rs.All()) != 1 || len(problems) != 1 || problems[0].Line != 0 {
		t.Errorf("%d rules, %v", len(rs.All()), problems)
	}
	// Of problems there is no end either: a page that is called _redirects by mistake has one on each line.
	rs, problems = ParseRedirects([]byte("/a /b\n" + strings.Repeat("/c /d 302 Country=at\n", MaxProblems) + "bad\n" + strings.Repeat("/c /d 302 Country=at\n", 5) + strings.Repeat("x", 5000)))
	if len(rs.All()) != MaxProblems+6 || len(problems) != MaxProblems+1 || problems[MaxProblems].String() != "_redirects:102: error: there are more problems from here on, they are not shown" {
		t.Errorf("%d rules, %d problems, the last is %v", len(rs.All()), len(problems), problems[len(problems)-1])
	}
	if _, problems = ParseRedirects([]byte(strings.Repeat("é", 5000))); len(problems) != 2 || len(problems[1].String()) > 1100 || !strings.HasSuffix(problems[1].Message, " …") {
		t.Errorf("a long line: %d problems, %q", len(problems), problems)
	}
	if rs, problems = ParseRedirects([]byte("\xff\xfe/\x00a\x00")); len(rs.All()) != 0 || len(problems) != 1 {
		t.Errorf("UTF-16: %d rules, %v", len(rs.All()), problems)
	}
}

// Laws: it never panics; what is accepted prints back to the same rule; matching ends, and never leads a path of the site
// to another host or above the directory it names.
func FuzzRedirects(f *testing.F) {
	for _, seed := range []struct{ text, target string }{
		{"/a/* /b/:splat 301!\n# note\n/u/:id x=:x /v/:id/:x 200 Language=de", "/a/%2e%2E/x?x=1"}, {"/:a-:b* /:splat/:b/:a", "/x-y-z/w"},
		{"https://:h.example/* https://:h.example.org/:splat 302", "/\\x//%2F"}, {"* //:x\n/x%zz /%", "/%zz%"}, {"/*/:a.:b/*c /.:splat", "/1/2.3/4c"},
	} {
		f.Add(seed.text, seed.target)
	}
	f.Fuzz(func(t *testing.T, text, target string) {
		rs, _ := ParseRedirects([]byte(text))
		for _, r := range rs.All() {
			again, problems := ParseRedirects([]byte(r.String()))
			if len(again.All()) != 1 || again.All()[0].String() != r.String() {
				t.Fatalf("%q reads back as %v, %v", r.String(), again.All(), problems)
			}
		}
		o, ok := rs.Match(Asked{Scheme: "http", Host: "h.example", Target: target}, func() bool { return false })
		if !ok {
			return
		}
		reference := o.Target + o.Location
		if strings.ContainsFunc(reference, func(c rune) bool { return c <= ' ' || c == 0x7F }) {
			t.Fatalf("%q is no reference", reference)
		}
		path, _ := splitTarget(reference)
		if (o.Kind == Rewritten || o.OnSite) && (!strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) || climbs(path)) {
			t.Fatalf("%q leaves the site", reference)
		}
	})
}

// many are 2,100 rules as a site has that moved: pages, sections with placeholders, numbers in the query, splats.
func many() string {
	var b strings.Builder
	for i := range 700 {
		fmt.Fprintf(&b, "/old/page-%d /new/page-%d 301\n/index.php p=%d /post/%d 301\n/section-%d/:year/* /s/%d/:year/:splat 301\n", i, i, i, i, i, i)
	}
	return b.String()
}

// BenchmarkCrowded: all rules are of one path, and have to be compared with all that a request can bring.
func BenchmarkCrowded(b *testing.B) {
	for name, c := range map[string]struct{ rule, target string }{
		"query":  {"/a x%d=:x /b\n", "/a?" + strings.Repeat("a=1&", 15000)},
		"suffix": {"/*x%d /b\n", "/" + strings.Repeat("a", 60000)},
	} {
		var text strings.Builder
		for i := range MaxRules {
			fmt.Fprintf(&text, c.rule, i)
		}
		rs, _ := ParseRedirects([]byte(text.String()))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rs.Match(Asked{Target: c.target}, func() bool { return false })
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	rs, problems := ParseRedirects([]byte(many()))
	if len(rs.All()) != MaxRules || len(problems) > 0 {
		b.Fatal(len(rs.All()), problems)
	}
	for name, target := range map[string]string{"none": "/assets/app.js", "page": "/old/page-699", "query": "/index.php?p=699",
		"splat": "/section-699/2024/a/b", "escaped": "/caf%C3%A9/x%20y"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rs.Match(Asked{Target: target}, func() bool { return false })
			}
		})
	}
}

// Law: what the client's path puts into a target or a field, in however many places, is bounded; so are the fields of an answer.
func TestWhatIsExpandedIsBounded(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	rs, _ := ParseRedirects([]byte("/a/:x /" + strings.Repeat(":x", 100) + " 301\n/b/:x /:x 301\n/c/:x /?" + strings.Repeat(":x", 100) + " 301\n"))
	for target, want := range map[string]int{"/a/" + long: 0, "/b/" + long: 60_001, "/c/" + long: 0, "/a/x": 101} {
		if o, ok := rs.Match(Asked{Scheme: "http", Host: "h", Target: target}, func() bool { return false }); ok != (want > 0) || len(o.Location) != want {
			t.Errorf("%.10s: a Location of %d bytes, want %d", target, len(o.Location), want)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "/*\nX-First: 1\nX-Long: %s\nX-More: %s\nX-Last: 1\n", long, long)
	fmt.Fprintf(&b, "/:x\nX-Asked: %s\n", strings.Repeat(":x", 100))
	h, problems := ParseHeaders([]byte(b.String()))
	told := 0
	for _, p := range problems {
		if p.Error && p.Line == 1 {
			told++
		}
	}
	if told != 1 {
		t.Errorf("problems are %v, want one error of line 1", problems)
	}
	for target, want := range map[string]string{"/a/b": "X-First X-Long X-Last", "/c": "X-First X-Long X-Last X-Asked", "/" + long: "X-First X-Long X-Last"} {
		var names []string
		for _, f := range h.For("h", target).values {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%.10s: got %s, want %s", target, got, want)
		}
	}
}
