// Package message holds the values that travel between the parts of a server: a Request, the Response
// that a Handler answers with, and the Exchange of the two as it is observed afterwards.
//
// A Handler answers with a value. It never writes to a connection, logs or counts, so the same handler
// serves HTTP/1.0, HTTP/1.1 and HTTP/2, and is tested without a socket. The words are those of RFC 9110
// and RFC 9112; where a name mirrors Python's http.server its comment says which one.
package message
