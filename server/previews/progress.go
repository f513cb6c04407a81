package previews

import (
	_ "embed"
	"strconv"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/previews/tags"
	"github.com/previewd/previewd/server/site/listing"
)

var (
	//go:embed progress.js
	progressScript string
	//go:embed progress.css
	progressStyle string
	// progressPolicy is the Content-Security-Policy of the page: its own style and script, which asks how far it is.
	progressPolicy = "default-src 'none'; style-src " + listing.Digest(listing.Styles+progressStyle) + "; script-src " + listing.Digest(progressScript) +
		"; img-src data:; connect-src 'self'; base-uri 'none'"
)

// progress is the page of a build that is being fetched. It turns into the site when that is here; without a script it is
// loaded again and again until then. The status is 503, so that no program takes it for the site.
func (p *Previews) progress(r *message.Request, a asked, s tags.Shown) message.Response {
	bar, far := "<progress></progress>", "Asking the registry"
	if s.Size > 0 {
		bar = `<progress max="` + strconv.FormatInt(s.Size, 10) + `" value="` + strconv.FormatInt(s.Done, 10) + `"></progress>`
		far = bytesOf(s.Done, s.Size)
	}
	page := `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="` + strconv.Itoa(retryAfter) + `"></noscript>
<title>` + a.label + ` is being fetched</title>
` + listing.Icon + "<style>" + listing.Styles + progressStyle + "</style>\n</head>\n<body>\n<header>\n<h1>" + a.label + `</h1>
</header>
<main>
<p>This build is being fetched from the registry. The page will show it when it is here.</p>
<p><label>Fetched ` + bar + `</label> <span id="far">` + far + `</span></p>
</main>
<script data-build="` + listing.Escape(r.Prefix+buildPath) + `">` + progressScript + "</script>\n</body>\n</html>\n"
	return message.Response{Status: 503, Body: message.Bytes(page), Fields: message.Fields{
		{Name: "Content-Type", Value: "text/html; charset=utf-8"},
		{Name: "Cache-Control", Value: "no-store"},
		{Name: "Content-Security-Policy", Value: progressPolicy},
		{Name: "Retry-After", Value: strconv.Itoa(retryAfter)},
	}}
}

// bytesOf is how much of something is there, for people.
func bytesOf(done, size int64) string {
	return listing.FormatSize(done) + " of " + listing.FormatSize(size)
}
