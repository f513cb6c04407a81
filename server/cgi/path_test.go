package cgi

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

// The vectors are those of CPython's test_url_collapse_path.
func TestCollapsePath(t *testing.T) {
	for target, want := range map[string]string{
		"": "//", "/": "//", "//": "//", `/\`: `//\`, "/.//": "//",
		"cgi-bin/file1.py": "/cgi-bin/file1.py", "/cgi-bin/file1.py": "/cgi-bin/file1.py",
		"a": "//a", "/a": "//a", "//a": "//a", "./a": "//a", "./C:/": "/C:/", "/a/b": "/a/b", "/a/b/": "/a/b/",
		"/a/b/.": "/a/b/", "/a/b/c/..": "/a/b/", "/a/b/c/../d": "/a/b/d", "/a/b/c/../d/e/../f": "/a/b/d/f",
		"/a/b/c/../d/e/../../f": "/a/b/f", "/a/b/c/../d/e/.././././..//f": "/a/b/f",
		"/a/b/c/../d/e/../../../f": "/a/f", "/a/b/c/../d/e/../../../../f": "//f",
		"/a/b/c/../d/e/../../../../f/..": "//", "/a/b/c/../d/e/../../../../f/../.": "//",
		// Ours.
		"/cgi-bin%2Fx%3Fy?z": "/cgi-bin/x?y?z", "/a/b?": "/a/b", "/a/b?../..": "/a/b?../..", "/%252e/a": "/%2e/a",
		"/a/b#/c": "/a/b#/c", "/\xe9/%C3%A9": "/é/é", "/%FF/x": "/\ufffd/x",
	} {
		if got, ok := collapsePath(target); !ok || got != want {
			t.Errorf("collapsePath(%q) = %q, %v, want %q", target, got, ok, want)
		}
	}
	for _, target := range []string{"..", "/.//..", "../a/b/c/../d/e/.././././..//f", "/a/b/c/../d/e/../../../../../f", "/%2e%2e/x"} {
		if got, ok := collapsePath(target); ok {
			t.Errorf("collapsePath(%q) = %q, want none", target, got)
		}
	}
}

// Law: what is left has no dotted part, and without a query it is what path.Clean makes of it.
func FuzzCollapsePath(f *testing.F) {
	for _, seed := range []string{"/cgi-bin/x", "/a/../b?c/../d", "..", "/%2e%2e/a", "//a//./b/", "/é%C3%A9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, ok := collapsePath(target)
		if !ok {
			return
		}
		if !utf8.ValidString(got) || !strings.HasPrefix(got, "/") {
			t.Fatalf("collapsePath(%q) = %q", target, got)
		}
		if strings.ContainsAny(target, "?%") {
			return
		}
		if want := path.Clean(got); strings.TrimRight(path.Clean("/"+got), "/") != strings.TrimRight(want, "/") ||
			strings.Contains(got+"/", "/../") || strings.Contains(got+"/", "/./") {
			t.Fatalf("collapsePath(%q) = %q", target, got)
		}
	})
}

// A list with "/" makes scripts of the files at the top alone, as CPython's is_cgi does.
func TestSplitAtTheTop(t *testing.T) {
	for collapsed, want := range map[string]string{"//": "", "//x": "x", "//x?a/b": "x?a/b", "/sub/x": "none", "/sub/": "none"} {
		dir, rest, found := split(collapsed, []string{"/"})
		if !found {
			rest = "none"
		}
		if rest != want || found && dir != "/" {
			t.Errorf("split(%q) = %q, %q, %v, want %q", collapsed, dir, rest, found, want)
		}
	}
}

func TestSplit(t *testing.T) {
	directories := []string{"/cgi-bin", "/sub/dir/cgi-bin"}
	for collapsed, want := range map[string][2]string{
		"/cgi-bin/":             {"/cgi-bin", ""},
		"/cgi-bin/a/b?c/d":      {"/cgi-bin", "a/b?c/d"},
		"/sub/dir/cgi-bin/x":    {"/sub/dir/cgi-bin", "x"},
		"/sub/cgi-bin/x":        {},
		"//cgi-bin":             {},
		"/cgi-binx/x":           {},
		"/sub/dir/cgi-binx/x":   {},
		"/x/cgi-bin/../cgi-bin": {},
	} {
		dir, rest, found := split(collapsed, directories)
		if dir != want[0] || rest != want[1] || found != (want[0] != "") {
			t.Errorf("split(%q) = %q, %q, %v, want %q", collapsed, dir, rest, found, want)
		}
	}
}
