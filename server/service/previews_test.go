package service

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/previewd/previewd/config"
)

// TestNamespaceIsThatOfThePod, as the kubelet and others write resolv.conf.
func TestNamespaceIsThatOfThePod(t *testing.T) {
	for text, want := range map[string]string{
		"search team.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n": "team",
		"nameserver 10.96.0.10\nsearch\tteam.svc other\n":                                                         "team",
		"search example.org\nnameserver 192.0.2.1\n":                                                              "",
		"search svc.cluster.local\n":                                                                              "",
		"search\n":                                                                                                "",
		"# search team.svc.cluster.local\n":                                                                       "",
		"":                                                                                                        "",
	} {
		if got := namespace(func(string) ([]byte, error) { return []byte(text), nil }); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := namespace(func(string) ([]byte, error) { return nil, fs.ErrNotExist }); got != "" {
		t.Errorf("without the file: got %q", got)
	}
}

func TestPreviewsAreAllowedHosts(t *testing.T) {
	c := config.Config{AllowedHosts: []string{"site.example"}, Previews: "directories", PreviewsDomain: "preview.example"}
	if got := allowedHosts(c); !slices.Equal(got, []string{"site.example", ".preview.example"}) || len(c.AllowedHosts) != 1 {
		t.Errorf("got %q", got)
	}
}
