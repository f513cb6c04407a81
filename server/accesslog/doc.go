// Package accesslog writes the log: one record for each exchange, and entries for everything else, as JSON or in the
// text form of Python's http.server.
//
// A Log makes the records (record.go for JSON, text.go and entry.go for text). The Queue beneath it
// takes them without waiting for the pipe they end in (queue.go).
package accesslog
