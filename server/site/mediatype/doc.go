// Package mediatype says which media type a file has, and which character encoding a text: by its name where that
// tells, else by its first bytes. Its functions take values and return values: no file.
//
// What http.server says of a name is in python.go, which Exact keeps to. The rest is what a person expects who opens the
// file in a browser: text is shown and not downloaded, and shown with the right letters.
package mediatype
