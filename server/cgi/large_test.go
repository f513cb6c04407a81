//go:build linux && !race

package cgi_test

const large = 1 << 30
