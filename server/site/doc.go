// Package site answers requests with the files of a directory, as SimpleHTTPRequestHandler of Python's
// http.server does: a file, a directory's index page or listing, a redirect to the slash, 304, 404.
//
// A function that mirrors a Python function names it. Where the versions of CPython differ this is 3.14
// with its bug fixes; where its handler dies or hangs (NUL, lone surrogates, FIFOs) the answer is 404.
//
// Nothing is trusted between two look-ups: a name is opened once, confined by the kernel, and everything
// else is asked of the open descriptor.
package site
