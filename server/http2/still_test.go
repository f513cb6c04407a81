package http2

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
)

// inBubble is dialFrames over a pipe, for tests in which time is made.
func inBubble(t *testing.T, e *Engine, settings ...uint32) (*frames, *Conn) {
	t.Helper()
	here, there := net.Pipe()
	client := tls.Client(there, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	server := tls.Server(here, &tls.Config{GetCertificate: authority().Certificate, NextProtos: []string{"h2"}})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return speak(t, e, server, client, settings...)
}

// A connection whose streams all stand still is closed when writeTimeout is over, whatever they wait with.
func TestAConnectionThatStandsStillIsClosed(t *testing.T) {
	_ = authority() // made in real time
	for name, size := range map[string]int{"a little content": 100, "more than net/http has in a buffer": 100_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// net/http may be the first to reset the streams at that moment: then the connection is idle.
				e := &Engine{Handler: answering(message.Response{Status: 200, Body: message.Bytes(strings.Repeat("x", size))}), IdleTimeout: lookTime}
				f, _ := inBubble(t, e, initialWindowSize, 0)
				start := time.Now()
				f.say(append(request(1, "/"), request(3, "/")...)...)
				for range f.got { // to the end
				}
				if took := time.Since(start); took < writeTimeout || took > writeTimeout+2*lookTime {
					t.Errorf("it was closed after %v, want %v", took, writeTimeout)
				}
			})
		})
	}
}

// A stream that stands still is reset, and the others of its connection go on.
func TestAStreamThatStandsStillIsReset(t *testing.T) {
	_ = authority()
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{Handler: func(ctx context.Context, r *message.Request) message.Response {
			if r.Target == "/slow" {
				select {
				case <-time.After(5 * writeTimeout):
				case <-ctx.Done():
				}
				return message.Response{Status: 200}
			}
			return message.Response{Status: 200, Body: message.Bytes(strings.Repeat("x", len(r.Target)*50_000))}
		}}
		f, _ := inBubble(t, e, initialWindowSize, 0)
		start := time.Now()
		f.say(append(request(1, "/slow"), request(3, "/")...)...)
		x, _ := f.await(frameReset)
		if took := time.Since(start); x.stream != 3 || took < writeTimeout || took > writeTimeout+2*lookTime {
			t.Errorf("stream %d was reset after %v, want 3 after %v", x.stream, took, writeTimeout)
		}
		if x, open := f.await(frameHeaders); !open || x.stream != 1 || time.Since(start) < 5*writeTimeout {
			t.Errorf("the slow handler's answer: stream %d, open %v, after %v", x.stream, open, time.Since(start))
		}
	})
}

// A stream whose client makes no room holds smallPiece of a file, not more.
func TestAStreamThatDoesNotReadHoldsLittleOfAFile(t *testing.T) {
	const size = 1 << 20
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	handling := make(chan struct{}, maxStreams)
	e := &Engine{Handler: func(context.Context, *message.Request) message.Response {
		f, err := os.Open(name)
		handling <- struct{}{}
		return message.Response{Status: 200, Body: &message.FileSection{File: f, Length: size}, Err: err}
	}}
	f, _ := dialFrames(t, e, initialWindowSize, 0)
	before := heap()
	for i := range uint32(maxStreams) {
		f.say(request(2*i+1, "/")...)
		<-handling
	}
	for range maxStreams { // the heads have left, and content waits
		if _, open := f.await(frameHeaders); !open {
			t.Fatal("the connection ended")
		}
	}
	if n, _ := e.pieces.Use(); n != 0 {
		t.Errorf("%d bytes of large pieces are held", n)
	}
	if grown := heap() - before; grown > maxStreams*5*smallPiece {
		t.Errorf("%d streams hold %d bytes each", maxStreams, grown/maxStreams)
	}
}

