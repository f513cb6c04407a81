package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// fileSizes are the files that clients ask for, in bytes.
var fileSizes = map[string]int{"small": 1024, "large": 16 << 20}

// client asks for one file again and again, each time with a query that is used once.
type client struct {
	number int
	addr   string
	from   *net.TCPAddr
	secure *tls.Config // nil without TLS
	file   string
	// pause is between two requests, slow between two pieces of 64 KiB that are read.
	pause, slow time.Duration

	// answers has the length of each whole answer by its query, last is when the last came.
	answers map[string]int
	last    time.Time
	// closedIdle counts connections found closed before a request was sent on them.
	closedIdle int
	// err is what must not happen, failed when it did.
	err    error
	failed time.Time

	tcp    *net.TCPConn
	conn   net.Conn // tcp, or TLS over it
	reader *bufio.Reader
	used   bool
}

// errClosed is a connection that ended in order while nothing was asked on it.
var errClosed = errors.New("closed while idle")

// keepAsking asks until the server refuses connections.
func (c *client) keepAsking(ctx context.Context) {
	c.answers = make(map[string]int)
	defer c.close()
	for n := 0; ; n++ {
		if err := c.open(ctx); err != nil {
			if !errors.Is(err, syscall.ECONNREFUSED) {
				c.fail(fmt.Errorf("connecting: %w", err))
			}
			return
		}
		id := fmt.Sprintf("c%d-n%d", c.number, n)
		switch err := c.ask(id); {
		case errors.Is(err, errClosed):
			c.closedIdle++
			c.close()
		case err != nil:
			c.fail(fmt.Errorf("request %d, connection %s: %w", n, map[bool]string{false: "new", true: "kept alive"}[c.used], err))
			return
		}
		time.Sleep(c.pause)
	}
}

func (c *client) fail(err error) { c.err, c.failed = err, time.Now() }

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *client) open(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	dialer := net.Dialer{LocalAddr: c.from, Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	c.tcp, c.conn, c.used = conn.(*net.TCPConn), conn, false
	if c.secure != nil {
		secure := tls.Client(conn, c.secure)
		if err := secure.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
		c.conn = secure
	}
	c.reader = bufio.NewReaderSize(c.conn, 64<<10)
	return nil
}

// ask has one whole answer, or an error that says what was wrong.
func (c *client) ask(id string) error {
	if c.used && c.ended() {
		return errClosed
	}
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.conn, "GET /%s?%s HTTP/1.1\r\nHost: %s\r\n\r\n", c.file, id, c.addr); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	size := 0
	for err == nil {
		var n int64
		n, err = io.CopyN(io.Discard, resp.Body, 64<<10)
		size += int(n)
		time.Sleep(c.slow)
	}
	if want := fileSizes[c.file]; err != io.EOF || size != want {
		return fmt.Errorf("%d of %d bytes: %w", size, want, err)
	}
	c.answers[id], c.last, c.used = size, time.Now(), true
	if resp.Close {
		c.close()
	}
	return nil
}

// ended says whether the server has closed the connection, without waiting.
func (c *client) ended() (ended bool) {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = n >= 0 && err == nil || err != syscall.EAGAIN
		return true
	})
	return ended || err != nil
}
