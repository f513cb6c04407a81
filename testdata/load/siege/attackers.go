package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// attacker keeps some connections open, each of which begins something and does not go on.
type attacker struct {
	name, addr  string
	connections int
	begin       func(net.Conn) error
	opened      atomic.Int64
}

// respite is how long a connection that was closed stays away.
const respite = time.Second

func (s *site) attackers() []*attacker {
	return []*attacker{
		{name: "half a head", addr: s.plain, connections: 300, begin: saying("GET / HTTP/1.1\r\nHost: x\r\n")},
		{name: "half a head, TLS", addr: s.secure, connections: 100, begin: over("http/1.1", saying("GET / HTTP/1.1\r\nHost: x\r\n"))},
		{name: "nothing", addr: s.plain, connections: 100, begin: saying("")},
		{name: "idle", addr: s.plain, connections: 200, begin: saying("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "half a handshake", addr: s.secure, connections: 200, begin: saying("\x16\x03\x01\x02\x00\x01\x00")},
		{name: "content that does not come", addr: s.plain, connections: 100, begin: saying("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx")},
		{name: "script without content", addr: s.plain, connections: 5, begin: saying("POST /cgi-bin/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx")},
		{name: "a file that is not read", addr: s.plain, connections: 60, begin: saying("GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "the same, TLS", addr: s.secure, connections: 60, begin: over("http/1.1", saying("GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n"))},
		{name: "a kept file, TLS", addr: s.secure, connections: 40, begin: over("http/1.1", saying("GET /kept.bin HTTP/1.1\r\nHost: x\r\n\r\n"))},
		{name: "a listing that is not read", addr: s.plain, connections: 20, begin: saying("GET /many/ HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "a coding that is not read", addr: s.plain, connections: 20, begin: saying("GET /text.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\n\r\n")},
		{name: "a long head, file not read", addr: s.plain, connections: 40, begin: saying(longHead)},
		{name: "half a long handshake", addr: s.secure, connections: 40, begin: saying(longHello)},
		{name: "a page not read", addr: s.plain, connections: 60, begin: saying("GET /large.html HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n")},
		{name: "a script's answer not read", addr: s.plain, connections: 20, begin: saying("GET /cgi-bin/large HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "an archive not read", addr: s.plain, connections: 2, begin: saying("GET /docs/?archive=zip HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "reload stream not read", addr: s.plain, connections: 40, begin: saying("GET /__previewd/events HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "shown files that do not come", addr: s.plain, connections: 30, begin: saying("POST /__previewd/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")},
		{name: "many shown files", addr: s.plain, connections: 20, begin: saying(manyShown)},
		{name: "another server's silence", addr: s.plain, connections: 20, begin: saying("GET /api/silence HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "its answer not read", addr: s.plain, connections: 40, begin: saying("GET /api/large HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "HTTP/2 without windows", addr: s.secure, connections: 80, begin: over("h2", withoutWindows)},
		{name: "half a head, admin port", addr: s.admin, connections: 100, begin: saying("GET /metrics HTTP/1.1\r\nHost: x\r\n")},
	}
}

var (
	longHead = "GET /large.bin HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("Cookie: "+strings.Repeat("x", 60_000)+"\r\n", 15) + "\r\n"
	// longHello is three records of a ClientHello that has 65,535 bytes.
	longHello = "\x16\x03\x01\x40\x00\x01\x00\xff\xff" + strings.Repeat("x", 16<<10-4) + strings.Repeat("\x16\x03\x01\x40\x00"+strings.Repeat("x", 16<<10), 2)
	// manyShown are as many small texts as fit into what a page may send.
	manyShown = post(`{"id":"x","page":"/","shows":{` + strings.TrimSuffix(shown(90_000), ",") + `}}`)
)

func post(content string) string {
	return fmt.Sprintf("POST /__previewd/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(content), content)
}

func shown(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%x":{},`, i)
	}
	return b.String()
}

// keepAttacking keeps one connection open until ctx ends.
func (a *attacker) keepAttacking(ctx context.Context) {
	for ctx.Err() == nil {
		a.attack(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(respite):
		}
	}
}

// attack opens a connection, begins what it begins, and waits until the server closes it.
func (a *attacker) attack(ctx context.Context) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", a.addr)
	if err != nil {
		return // the server need not have room
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	a.opened.Add(1)
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	if a.begin(conn) != nil {
		return
	}
	// What is read of an answer is little, and finds out whether the server has closed the connection.
	for buf := make([]byte, 4<<10); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-time.After(respite):
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := conn.Read(buf); err != nil && !isTimeout(err) {
			return
		}
	}
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}

func saying(text string) func(net.Conn) error {
	return func(conn net.Conn) error {
		_, err := io.WriteString(conn, text)
		return err
	}
}

// over begins something over TLS, with a protocol of ALPN.
func over(protocol string, begin func(net.Conn) error) func(net.Conn) error {
	return func(conn net.Conn) error {
		_ = conn.SetDeadline(time.Now().Add(patience))
		secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
		if err := secured.Handshake(); err != nil {
			return err
		}
		return begin(secured)
	}
}

// withoutWindows asks for what is kept and what is not, 60 times, with content and large heads too, and leaves no room for
// an answer.
func withoutWindows(conn net.Conn) error {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	// SETTINGS_INITIAL_WINDOW_SIZE is 0.
	all := appendFrame([]byte(preface), frameSettings, 0, 0, []byte{0, 4, 0, 0, 0, 0})
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := range uint32(60) {
		block.Reset()
		method, path := "GET", []string{"/", "/large.bin", "/style-1.css", "/many/", "/text.txt", "/cgi-bin/large", "/api/large"}[i%7]
		if i%8 == 0 {
			method = "POST"
		}
		for _, field := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "localhost"}, {":path", path},
			{"accept-encoding", "gzip"}, {"cookie", string(bytes.Repeat([]byte("x"), int(i%3)*6000))}} {
			// A bytes.Buffer takes all.
			_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: field[0] == "cookie"})
		}
		if method == "GET" {
			all = appendFrame(all, frameHeaders, endHeaders|endStream, 2*i+1, block.Bytes())
		} else {
			all = appendFrame(all, frameHeaders, endHeaders, 2*i+1, block.Bytes())
			all = appendFrame(all, frameData, 0, 2*i+1, make([]byte, 4<<10))
		}
		if _, err := conn.Write(all); err != nil {
			return err
		}
		all = all[:0]
	}
	return nil
}

// The types and flags of frames (RFC 9113, section 6).
const (
	frameData, frameHeaders, frameSettings = 0, 1, 4

	endStream, endHeaders = 1, 4
)

func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload))<<8|uint32(kind))
	b = binary.BigEndian.AppendUint32(append(b, flags), stream)
	return append(b, payload...)
}
