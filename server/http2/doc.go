// Package http2 lets a message.Handler answer the requests of HTTP/2 connections. The protocol itself is
// net/http's: here its requests become a message.Request, and answers what its ResponseWriter takes.
//
// Each connection has an http.Server of its own (conn.go), because a server can only be told to end all of
// its connections. An exchange (exchange.go) is observed as one of HTTP/1.x is.
package http2
