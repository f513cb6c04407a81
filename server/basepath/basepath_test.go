package basepath

import (
	"context"
	"testing"

	"github.com/previewd/previewd/server/message"
)

func TestBelowAPath(t *testing.T) {
	for name, c := range map[string]struct {
		base, prefix, target, location string // what the handler behind answers as Location
		status                         int
		want                           string // the target that it sees, or the Location that leaves
	}{
		"below":             {"/docs/v1", "", "/docs/v1/a/b?c=/d", "", 200, "/a/b?c=/d"},
		"root_of_the_site":  {"/docs/v1", "", "/docs/v1/", "", 200, "/"},
		"slash_at_its_end":  {"/docs/v1/", "", "/docs/v1/a", "", 200, "/a"},
		"escaped":           {"/docs/v1", "", "/d%6Fcs/v1/%61", "", 200, "/%61"},
		"blank_in_it":       {"/my docs", "", "/my%20docs/a", "", 200, "/a"},
		"utf8":              {"/dök", "", "/d%C3%B6k/a", "", 200, "/a"},
		"absolute_form":     {"/docs", "", "http://example.org/docs/a?b", "", 200, "/a?b"},
		"no_base":           {"/", "", "/docs/a", "", 200, "/docs/a"},
		"root":              {"/docs/v1", "", "/", "", 302, "./docs/v1/"},
		"root_with_query":   {"/docs/v1", "", "/?a=b", "", 302, "./docs/v1/?a=b"},
		"root_absolute":     {"/docs/v1", "", "http://example.org", "", 302, "./docs/v1/"},
		"itself":            {"/docs/v1", "", "/docs/v1", "", 302, "./v1/"},
		"itself_with_query": {"/docs/v1", "", "/docs/v1?a", "", 302, "./v1/?a"},
		"itself_a_colon":    {"/a:b", "", "/a:b", "", 302, "./a:b/"},
		"itself_blank":      {"/my docs", "", "/my%20docs", "", 302, "./my%20docs/"},
		"outside":           {"/docs/v1", "", "/a", "", 404, ""},
		"outside_part":      {"/docs/v1", "", "/docs/", "", 404, ""},
		"outside_no_slash":  {"/docs/v1", "", "/docs", "", 404, ""},
		"outside_longer":    {"/docs/v1", "", "/docs/v10/a", "", 404, ""},
		"outside_case":      {"/docs/v1", "", "/Docs/v1/a", "", 404, ""},
		"outside_by_dots":   {"/docs/v1", "", "/a/../docs/v1/b", "", 404, ""},
		"outside_slashes":   {"/docs/v1", "", "/docs//v1/a", "", 404, ""},
		"outside_star":      {"/docs/v1", "", "*", "", 404, ""},
		"escaped_slash":     {"/docs/v1", "", "/docs%2Fv1/a", "", 404, ""},
		"dots_stay_below":   {"/docs/v1", "", "/docs/v1/../../x", "", 200, "/../../x"},
		"location":          {"/docs/v1", "", "/docs/v1/a", "/b", 301, "/docs/v1/b"},
		"location_relative": {"/docs/v1", "", "/docs/v1/a", "./a/", 301, "./a/"},
		"location_host":     {"/docs/v1", "", "/docs/v1/a", "//example.org/b", 301, "//example.org/b"},
		"location_absolute": {"/docs/v1", "", "/docs/v1/a", "https://example.org/b", 301, "https://example.org/b"},
		"behind_a_proxy":    {"/docs", "/app", "/docs/a", "/b", 301, "/app/docs/b"},
		"proxy_alone":       {"/", "/app", "/a", "/b", 301, "/app/b"},
	} {
		seen := ""
		serve := Handler(c.base, func(_ context.Context, r *message.Request) message.Response {
			seen = r.Target
			if c.location != "" {
				return message.Response{Status: 301, Fields: message.Fields{{Name: "A", Value: "b"}, {Name: "location", Value: c.location}}}
			}
			return message.Response{Status: 200}
		})
		r := &message.Request{Method: "GET", Target: c.target, Prefix: c.prefix}
		resp := serve(t.Context(), r)
		got := resp.Fields.Get("Location")
		if resp.Status == 200 {
			got = seen
		}
		if resp.Status != c.status || got != c.want {
			t.Errorf("%s: %d %q, want %d %q", name, resp.Status, got, c.status, c.want)
		}
		if r.Target != c.target {
			t.Errorf("%s: the request says %q afterwards", name, r.Target)
		}
	}
}
