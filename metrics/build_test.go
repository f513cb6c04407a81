package metrics

import (
	"runtime/debug"
	"testing"
)

func TestBuild(t *testing.T) {
	stamped := func(settings ...debug.BuildSetting) *debug.BuildInfo { return &debug.BuildInfo{Settings: settings} }
	clean, changed := debug.BuildSetting{Key: "vcs.modified", Value: "false"}, debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	at := debug.BuildSetting{Key: "vcs.revision", Value: "0123abcd"}
	for name, c := range map[string]struct {
		revision string
		info     *debug.BuildInfo
		want     string
	}{
		"nothing known":           {"", nil, "dev"},
		"built outside a clone":   {"", stamped(), "dev"},
		"built in a clone":        {"", stamped(at, clean), "dev (revision 0123abcd)"},
		"with changes":            {"", stamped(changed, at), "dev (revision 0123abcd-modified)"},
		"the linker was told":     {"f00", stamped(at, changed), "dev (revision f00)"},
		"changes and no revision": {"", stamped(changed), "dev"},
	} {
		if got := NewBuild("dev", c.revision, c.info).String(); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
