package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
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
		{name: "half a head", addr: s.plain, connections: 400, begin: saying("GET / HTTP/1.1\r\nHost: x\r\n")},
		{name: "half a head, TLS", addr: s.secure, connections: 100, begin: over("http/1.1", saying("GET / HTTP/1.1\r\nHost: x\r\n"))},
		{name: "nothing", addr: s.plain, connections: 100, begin: saying("")},
		{name: "idle", addr: s.plain, connections: 200, begin: saying("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "half a handshake", addr: s.secure, connections: 300, begin: saying("\x16\x03\x01\x02\x00\x01\x00")},
		{name: "content that does not come", addr: s.plain, connections: 100, begin: saying("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx")},
		{name: "script without content", addr: s.plain, connections: 10, begin: saying("POST /cgi-bin/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx")},
		{name: "a file that is not read", addr: s.plain, connections: 60, begin: saying("GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "the same, TLS", addr: s.secure, connections: 60, begin: over("http/1.1", saying("GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n"))},
		{name: "a listing that is not read", addr: s.plain, connections: 20, begin: saying("GET /many/ HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "a coding that is not read", addr: s.plain, connections: 20, begin: saying("GET /text.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\n\r\n")},
		{name: "HTTP/2 without windows", addr: s.secure, connections: 80, begin: over("h2", withoutWindows)},
		{name: "half a head, admin port", addr: s.admin, connections: 100, begin: saying("GET /metrics HTTP/1.1\r\nHost: x\r\n")},
	}
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
		method, path := "GET", []string{"/", "/large.bin", "/style-1.css", "/many/", "/text.txt"}[i%5]
		if i%7 == 0 {
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
