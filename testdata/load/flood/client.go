package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// The types and flags of frames (RFC 9113, section 6).
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway, frameWindowUpdate, frameContinuation = 0, 1, 3, 4, 6, 7, 8, 9

	endStream, endHeaders = 1, 4
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// client is a connection that says frames, well formed or not.
type client struct {
	conn  *tls.Conn
	block bytes.Buffer
	hpack *hpack.Encoder
	last  uint32 // the stream opened last
	over  atomic.Bool
	done  atomic.Int64 // streams that the server has ended
}

type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func dial(addr string, end time.Time, a attack) (*client, error) {
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return nil, err
	}
	// It would block for ever where the server does not read.
	_ = conn.SetWriteDeadline(end)
	c := &client{conn: conn}
	c.hpack = hpack.NewEncoder(&c.block)
	if _, err := io.WriteString(conn, preface); err != nil {
		return nil, err
	}
	if err := c.say(frame{kind: frameSettings, payload: a.settings}); err != nil {
		return nil, err
	}
	if !a.silent {
		go c.hear()
	}
	return c, nil
}

// hear reads what the server says until it says that it closes the connection, or does.
func (c *client) hear() {
	defer c.over.Store(true)
	for {
		var head [9]byte
		if _, err := io.ReadFull(c.conn, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c.conn, int64(binary.BigEndian.Uint32(head[:])>>8)); err != nil {
			return
		}
		switch kind, flags := head[3], head[4]; {
		case kind == frameGoAway:
			return
		case kind == frameReset, (kind == frameData || kind == frameHeaders) && flags&endStream != 0:
			c.done.Add(1)
		}
	}
}

// isOver says whether the server has closed the connection, or said that it will.
func (c *client) isOver() bool { return c.over.Load() }

// open is how many streams are open.
func (c *client) open() int { return int(c.last+1)/2 - int(c.done.Load()) }

// say writes frames, all at once. An error means that the server closes the connection.
func (c *client) say(frames ...frame) error {
	var b []byte
	for _, x := range frames {
		b = binary.BigEndian.AppendUint32(b, uint32(len(x.payload))<<8|uint32(x.kind))
		b = append(b, x.flags)
		b = binary.BigEndian.AppendUint32(b, x.stream)
		b = append(b, x.payload...)
	}
	_, err := c.conn.Write(b)
	if err == nil && c.isOver() {
		err = io.EOF
	}
	return err
}

// field adds a field to the block, which the server is not to put into its table where it is sensitive.
func (c *client) field(name, value string, sensitive bool) {
	_ = c.hpack.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: sensitive}) // a bytes.Buffer takes all
}

// begin begins the block of a request.
func (c *client) begin(method, path string) {
	c.block.Reset()
	c.field(":method", method, false)
	c.field(":scheme", "https", false)
	c.field(":authority", "localhost", false)
	c.field(":path", path, false)
}

// request opens a stream with the head of a GET, or of a POST whose content follows, with a cookie of so many bytes.
func (c *client) request(method, path string, cookie int) frame {
	c.begin(method, path)
	if cookie > 0 {
		c.field("cookie", strings.Repeat("x", cookie), true)
	}
	return c.headers(method == "GET")
}

// headers opens a stream with the block.
func (c *client) headers(ends bool) frame {
	c.last += 2
	if c.last == 2 {
		c.last = 1
	}
	x := frame{frameHeaders, endHeaders, c.last, bytes.Clone(c.block.Bytes())}
	if ends {
		x.flags |= endStream
	}
	return x
}
