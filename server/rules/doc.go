// Package rules obeys the _redirects and _headers files of a site, in the dialects of Netlify and Cloudflare Pages.
// README.md beside it says which of the two is followed where they disagree.
//
// Parsing and matching are pure: ParseRedirects and ParseHeaders turn a file into rules and problems,
// Redirects.Match and Headers.For say what they mean for a request. Rules.Handler puts them around a site.
package rules

import "time"

// Bounds of a rules file. Cloudflare allows 2,000 redirects without and 100 with a placeholder or splat, and lines of
// 2,000 characters; Netlify names no bounds.
const (
	// MaxRules is how many rules of a file are obeyed. Further ones are reported.
	MaxRules = 2100
	// MaxLine is the length of a line in characters beyond which it is obeyed, but reported.
	MaxLine = 2000
	// MaxFile is how many bytes of a file are read. What is beyond is reported and not obeyed.
	MaxFile = 1 << 20
	// MaxExpanded is how many bytes a target or a value may have once its placeholders are replaced, and MaxFields how many
	// bytes of fields all blocks together give an answer: what is captured may be long, and stand in many places. Beyond, a
	// redirect is passed over, and a field left out.
	MaxExpanded, MaxFields = 64 << 10, 64 << 10
	// MaxProblems is how many problems of a file are told one by one.
	MaxProblems = 100
	// MaxAge is how old the last look at the files may be when a request is answered. There is no timer.
	MaxAge = 50 * time.Millisecond
)

// The names of the files, at the top of the site. They are obeyed and not served.
const (
	RedirectsFile = "_redirects"
	HeadersFile   = "_headers"
)
