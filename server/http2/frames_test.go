package http2

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"strconv"
	"testing"
	"time"
)

// The types and flags of frames (RFC 9113, section 6) that tests say and hear themselves: net/http's client
// refuses to say what a server would refuse.
const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway, frameWindowUpdate, frameContinuation = 0, 1, 3, 4, 7, 8, 9

	flagEndStream, flagEndHeaders = 1, 4

	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// frames is a client that says frames. What the server says is read and thrown away but for what got keeps.
type frames struct {
	conn *tls.Conn
	got  chan frame
}

type frame struct {
	kind, flags byte
	stream      uint32
	payload     string
}

// dialFrames starts a connection that an Engine serves, and says the preface with these settings.
func dialFrames(t *testing.T, e *Engine, settings ...uint32) (*frames, *Conn) {
	t.Helper()
	here, there := tlsPair(t)
	_ = there.SetDeadline(time.Now().Add(2 * time.Minute))
	return speak(t, e, here, there, settings...)
}

// speak is dialFrames on a connection whose handshake is over.
func speak(t *testing.T, e *Engine, here, there *tls.Conn, settings ...uint32) (*frames, *Conn) {
	t.Helper()
	conn := e.NewConn(here, unbounded)
	over := make(chan struct{})
	go func() {
		defer close(over)
		conn.Serve(t.Context())
	}()
	t.Cleanup(func() {
		_ = there.Close()
		<-over
	})
	f := &frames{there, make(chan frame, 10_000)}
	go f.hear()
	var values []byte
	for i := 0; i < len(settings); i += 2 {
		values = binary.BigEndian.AppendUint16(values, uint16(settings[i]))
		values = binary.BigEndian.AppendUint32(values, settings[i+1])
	}
	_, _ = io.WriteString(there, preface)
	f.say(frame{frameSettings, 0, 0, string(values)})
	return f, conn
}

// say writes frames, all at once. An error is seen by what does not come back.
func (f *frames) say(list ...frame) {
	var b []byte
	for _, x := range list {
		b = binary.BigEndian.AppendUint32(b, uint32(len(x.payload))<<8|uint32(x.kind))
		b = append(b, x.flags)
		b = binary.BigEndian.AppendUint32(b, x.stream)
		b = append(b, x.payload...)
	}
	_, _ = f.conn.Write(b)
}

// hear reads frames until the connection ends, which closes got.
func (f *frames) hear() {
	defer close(f.got)
	for {
		var head [9]byte
		if _, err := io.ReadFull(f.conn, head[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[:])>>8)
		if _, err := io.ReadFull(f.conn, payload); err != nil {
			return
		}
		select {
		case f.got <- frame{head[3], head[4], binary.BigEndian.Uint32(head[5:]), string(payload)}:
		default: // nobody listens
		}
	}
}

// await returns the next frame of a kind, and false if the connection ends before.
func (f *frames) await(kind byte) (frame, bool) {
	for x := range f.got {
		if x.kind == kind {
			return x, true
		}
	}
	return frame{}, false
}

// request is a header section in HEADERS and CONTINUATION, of GET on a path and further fields.
func request(stream uint32, path string, fields ...[2]string) []frame {
	block := "\x82\x87" + literal(":path", path) + literal(":authority", "localhost")
	for _, f := range fields {
		block += literal(f[0], f[1])
	}
	var list []frame
	kind, flags := byte(frameHeaders), byte(flagEndStream)
	for len(block) > 16384 {
		list = append(list, frame{kind, flags, stream, block[:16384]})
		block, kind, flags = block[16384:], frameContinuation, 0
	}
	return append(list, frame{kind, flags | flagEndHeaders, stream, block})
}

// upload is the head of a POST whose content follows.
func upload(stream uint32, length int) frame {
	block := "\x83\x87\x84" + literal(":authority", "localhost") + literal("content-length", strconv.Itoa(length))
	return frame{frameHeaders, flagEndHeaders, stream, block}
}

// literal is a field of HPACK that is not indexed and not compressed (RFC 7541, section 6.2.2).
func literal(name, value string) string {
	return "\x00" + hpackLength(name) + name + hpackLength(value) + value
}

// hpackLength is an integer with a prefix of 7 bits (RFC 7541, section 5.1).
func hpackLength(s string) string {
	n := len(s)
	if n < 127 {
		return string([]byte{byte(n)})
	}
	b := []byte{127}
	for n -= 127; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return string(append(b, byte(n)))
}
