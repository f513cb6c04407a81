package listing

import (
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func TestAgreesWithPython(t *testing.T) {
	sitetest.AgreeWithPython(t, map[string]sitetest.Function{
		"key": {
			Go: func(s string) any { return message.Latin1(sortKey(s)) },
			Input: sitetest.Pieces("a", "B", "Σ", "Α", "İ", "\xff", "\xed\xb3\xbf", "é", "É", "日", "ß", "ς", ".", "'", "\u0301", "K", "Ǆ", "𐐀",
				"\xe2\x82", "1", " "),
		},
		"quote": {
			Go:    func(s string) any { return string(appendQuoted(nil, s)) },
			Input: sitetest.Pieces("a", "Z", "~", "-", "/", " ", "%", "&", "é", "\xff", "\x80", "\xe2\x82", "日", "\n", "😀", "\xed\xa0\x80"),
		},
		"escape": {
			Go:    func(s string) any { return message.Latin1(string(appendEscaped(nil, s))) },
			Input: sitetest.Pieces("a", "&", "<", ">", "\"", "'", "\xff", "é", "&amp;"),
		},
	})
}
