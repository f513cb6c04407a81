package message

import (
	"strconv"
	"strings"
)

// Profile is what a server's answers have in common. The fields are the class attributes of
// BaseHTTPRequestHandler; an empty one means http.server's own value.
type Profile struct {
	// Server is the value of the Server field: version_string(), server_version and sys_version.
	Server string
	// Protocol is the version on every status line: protocol_version. HTTP/1.1 and later allow persistent
	// connections. Empty means HTTP/1.1, where BaseHTTPRequestHandler has HTTP/1.0.
	Protocol string
	// Exact keeps http.server's reading of requests where it differs from the RFCs without harm: a target in
	// absolute-form is a path, "OPTIONS *" is of no method, and a Connection field counts only if it is the first
	// and says nothing else.
	Exact bool
	// ErrorFormat is the error page: error_message_format, with %(code)d, %(message)s, %(explain)s and %%, and
	// beyond that %(help)s, which is HTML.
	ErrorFormat string
	// ErrorContentType is the Content-Type of the error page: error_content_type.
	ErrorContentType string
	// Finish is called for each answer, also one that no handler made, when it is complete: it may put fields on it.
	// Nil leaves answers as they are.
	Finish func(*Request, Response) Response
	// Phrases has phrase and explanation by status code: responses. Nil means the table of http.HTTPStatus.
	Phrases map[int]Phrase
}

// defaultServer is the Server field of a Profile that names none.
const defaultServer = "previewd"

// DefaultErrorContentType is DEFAULT_ERROR_CONTENT_TYPE.
const DefaultErrorContentType = "text/html;charset=utf-8"

// DefaultErrorFormat is DEFAULT_ERROR_MESSAGE of Python 3.14.
const DefaultErrorFormat = errorHead + errorBody + errorEnd

// ErrorFormatForPeople is DefaultErrorFormat with a style for light and dark, wide and narrow screens, the Help of a
// Failure, and an icon of its own: browsers ask for /favicon.ico when a page has none, and that is an error more in the
// log.
const ErrorFormatForPeople = `<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <style type="text/css">
            :root {
                color-scheme: light dark;
            }
            body {
                font: 16px/1.5 system-ui, sans-serif;
                max-width: 42em;
                margin: 3em auto;
                padding: 0 1em;
                overflow-wrap: anywhere;
            }
            h1 {
                font-size: 1.6em;
            }
            a {
                padding: 0.2em;
            }
            code {
                font-size: 0.9em;
            }
        </style>
        <title>Error response</title>
        <link rel="icon" href="data:image/svg+xml,` +
	`%%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E%%3Cpath d='M8 1 15 14H1z' fill='%%23c63'/%%3E%%3C/svg%%3E">
` + errorBody + `%(help)s` + errorEnd

const errorHead = `<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <style type="text/css">
            :root {
                color-scheme: light dark;
            }
        </style>
        <title>Error response</title>
`

const errorBody = `    </head>
    <body>
        <h1>Error response</h1>
        <p>Error code: %(code)d</p>
        <p>Message: %(message)s.</p>
        <p>Error code explanation: %(code)s - %(explain)s.</p>
`

const errorEnd = `    </body>
</html>
`

// WithDefaults returns p with http.server's value in place of each empty one.
func (p Profile) WithDefaults() Profile {
	if p.Server == "" {
		p.Server = defaultServer
	}
	if p.Protocol == "" {
		p.Protocol = "HTTP/1.1"
	}
	if p.ErrorFormat == "" {
		p.ErrorFormat = DefaultErrorFormat
	}
	if p.ErrorContentType == "" {
		p.ErrorContentType = DefaultErrorContentType
	}
	if p.Phrases == nil {
		p.Phrases = phrases
	}
	return p
}

// Reason returns the reason phrase of a status code, "" if it is not in the table: send_response_only.
func (p *Profile) Reason(status int) string { return p.Phrases[status].Short }

// Complete returns the answer with its error page if it reports a Failure and has no Body: send_error.
// The page has no content for status codes that allow none (below 200, 204, 205, 304).
func (p *Profile) Complete(resp Response) Response {
	f := resp.Failure()
	if f == nil || resp.Body != nil {
		return resp
	}
	phrase, known := p.Phrases[f.Status]
	if !known {
		phrase = Phrase{"???", "???"}
	}
	message, explain := f.Message, f.Explain
	if message == "" {
		message = phrase.Short
	}
	if explain == "" {
		explain = phrase.Long
	}
	resp.Reason = message
	if !AllowsContent(f.Status) || f.Status == 205 {
		return resp
	}
	page := formatPage(p.ErrorFormat, f.Status, EscapeHTML(message), EscapeHTML(explain), f.Help.html())
	resp.Fields = append(Fields{{"Content-Type", p.ErrorContentType}}, resp.Fields...)
	resp.Body = Bytes(page)
	return resp
}

// AllowsContent says whether an answer with this status code may have content (RFC 9110, section 6.4.1).
func AllowsContent(status int) bool {
	return status >= 200 && status != 204 && status != 304
}

// formatPage fills in the template as Python's % operator does for the keys of send_error.
func formatPage(format string, code int, message, explain, help string) string {
	digits := strconv.Itoa(code)
	return strings.NewReplacer(
		"%(code)d", digits, "%(code)s", digits,
		"%(message)s", message, "%(explain)s", explain, "%(help)s", help, "%%", "%",
	).Replace(format)
}
