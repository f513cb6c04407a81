package message

import (
	"strings"
	"testing"
)

// TestHelpIsInThePageOfAFormatThatAsksForIt: names are escaped, in the text and in the attribute.
func TestHelpIsInThePageOfAFormatThatAsksForIt(t *testing.T) {
	f := &Failure{Status: 404, Help: &Help{
		Similar: []Link{{"./a&b.html", "/a&b.html"}, {`./%3Cb%3E"`, "/<b>"}, {"./c", "/\u202ec"}},
		Nearest: Link{"../", "/"},
		Reason:  "<out> -> /etc",
	}}
	for format, want := range map[string]string{
		"%(help)s": "        <hr>\n" +
			`        <p>Did you mean <a href="./a&amp;b.html">/a&amp;b.html</a>, <a href="./%3Cb%3E&quot;">/&lt;b&gt;</a> or <a href="./c"><bdi>/` + "\u202e" + `c</bdi></a>?</p>` + "\n" +
			`        <p>The nearest directory that exists is <a href="../">/</a>.</p>` + "\n" +
			"        <p>The reason, shown on the server's own machine only: <code>&lt;out&gt; -&gt; /etc</code></p>\n",
		"%(code)d %(message)s": "404 Not Found",
	} {
		p := Profile{ErrorFormat: format}.WithDefaults()
		page, _ := InMemory(p.Complete(f.Response()).Body)
		if string(page) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", format, page, want)
		}
	}
}

// TestThePageForPeopleKeepsHTTPServersWords: without help it has its paragraphs and no others.
func TestThePageForPeopleKeepsHTTPServersWords(t *testing.T) {
	body := func(format string) string {
		p := Profile{ErrorFormat: format}.WithDefaults()
		page, _ := InMemory(p.Complete(Fail(404, "File <not> found")).Body)
		_, body, _ := strings.Cut(string(page), "</head>")
		return body
	}
	if got, want := body(ErrorFormatForPeople), body(DefaultErrorFormat); got != want || strings.Contains(got, "%") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
