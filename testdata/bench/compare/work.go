package main

import (
	"fmt"
	"slices"
	"strings"
)

// work is one kind of load.
type work struct {
	name, about string
	// path is asked for; the files are those of prepare.
	path string
	// connections are open at a time, each with one request under way.
	connections int
	tls, http2  bool
	// conditional requests carry the validator of a first answer, and are answered with 304.
	conditional bool
	// proxied requests are passed on to another server, which is not measured.
	proxied bool
	// listing asks for the page of a directory; plain for http.server's from previewd (LISTING=plain).
	listing, plain bool
	load           loader
}

func works() []work {
	return []work{
		{name: "small", about: "1 KiB, 32 connections kept alive", path: "/small.txt", connections: 32, load: wrk},
		{name: "cond", about: "304 to a matching validator, 32 connections kept alive", path: "/small.txt", connections: 32, conditional: true, load: wrk},
		{name: "mid", about: "100 KiB, 32 connections kept alive", path: "/mid.bin", connections: 32, load: wrk},
		{name: "big", about: "100 MiB, 4 connections kept alive", path: "/big.bin", connections: 4, load: wrk},
		{name: "close", about: "1 KiB, a connection for each request, 32 at a time", path: "/small.txt", connections: 32, load: ab},
		{name: "one", about: "1 KiB, one connection kept alive", path: "/small.txt", connections: 1, load: wrk},
		{name: "thousand", about: "1 KiB, 1,000 connections kept alive", path: "/small.txt", connections: 1000, load: wrk},
		// One connection: a listing takes a slow server so long that more under way at the end would weigh.
		{name: "listing", about: "a directory of 10,000 names that does not change, one connection kept alive", path: "/names/", connections: 1, listing: true, load: wrk},
		{name: "listing-plain", about: "a directory of 10,000 names that does not change, `LISTING=plain`", path: "/names/", connections: 1, listing: true, plain: true, load: wrk},
		{name: "listing-many", about: "a directory of 100,000 names that does not change, one connection kept alive", path: "/many/", connections: 1, listing: true, load: wrk},
		{name: "listing-many-plain", about: "a directory of 100,000 names that does not change, `LISTING=plain`", path: "/many/", connections: 1, listing: true, plain: true, load: wrk},
		{name: "listing-rebuilt", about: "a directory of 10,000 names, one renamed before each request, one connection", path: "/changing/", connections: 1, listing: true, load: renamer},
		{name: "listing-rebuilt-plain", about: "a directory of 10,000 names, one renamed before each request, `LISTING=plain`", path: "/changing/", connections: 1, listing: true, plain: true, load: renamer},
		{name: "small-tls", about: "1 KiB over TLS 1.3, 32 connections kept alive", path: "/small.txt", connections: 32, tls: true, load: wrk},
		{name: "big-tls", about: "100 MiB over TLS 1.3, 4 connections kept alive", path: "/big.bin", connections: 4, tls: true, load: wrk},
		{name: "proxy", about: "1 KiB from another server (PROXY, proxy_pass), 32 connections kept alive", path: "/small.txt", connections: 32, proxied: true, load: wrk},
		{name: "small-h2", about: "1 KiB over HTTP/2, 32 connections of 10 streams", path: "/small.txt", connections: 32, tls: true, http2: true, load: h2load},
		{name: "mid-h2", about: "100 KiB over HTTP/2, 32 connections of 10 streams", path: "/mid.bin", connections: 32, tls: true, http2: true, load: h2load},
	}
}

// choose returns those of all that are named, in the order of all; everything if names is empty.
func choose[T any](what, names string, all []T, name func(T) string) ([]T, error) {
	if names == "" {
		return all, nil
	}
	var chosen []T
	wanted := strings.Split(names, ",")
	for _, one := range all {
		if i := slices.Index(wanted, name(one)); i >= 0 {
			chosen = append(chosen, one)
			wanted = slices.Delete(wanted, i, i+1)
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("there is no %s %q", what, wanted[0])
	}
	return chosen, nil
}
