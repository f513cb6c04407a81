package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestLinks: every relative link of a Markdown file leads to a file or directory of the repository, and its anchor to a
// heading there.
func TestLinks(t *testing.T) {
	broken, links, err := brokenLinks(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range broken {
		t.Error(line)
	}
	if links == 0 {
		t.Error("no links were found")
	}
}

// TestReadmeIsShort: README.md is read in ten minutes. What is looked up has a page of its own.
func TestReadmeIsShort(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 250 {
		t.Errorf("README.md has %d lines, allowed are 250", lines)
	}
}

func TestBrokenLinks(t *testing.T) {
	const target = "# The page\n\n## A `code` word, and more\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n"
	for _, test := range []struct{ name, text, want string }{
		{"file", "[a](sub/page.md)", ""},
		{"directory", "[a](sub) [b](sub/)", ""},
		{"up", "[a](../outside.md)", "page.md: ../outside.md leads out of the repository"},
		{"no file", "[a](sub/other.md)", "page.md: sub/other.md does not exist"},
		{"no picture", "![a](sub/other.png)", "page.md: sub/other.png does not exist"},
		{"picture in a link", "[![a](no.png)](sub/page.md)", "page.md: no.png does not exist"},
		{"anchor", "[a](sub/page.md#the-page) [b](sub/page.md#a-code-word-and-more)", ""},
		{"second of a name", "[a](sub/page.md#twice-1)", ""},
		{"no anchor", "[a](sub/page.md#page)", "page.md: sub/page.md#page has no such heading"},
		{"comment in a code block", "[a](sub/page.md#no-heading)", "page.md: sub/page.md#no-heading has no such heading"},
		{"own anchor", "# Here\n[a](#here) [b](#there)", "page.md: #there has no such heading"},
		{"anchor of what is no page", "[a](sub#x)", "page.md: sub#x has no such heading"},
		{"elsewhere", "[a](https://example.org/nothing) [b](mailto:a@example.org) <http://localhost:8000/>", ""},
		{"code", "```\n[a](nowhere)\n```\nand `[b](nowhere)`", ""},
		{"title", `[a](sub/page.md "a title") [b](nowhere "a title")`, "page.md: nowhere does not exist"},
		{"reference", "[a]: nowhere\n", "page.md: nowhere does not exist"},
	} {
		t.Run(test.name, func(t *testing.T) {
			broken, _, err := brokenLinks(fstest.MapFS{
				"page.md":     {Data: []byte(test.text)},
				"sub/page.md": {Data: []byte(target)},
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(broken, "\n"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

var (
	fence      = regexp.MustCompile("(?ms)^ *```.*?^ *```[ \t]*$")
	codeSpan   = regexp.MustCompile("`[^`\n]*`")
	inlineLink = regexp.MustCompile(`\]\(\s*<?([^()\s<>]+)>?(?:\s+"[^"]*")?\s*\)`)
	reference  = regexp.MustCompile(`(?m)^ {0,3}\[[^\]]+\]:\s*<?([^\s<>]+)`)
	heading    = regexp.MustCompile(`(?m)^#{1,6}[ \t]+(.*?)[ \t#]*$`)
	scheme     = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:`)
	// notInSlug is what GitHub leaves out when it makes an anchor of a heading.
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// brokenLinks returns a line for each relative link of a Markdown file that leads nowhere, and how many links there are.
// Directories whose name begins with a dot, other than .github, are left out.
func brokenLinks(repository fs.FS) (broken []string, links int, err error) {
	err = fs.WalkDir(repository, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && len(name) > 1 && entry.Name()[0] == '.' && entry.Name() != ".github" {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(name) != ".md" {
			return nil
		}
		text, err := fs.ReadFile(repository, name)
		if err != nil {
			return err
		}
		for _, link := range linksOf(string(text)) {
			links++
			if why := follow(repository, name, link); why != "" {
				broken = append(broken, fmt.Sprintf("%s: %s %s", name, link, why))
			}
		}
		return nil
	})
	return broken, links, err
}

// linksOf lists the relative links of a Markdown text, in code there are none.
func linksOf(text string) []string {
	text = codeSpan.ReplaceAllString(fence.ReplaceAllString(strings.ReplaceAll(text, "\r\n", "\n"), ""), "")
	var links []string
	for _, m := range append(inlineLink.FindAllStringSubmatch(text, -1), reference.FindAllStringSubmatch(text, -1)...) {
		if !scheme.MatchString(m[1]) {
			links = append(links, m[1])
		}
	}
	return links
}

// follow says what is wrong with a link of page, nothing if it leads somewhere.
func follow(repository fs.FS, page, link string) string {
	file, anchor, hasAnchor := strings.Cut(link, "#")
	target := page
	if file != "" {
		target = path.Join(path.Dir(page), file)
	}
	if !fs.ValidPath(target) {
		return "leads out of the repository"
	}
	if _, err := fs.Stat(repository, target); err != nil {
		return "does not exist"
	}
	if !hasAnchor {
		return ""
	}
	text, err := fs.ReadFile(repository, target)
	if err != nil || path.Ext(target) != ".md" || !slices.Contains(anchorsOf(string(text)), anchor) {
		return "has no such heading"
	}
	return ""
}

// anchorsOf lists the anchors of a page's headings as GitHub makes them. A second heading of the same name ends in -1.
func anchorsOf(text string) []string {
	var anchors []string
	seen := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(strings.ReplaceAll(text, "\r\n", "\n"), ""), -1) {
		slug := strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		if n := seen[slug]; n > 0 {
			anchors = append(anchors, fmt.Sprintf("%s-%d", slug, n))
		} else {
			anchors = append(anchors, slug)
		}
		seen[slug]++
	}
	return anchors
}
