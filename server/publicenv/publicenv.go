// Package publicenv answers with the variables that are meant for the page: one image of a site, configured where it
// runs.
package publicenv

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/previewd/previewd/server/message"
)

// prefix is how the names of public variables begin. No other variable is ever sent.
const prefix = "PUBLIC_"

// reserved is the setting itself, which is none of the variables.
const reserved = "PUBLIC_ENV"

// Handler answers GET and HEAD for path with the public variables of environ, as a script that sets window.__env, or as
// JSON where that is asked for. The rest is answered by next.
func Handler(path string, environ map[string]string, next message.Handler) message.Handler {
	object := encode(environ)
	script := message.Bytes("window.__env = " + object + ";\n")
	data := message.Bytes(object + "\n")
	return func(ctx context.Context, r *message.Request) message.Response {
		if r.Method != "GET" && r.Method != "HEAD" || pathOf(r.Target) != path {
			return next(ctx, r)
		}
		mediaType, body := "text/javascript; charset=utf-8", &script
		if wantsJSON(r.Fields) {
			mediaType, body = "application/json", &data
		}
		return message.Response{Status: 200, Body: body, Fields: message.Fields{{Name: "Content-Type", Value: mediaType},
			{Name: "Cache-Control", Value: "no-store"}, {Name: "Vary", Value: "Accept"}}}
	}
}

// encode returns the public variables as a JSON object that is safe in a script and in HTML: json.Marshal escapes <, >,
// &, U+2028 and U+2029.
func encode(environ map[string]string) string {
	public := map[string]string{}
	for name, value := range environ {
		if strings.HasPrefix(name, prefix) && name != reserved {
			public[name] = value
		}
	}
	text, err := json.Marshal(public)
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return string(text)
}

// pathOf is the path of a target, decoded.
func pathOf(target string) string { return message.Unquote(message.TargetPath(target)) }

// wantsJSON says whether Accept names JSON, and no script that it would rather have. Its wildcards mean a script: what
// a script element sends is */*.
func wantsJSON(fields message.Fields) bool {
	data, script := 0.0, 0.0
	for _, value := range fields.Values("Accept") {
		for member := range strings.SplitSeq(value, ",") {
			mediaType, parameters, _ := strings.Cut(member, ";")
			switch strings.ToLower(strings.TrimSpace(mediaType)) {
			case "application/json":
				data = max(data, message.Weight(parameters))
			case "text/javascript", "application/javascript":
				script = max(script, message.Weight(parameters))
			}
		}
	}
	return data > 0 && data >= script
}
