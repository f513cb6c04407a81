package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const list = "GET /v2/team/app/tags/list"

func TestIsTag(t *testing.T) {
	for name, want := range map[string]bool{
		"pr-42": true, "_": true, "A.b_c-d": true, "0": true, strings.Repeat("a", 128): true,
		"": false, ".a": false, "-a": false, "a/b": false, "a b": false, "a:b": false, "ä": false, "a\n": false, "a\x00": false, strings.Repeat("a", 129): false,
	} {
		if got := IsTag(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// paged answers with tags that are numbers, so many at a time.
func paged(t testing.TB, all, size int, link string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		last, _ := strconv.Atoi(r.URL.Query().Get("last"))
		tags := []string{}
		for i := last + 1; i <= min(last+size, all); i++ {
			tags = append(tags, strconv.Itoa(i))
		}
		if last+size < all {
			w.Header().Set("Link", fmt.Sprintf(link, last+size))
		}
		_, _ = w.Write(encode(t, object{"name": "team/app", "tags": tags}))
	}
}

// TestTags: all pages are read, up to the bound, in order.
func TestTags(t *testing.T) {
	for _, c := range []struct {
		all, size int
		link      string
		want      int
		more      bool
	}{
		{0, 10, "", 0, false},
		{25, 10, `</v2/team/app/tags/list?n=10&last=%d>; rel="next"`, 25, false},
		{25, 10, `<?last=%d>; rel=next`, 25, false},
		{30, 10, `</v2/team/app/tags/list?last=%d>; rel="next"`, 30, false},
		{MaxTags, 1000, `</v2/team/app/tags/list?last=%d>; rel="next"`, MaxTags, false},
		{MaxTags + 1, 1000, `</v2/team/app/tags/list?last=%d>; rel="next"`, MaxTags, true},
		{maxPages + 1, 1, `</v2/team/app/tags/list?last=%d>; rel="next"`, maxPages, true},
		{25, 10, `</v2/team/app/tags/list?last=%d>; rel="previous"`, 10, false},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			a, f := newAuthority(t), newFake()
			f.on(list, paged(t, c.all, c.size, c.link))
			tags, more, err := a.client(t, a.serve(t, f), Options{}).Tags(t.Context())
			if err != nil || len(tags) != c.want || more != c.more {
				t.Fatalf("got %d, %v, %v, want %d, %v", len(tags), more, err, c.want, c.more)
			}
			for i, tag := range tags {
				if tag != strconv.Itoa(i+1) {
					t.Fatalf("%d is %q", i, tag)
				}
			}
		})
	}
}

// TestTagsThatAreNone are left out.
func TestTagsThatAreNone(t *testing.T) {
	a, f := newAuthority(t), newFake()
	f.on(list, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(encode(t, object{"tags": []string{"b", "../a", "", "a", "sha256:00", strings.Repeat("x", 1000)}}))
	})
	tags, _, err := a.client(t, a.serve(t, f), Options{}).Tags(t.Context())
	if want := []string{"b", "a"}; err != nil || !slices.Equal(tags, want) {
		t.Errorf("got %q, %v", tags, err)
	}
}

// TestTagsFail: no list is better than half of one.
func TestTagsFail(t *testing.T) {
	linked := func(link string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", link)
			_, _ = io.WriteString(w, `{"tags":["a"]}`)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"no repository":  {notFound, "not found"},
		"a proxy's 404":  {http.NotFound, "answers 404 Not Found"},
		"garbage":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }, "answers with something other than a list of tags"},
		"too large":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxAnswer+1)) }, "the answer is larger than 4 MiB"},
		"no content":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "answers 204 No Content"},
		"another host":   {linked(`<https://example.com/?s=s3cret>; rel="next"`), "the next page of tags is said to be at https://example.com"},
		"another scheme": {linked(`<http://HOST/>; rel="next"`), "the next page of tags is said to be at http://HOST"},
		"no URL":         {linked(`<http://%>; rel="next"`), "the link to the next page of tags is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			a, f := newAuthority(t), newFake()
			f.on(list, c.answer)
			host := a.serve(t, f)
			tags, _, err := a.client(t, host, Options{}).Tags(t.Context())
			if want := "tags of " + host + "/team/app: " + c.want; err == nil || err.Error() != want || tags != nil {
				t.Fatalf("got  %q, %v\nwant %s", tags, err, want)
			}
			if errors.Is(err, ErrNotFound) != (name == "no repository") {
				t.Errorf("%v is ErrNotFound", err)
			}
			isOneLine(t, err)
		})
	}
}

// TestNotFoundOfAProxy: a tag is gone only where the registry itself says so, to HEAD or to the GET that follows.
func TestNotFoundOfAProxy(t *testing.T) {
	const path = "/v2/team/app/manifests/pr-42"
	for name, c := range map[string]struct {
		head, get http.HandlerFunc
		want      bool
	}{
		"both of the registry": {notFound, notFound, true},
		"HEAD says nothing":    {http.NotFound, notFound, true},
		"both of the proxy":    {http.NotFound, http.NotFound, false},
		"no content at all":    {http.NotFound, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, f := newAuthority(t), newFake()
			f.on("HEAD "+path, c.head)
			f.on("GET "+path, c.get)
			if _, err := a.client(t, a.serve(t, f), Options{}).Head(t.Context(), "pr-42"); err == nil || errors.Is(err, ErrNotFound) != c.want {
				t.Errorf("got %v, ErrNotFound wanted: %v", err, c.want)
			}
		})
	}
}
