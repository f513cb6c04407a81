// Reverseproxy passes requests on with net/http alone: its server, httputil.ReverseProxy, and the same client that previewd
// uses. It logs nothing and counts nothing. The difference to it is what the rest of previewd costs or saves.
//
//	reverseproxy ADDRESS URL
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

// connections are kept to the other server: as many as previewd keeps.
const connections = 64

func main() {
	to, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(os.Args[1], &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
		},
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: connections},
	}))
}
