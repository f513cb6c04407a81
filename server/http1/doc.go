// Package http1 is the engine of one HTTP/1.x connection: it reads requests as Python's http.server
// does, with the stricter syntax of RFC 9112 where laxness is dangerous, hands them to a
// message.Handler, and writes the answers.
//
// Parsing (head.go, requestline.go, fieldline.go, framing.go, chunked.go) is pure: functions of bytes,
// with the same result however the bytes were split. Writing renders the head once and hands head and
// content to the kernel together. The loop (conn.go) joins the two and owns every deadline.
package http1
