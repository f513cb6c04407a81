package content

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/sitetest"
)

// TestCandidates: what the client weighs most comes first. A plus marks what is to be made.
func TestCandidates(t *testing.T) {
	for _, c := range []struct {
		name, accept string
		makes        bool
		want         string
	}{
		{"equal_weights_in_our_order", "gzip, deflate, br, zstd", false, "br zstd gzip"},
		{"neighbours_before_what_is_made", "gzip, br, zstd", true, "br zstd gzip +zstd +br +gzip"},
		{"the_best_first", "gzip;q=0.9, br;q=0.8, zstd", true, "zstd +zstd gzip +gzip br +br"},
		{"only_what_is_acceptable", "br;q=0, gzip", true, "gzip +gzip"},
		{"any", "*;q=0.1", false, "br zstd gzip"},
		{"identity_is_preferred", "gzip;q=0.5, identity", true, ""},
		{"identity_is_equal", "gzip, identity", false, "gzip"},
		{"identity_beside_the_least_weight", "gzip;q=0.001", false, "gzip"},
		{"identity_excluded", "gzip;q=0.5, identity;q=0", false, "gzip"},
		{"nothing_is_left", "*;q=0", true, ""},
		{"without_a_field_of_use", "", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, candidate := range candidates(nil, accepts(c.accept).Codings, c.makes) {
				mark := ""
				if candidate.made {
					mark = "+"
				}
				got = append(got, mark+candidate.coding.String())
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%q: got %q, want %q", c.accept, got, c.want)
			}
		})
	}
}

// TestNoiseIsNotCoded: what does not become smaller is sent as it is, and not tried each time.
func TestNoiseIsNotCoded(t *testing.T) {
	var noise bytes.Buffer
	for i := uint32(1); noise.Len() < 4000; i = i*1664525 + 1013904223 {
		noise.WriteByte(byte(i >> 24))
	}
	s := open(t, sitetest.Build(t, t.TempDir(), map[string]string{"noise.txt": noise.String()}), later)
	for range 2 {
		if src, content := s.read(t, "noise.txt", accepts("gzip")); src.Coding != coding.Identity || content != noise.String() {
			t.Errorf("got coding %v, %d bytes", src.Coding, len(content))
		}
	}
	if e := s.cache.Get(key{of: s.directory, name: "noise.txt", coding: coding.Gzip, made: true}); e == nil || !e.Value.plain {
		t.Errorf("that it is no smaller is not remembered: %+v", e)
	} else {
		sitetest.Check(t, e.Close())
	}
}

// TestAPanicLeavesTheGate: what is counted in and out stays in balance.
func TestAPanicLeavesTheGate(t *testing.T) {
	dir := sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": strings.Repeat("a", 1000)})
	synctest.Test(t, func(t *testing.T) {
		disk := message.NewGate(1)
		s := open(t, dir, func(o *Options) { o.CacheSize, o.Disk = 0, disk })
		s.encoders = nil
		inside := func() {
			disk.Enter()
			defer disk.Leave()
			_, _ = s.source(t.Context(), "a.txt", accepts("gzip"))
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			inside()
		}()
		disk.Enter()
		defer disk.Leave()
		if _, content := s.read(t, "a.txt", Accepts{}); len(content) != 1000 {
			t.Errorf("then: %d bytes", len(content))
		}
	})
}

// TestCodedContentUnderWayIsBounded: where there is no room for it the file is sent as it is.
func TestCodedContentUnderWayIsBounded(t *testing.T) {
	content := strings.Repeat("some text ", 10<<10)
	s := open(t, sitetest.Build(t, t.TempDir(), map[string]string{"a.txt": content}), func(o *Options) {
		o.CacheSize, o.MaxInFlight = 0, 256<<10
	})
	var held []Source
	coded := 0
	for range 100 {
		src, err := s.source(t.Context(), "a.txt", accepts("gzip"))
		sitetest.Check(t, err)
		if src.Coding == coding.Gzip {
			coded++
		}
		held = append(held, src)
	}
	for _, src := range held {
		sitetest.Check(t, src.Body.Close())
	}
	if coded == 0 || coded > 64 {
		t.Errorf("%d of 100 contents under way are compressed in memory", coded)
	}
	if used, _ := s.memory.Use(); used != 0 {
		t.Errorf("%d bytes are still lent", used)
	}
}
