package server

import (
	"context"

	"github.com/previewd/previewd/server/message"
)

// generalOptions answers "OPTIONS *", which asks about the server and not about anything on it: "a 'ping' or 'no-op'
// type of method" (RFC 9110, section 9.3.7). All else is next's.
func generalOptions(next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		if r.Method == "OPTIONS" && r.Target == "*" {
			return message.Response{Status: 200, Body: message.Bytes(nil)}
		}
		return next(ctx, r)
	}
}
