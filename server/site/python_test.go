package site

import (
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/sitetest"
)

func TestAgreesWithPython(t *testing.T) {
	sitetest.AgreeWithPython(t, map[string]sitetest.Function{
		"translate": {
			Go: func(s string) any {
				of, ok := translatePath(s)
				if !ok {
					return nil
				}
				return []any{message.Latin1(of.name), of.slash}
			},
			Input: sitetest.Pieces("/", "a", "..", ".", "%2e", "%2F", "%", "%00", "?", "#", "%C3%A9", "%ED%B3%BF", "%ED%A0%80", "%E2%82",
				"%FF", "\xe9", "\xc3", "+", "%F0%9F%98%80", "%c0%af"),
		},
		"location": {
			Go:    func(s string) any { return message.Latin1(absoluteToSlash(s)) },
			Input: sitetest.Pieces("/", "a", "..", ":", "http", "ftp", "x", "?", "#", "%2e", "\xe9", "\\", "\x01", "@", "1"),
			// The redirect is that of 3.13; "http:a" was "http:///a/" before. Where CPython dies any answer will do.
			Differs: func(input string, want any, minor int) bool {
				return want == nil || minor < 13 && strings.Contains(input, ":")
			},
		},
	})
}
