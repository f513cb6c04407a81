package message

import "strings"

// Help is what an error page says to a person beyond the error. http.server says nothing of the kind. A page has it where
// its format has %(help)s.
type Help struct {
	// Similar are what may have been meant, Nearest is the nearest directory that exists; its zero value is none.
	Similar []Link
	Nearest Link
	// Overview is where all previews are listed; its zero value is none.
	Overview Link
	// Reason is the cause in the words for the operator. It is for clients on this machine only.
	Reason string
}

// Link is a link in a page. Both are text, not HTML.
type Link struct{ URL, Text string }

// html is the help as it stands in a page: paragraphs, each with a line feed at its end.
func (h *Help) html() string {
	if h == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("        <hr>\n")
	if len(h.Similar) > 0 {
		b.WriteString("        <p>Did you mean ")
		for i, link := range h.Similar {
			switch {
			case i > 0 && i == len(h.Similar)-1:
				b.WriteString(" or ")
			case i > 0:
				b.WriteString(", ")
			}
			b.WriteString(link.html())
		}
		b.WriteString("?</p>\n")
	}
	if h.Nearest.URL != "" {
		b.WriteString("        <p>The nearest directory that exists is " + h.Nearest.html() + ".</p>\n")
	}
	if h.Overview.URL != "" {
		b.WriteString("        <p>All previews: " + h.Overview.html() + "</p>\n")
	}
	if h.Reason != "" {
		b.WriteString("        <p>The reason, shown on the server's own machine only: <code>" + EscapeHTML(h.Reason) + "</code></p>\n")
	}
	return b.String()
}

// html is the link. Characters in its text that are written from right to left, or turn the direction round, do not reach
// beyond it.
func (l Link) html() string {
	text := EscapeHTML(l.Text)
	if !isASCII(text) {
		text = "<bdi>" + text + "</bdi>"
	}
	return `<a href="` + attributeEscaper.Replace(l.URL) + `">` + text + "</a>"
}

// attributeEscaper escapes text for an attribute in double quotes.
var attributeEscaper = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;")
