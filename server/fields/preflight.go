package fields

import (
	"strings"

	"github.com/previewd/previewd/server/message"
)

// maxAge is how long a browser may remember the answer to a preflight, in seconds: what Chromium takes at most.
const maxAge = "7200"

// sharing says whether any origin may read answers.
func (s *Settings) sharing() bool { return s.others.allowed || len(s.byOrigin) > 0 }

// isPreflight says whether a browser asks what it may ask (Fetch, section 4.8).
func isPreflight(r *message.Request) bool {
	if r.Method != "OPTIONS" {
		return false
	}
	_, origin := r.Fields.Lookup("Origin")
	_, method := r.Fields.Lookup("Access-Control-Request-Method")
	return origin && method
}

// preflight allows an origin whatever it asks for: the answer to the request itself tells what there is. Finish adds
// the field that names the origin.
func (s *Settings) preflight(r *message.Request) message.Response {
	if !s.of(r).allowed {
		origin := r.Fields.Get("Origin")
		shown := message.Repr(message.Latin1(origin[:min(len(origin), 255)]))
		return (&message.Failure{Status: 403, Message: "Origin " + shown + " is not in CORS",
			Explain: "Add it to the setting CORS to have its pages read answers"}).Response()
	}
	resp := message.Response{Status: 204}
	add := func(name, value string) {
		if value != "" {
			resp.Fields = append(resp.Fields, message.Field{Name: name, Value: value})
		}
	}
	add("Access-Control-Allow-Methods", r.Fields.Get("Access-Control-Request-Method"))
	add("Access-Control-Allow-Headers", strings.Join(r.Fields.Values("Access-Control-Request-Headers"), ", "))
	add("Access-Control-Max-Age", maxAge)
	if r.Fields.Get("Access-Control-Request-Private-Network") == "true" { // Private Network Access, section 3.1
		add("Access-Control-Allow-Private-Network", "true")
	}
	return resp
}