// Streams that stop to read share a bounded number of large pieces.
func TestLargePiecesAreBounded(t *testing.T) {
	e := &Engine{}
	e.prepare()
	c := &Conn{engine: e}
	for i := range largePieces + 5 {
		a := &answer{conn: c, sent: 1 << 20}
		want := pieceSize
		if i >= largePieces {
			want = smallPiece
		}
		if got, err := a.NextPiece(); got != want || err != nil {
			t.Errorf("stream %d may have %d, %v, want %d", i, got, err, want)
		}
	}
}

// Where memory is short, requests are refused without content, which leaves whatever room the client makes.
func TestRequestsAreRefusedWhereMemoryIsShort(t *testing.T) {
	e := &Engine{Handler: answering(message.Response{Status: 200, Body: message.Bytes("hello")})}
	e.Budget = budget.New(10*streamCost - 1)
	p := connect(t, e)
	resp, text, err := p.ask(t, "GET", "/", nil)
	if err != nil || resp.StatusCode != 503 || text != "" {
		t.Errorf("got %d %q, %v, want 503 without content", resp.StatusCode, text, err)
	}
	if x := <-p.observed; x.status != 503 || !x.refused {
		t.Errorf("observed %+v", x)
	}
}

// A connection is given much while there is memory, then little, and then none unless another ends.
func TestConnectionsTakeTheirRoomFromTheBudget(t *testing.T) {
	e := &Engine{Budget: budget.New(10 * (4*much.cost() + 2*little.cost()) / 3)}
	var rooms []Room
	for {
		r, ok := e.TakeRoom(t.Context(), false)
		if !ok {
			break
		}
		rooms = append(rooms, r)
	}
	var many, few int
	for _, r := range rooms {
		switch r.streams {
		case much.streams:
			many++
		case little.streams:
			few++
		}
	}
	if used, limit := e.rooms.Use(); many != 2 || few < 2 || limit-used >= little.cost() {
		t.Errorf("%d connections have many streams and %d few; %d of %d bytes are taken", many, few, used, limit)
	}
	synctest.Test(t, func(t *testing.T) { // one that ends makes room for who waits
		e := &Engine{Budget: budget.New(10 * (little.cost() + 1) / 3)}
		first, _ := e.TakeRoom(t.Context(), false)
		go func() {
			time.Sleep(budget.Patience / 2)
			first.Release()
		}()
		if _, ok := e.TakeRoom(t.Context(), true); !ok {
			t.Error("there is no room when another has ended")
		}
		if _, ok := e.TakeRoom(t.Context(), true); ok {
			t.Error("there is room beyond the budget")
		}
	})
}

// A connection that ends amid a request is not kept in memory by a timer.
func TestTimersEndWithTheConnection(t *testing.T) {
	f, conn := dialFrames(t, &Engine{Handler: answering(message.Response{Status: 200, Body: message.Bytes("x")}), IdleTimeout: time.Hour}, initialWindowSize, 0)
	f.say(request(1, "/")...)
	if _, open := f.await(frameHeaders); !open {
		t.Fatal("no answer")
	}
	_ = f.conn.Close()
	<-conn.ended
	if conn.looker == nil || conn.looker.Stop() || conn.rester == nil || conn.rester.Stop() {
		t.Error("a timer is still to come")
	}
}

// A connection without a request gets a goodbye when IdleTimeout is over, also behind a request.
func TestAGoodbyeComesWhenAConnectionWasIdle(t *testing.T) {
	_ = authority()
	synctest.Test(t, func(t *testing.T) {
		const limit = 20 * time.Second
		f, _ := inBubble(t, &Engine{Handler: answering(message.Response{Status: 200}), IdleTimeout: limit})
		time.Sleep(limit / 2)
		f.say(request(1, "/")...)
		start := time.Now()
		if _, open := f.await(frameGoAway); !open || time.Since(start) != limit {
			t.Errorf("goodbye %v, after %v, want %v", open, time.Since(start), limit)
		}
	})
}
