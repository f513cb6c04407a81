package reload

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/conditional"
)

//go:embed reload.js
var scriptText []byte

// scriptTag is the entity-tag of the script.
var scriptTag = func() string {
	sum := sha256.Sum256(scriptText)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}()

// script answers with the script.
func script(r *message.Request) message.Response {
	if r.Method != "GET" && r.Method != "HEAD" {
		return message.NotAllowed("GET, HEAD")
	}
	fields := message.Fields{{Name: "ETag", Value: scriptTag}, {Name: "Cache-Control", Value: "no-cache"}}
	switch conditional.Evaluate(r.Method, r.Fields, conditional.Validators{ETag: scriptTag}, time.Now()) {
	case conditional.NotModified:
		return message.Response{Status: 304, Fields: fields}
	case conditional.PreconditionFailed:
		return message.Fail(412, "")
	}
	fields = append(message.Fields{{Name: "Content-Type", Value: "text/javascript; charset=utf-8"}}, fields...)
	return message.Response{Status: 200, Fields: fields, Body: message.Bytes(scriptText)}
}
