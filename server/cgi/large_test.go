//go:build linux && !race

package cgi_test

const large = 256 << 20
