package confine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Law: what is allowed follows from the options. Names are below the test's own directory.
func TestPlan(t *testing.T) {
	base := build(t, "app/dist/", "tls/cert.pem", "tls/key.pem", "state/", "store/")
	at := func(names ...string) (paths []string) {
		for _, name := range names {
			paths = append(paths, filepath.Join(base, name))
		}
		return paths
	}
	usual := Options{Directory: base + "/app/dist", Files: []string{base + "/tls/cert.pem", base + "/tls/key.pem", "", base + "/nowhere", os.DevNull},
		State: []string{"", base + "/state"}}
	for _, c := range []struct {
		name                       string
		change                     func(*Options)
		trees, files, state, store []string
		readsAll, usesAll          bool
		rules                      int
	}{
		{"usual", func(*Options) {}, at("app"), at("tls"), at("state"), nil, false, false, 5},
		{"links that lead anywhere", func(o *Options) { o.ReadAll = true }, nil, nil, at("state"), nil, true, false, 1},
		{"scripts", func(o *Options) { o.Scripts = true }, nil, nil, nil, nil, true, true, 0},
		{"a proxy", func(o *Options) { o.Connect, o.ReadAll = []uint16{3000, 443}, true }, nil, nil, at("state"), nil, true, false, 6},
		{"a store", func(o *Options) { o.Directory, o.Store = "", base+"/store" }, nil, at("tls"), at("state"), at("store"), false, false, 6},
		{"a store and links that lead anywhere", func(o *Options) { o.Directory, o.Store, o.ReadAll = "", base+"/store", true }, nil, nil, at("state"), at("store"), true, false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := usual
			c.change(&o)
			r, err := plan(o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.trees, c.trees) || !slices.Equal(r.files, c.files) || !slices.Equal(r.state, c.state) || !slices.Equal(r.store, c.store) {
				t.Errorf("got %q %q %q %q, want %q %q %q %q", r.trees, r.files, r.state, r.store, c.trees, c.files, c.state, c.store)
			}
			if got := r.handled.HandledAccessFS&readTree == 0; got != c.readsAll {
				t.Errorf("reads all: %v", got)
			}
			if got := r.handled.HandledAccessFS == 0; got != c.usesAll {
				t.Errorf("uses all files: %v", got)
			}
			if r.handled.HandledAccessNet&bindTCP == 0 {
				t.Error("ports may be listened on")
			}
			if got := len(r.landlock()); got != c.rules {
				t.Errorf("%d rules, want %d: %v", got, c.rules, r.landlock())
			}
		})
	}
}

func TestResolvingNamesOpensNotAllOfEtc(t *testing.T) {
	if list := resolving(); slices.Contains(list, "/etc") || slices.Contains(list, "/") {
		t.Errorf("got %q", list)
	}
}
