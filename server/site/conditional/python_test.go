package conditional

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/site/sitetest"
)

func TestAgreesWithPython(t *testing.T) {
	pieces := []string{"Sun", ",", " ", "06", "Nov", "november", "1994", "94", "-", "08:49:37", "08.49", ":", "GMT", "+0000", "-0000", "-0100", "EST",
		"_", "\xb2", "\xa0", "+", "6", "31", "Feb", "Z", "0", "68", "69", "10000", "sun,", "08:49:60"}
	forms := []string{"Sun, |06| |Nov| |1994| |08:49:37| |GMT", "Sun, |06|-|Nov|-|94| |08:49:37| |GMT", "Sun |Nov|  |6| |08:49:37| |1994"}
	sitetest.AgreeWithPython(t, map[string]sitetest.Function{"date": {
		Go: func(s string) any {
			seconds, ok := ParseDate(s)
			if !ok {
				return nil
			}
			return float64(seconds)
		},
		// Mostly a date with one piece replaced, dropped or doubled, which random pieces rarely make.
		Input: func(r *rand.Rand) string {
			if r.IntN(4) == 0 {
				return sitetest.Pieces(pieces...)(r)
			}
			parts := strings.Split(forms[r.IntN(len(forms))], "|")
			for range r.IntN(3) {
				parts[r.IntN(len(parts))] = sitetest.Pieces(pieces[:1+r.IntN(len(pieces))]...)(r)
			}
			return strings.Join(parts, "")
		},
	}})
}
