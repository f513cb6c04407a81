package similar

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	site := []string{"README.md", "about.html", "contact.html", "css", "docs", "guide.html", "guides", "img", "index.html", "main.css", "main.js", ".env", "menü.html"}
	for _, c := range []struct {
		wanted string
		want   []string
	}{
		{"readme.md", []string{"README.md"}},
		{"abuot.html", []string{"about.html"}},
		{"contcat.htm", []string{"contact.html"}},
		{"dosc", []string{"docs"}},
		{"guide.htm", []string{"guide.html"}},
		{"guide", []string{"guides", "guide.html"}},
		{"main.ts", []string{"main.js", "main.css"}},
		{"menu.html", []string{"menü.html"}},
		{"index.php", []string{"index.html"}},
		{"env", nil},
		{".envv", []string{".env"}},
		{"img", []string{"img"}},
		{"a", nil},
		{"x.html", nil},
		{"completely-else", nil},
		{"", nil},
		{strings.Repeat("a", 1000), nil},
		{"\xff\xfe", nil},
	} {
		if got := Names(c.wanted, site); !slices.Equal(got, c.want) {
			t.Errorf("%.20q: got %q, want %q", c.wanted, got, c.want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"abc", "axc", 1},
		{"ca", "abc", 3}, {"kitten", "sitting", 3}, {"kitten", "mitten", 1}, {"abcdef", "ghijkl", 4}, {"a", "abcdef", 4},
	} {
		if got := edits([]rune(c.a), []rune(c.b), 3); got != c.want {
			t.Errorf("%s, %s: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func BenchmarkNames(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("chapter-%04d-of-the-book.html", i)
	}
	for b.Loop() {
		Names("chapter-0421-of-the-bok.html", names)
	}
}
