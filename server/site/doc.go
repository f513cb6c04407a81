// Package site answers requests with the files of a directory, as SimpleHTTPRequestHandler of Python's
// http.server does: a file, a directory's index page or listing, a redirect to the slash, 304, 404.
//
// It has three floors, and each knows only those below it. This one decides what a name answers, and speaks HTTP;
// get.go has the life of a GET. Package content has the bytes of a file, package tree the open directory. Beside them
// package listing makes the page of a directory.
//
// A function that mirrors a Python function names it. Where the versions of CPython differ this is 3.14
// with its bug fixes; where its handler dies or hangs (NUL, lone surrogates, FIFOs) the answer is 404.
package site
