// Package cgi runs the scripts of a site: CGIHTTPRequestHandler of Python's http.server, with the answers of
// RFC 3875. Which path is a script, its arguments, its environment and the error messages are http.server's;
// a function that mirrors a Python function names it. Beyond it, a script's head is checked before anything is
// sent, Status and Location are obeyed, and time, processes and memory are bounded.
//
// A script is run by its path, not by a descriptor that was checked: the kernel hands the path of a script to
// its interpreter, which opens it once more, so that /proc/self/fd/N would have to stay open in the script and
// would be its $0. Whoever can switch a name between the look-up and the start can put a script there anyway.
package cgi
