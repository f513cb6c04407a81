package http2

import (
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

const initialWindowSize = 4 // of the settings (RFC 9113, section 6.5.2)

// heap is how many bytes are in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools hold outlives one
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// large are fields of n bytes in all.
func large(n int) (fields [][2]string) {
	const each = 60_000
	for ; n > 0; n -= each {
		fields = append(fields, [2]string{"x", strings.Repeat("x", min(n, each))})
	}
	return fields
}

// A head is not held until the client makes room for the end of the answer.
func TestTheHeadOfARequestThatIsAnsweredTakesNoMemory(t *testing.T) {
	const streams = 60
	for status, size := range map[int]int{200: maxHead - 100_000, 431: readHead - 100_000} {
		answered := make(chan int, streams)
		e := &Engine{Handler: answering(message.Response{Status: 200, Body: message.Bytes("hello")}),
			Observe: func(x *message.Exchange) { answered <- x.Status }}
		if status == 431 {
			e.Bounds = func(*message.Request) *message.Failure { return &message.Failure{Status: status} }
		}
		f, _ := dialFrames(t, e, initialWindowSize, 0)
		before := heap()
		for i := range uint32(streams) {
			f.say(request(2*i+1, "/", large(size)...)...)
			if got := <-answered; got != status {
				t.Fatalf("stream %d: %d", i, got)
			}
		}
		if grown := heap() - before; grown > 20<<20 {
			t.Errorf("%d: the heads of %d requests take %d MiB", status, streams, grown>>20)
		}
	}
}

// Heads of requests that are being answered share a budget beyond what each may have.
func TestHeadsOfRequestsUnderWayShareABudget(t *testing.T) {
	answered := make(chan int, 100)
	release := make(chan struct{})
	e := &Engine{
		Handler: func(context.Context, *message.Request) message.Response {
			answered <- 0
			<-release
			return message.Response{Status: 200}
		},
		Observe: func(x *message.Exchange) { answered <- x.Status },
	}
	f, _ := dialFrames(t, e)
	began := 0
	for i := range uint32(20) {
		f.say(request(2*i+1, "/", large(1_000_000)...)...)
		switch status := <-answered; status {
		case 0:
			began++
		case 503:
		default:
			t.Fatalf("stream %d: %d", i, status)
		}
	}
	if began != headBudget/1_000_000 {
		t.Errorf("%d heads of 1 MB were admitted at once, want %d", began, headBudget/1_000_000)
	}
	for i := range uint32(5) { // whatever others take, and while a larger one is refused
		f.say(append(request(101+4*i, "/", large(1_000_000)...), request(103+4*i, "/small")...)...)
		if one, other := <-answered, <-answered; one+other != 503 {
			t.Fatalf("a large head and a small one: %d and %d, want 503 and 0 in any order", one, other)
		}
	}
	close(release)
	for range began + 5 {
		if status := <-answered; status != 200 {
			t.Errorf("a request that was admitted: %d", status)
		}
	}
	f.say(request(201, "/", large(1_000_000)...)...)
	if status := <-answered; status != 0 {
		t.Errorf("afterwards: %d, the budget is not given back", status)
	}
}

// Beyond what net/http reads the connection ends, and that is heard.
func TestAHeadBeyondAllBoundsIsAComplaint(t *testing.T) {
	heard := make(chan string, 10)
	e := &Engine{Handler: answering(message.Response{Status: 200}), Complaint: func(_ netip.AddrPort, text string) { heard <- text }}
	f, _ := dialFrames(t, e)
	f.say(request(1, "/", large(5<<20)...)...)
	select {
	case text := <-heard:
		if !strings.Contains(text, "connection error") {
			t.Errorf("heard %q", text)
		}
	case <-time.After(time.Minute):
		t.Error("nothing was heard")
	}
}

// A client that is still sending gets the whole answer before anything else, and no reset as long as what it sends
// is within bounds.
func TestContentThatNobodyReadsIsReadAway(t *testing.T) {
	const piece = 16 << 10
	for _, c := range []struct {
		name    string
		length  int
		sent    int
		ends    bool // by the client, whose content is complete then
		resets  bool // by the server, when it has had enough
		content string
	}{
		{"content that came with the head", 10, 10, true, false, "nobody reads"},
		{"content that comes after the answer", 4 * piece, 4 * piece, true, false, "nobody reads"},
		{"more of it than is read away", 100 * piece, 18 * piece, false, true, "nobody reads"},
		{"content that does not come", 10, 0, false, true, "nobody reads"},
		{"an answer without content", 4 * piece, 4 * piece, true, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, _ := dialFrames(t, &Engine{Handler: answering(message.Response{Status: 501, Body: message.Bytes(c.content)})})
			f.say(upload(1, c.length))
			if c.content != "" {
				if x, _ := f.await(frameData); x.payload != c.content || x.flags != 0 {
					t.Errorf("the answer's content: %q with flags %d", x.payload, x.flags)
				}
			} else if x, _ := f.await(frameHeaders); x.flags != flagEndHeaders {
				t.Errorf("the answer's head has flags %d", x.flags)
			}
			window := streamWindow
			for n := 0; n < c.sent; n += piece {
				for window < piece {
					if x, more := f.await(frameWindowUpdate); !more {
						t.Fatal("the connection ended before the content was sent")
					} else if x.stream == 1 {
						window += int(binary.BigEndian.Uint32([]byte(x.payload)))
					}
				}
				window -= piece
				f.say(frame{frameData, 0, 1, strings.Repeat("x", min(piece, c.sent-n))})
			}
			if c.ends {
				f.say(frame{frameData, flagEndStream, 1, ""})
			}
			if x, _ := f.await(frameData); x.payload != "" || x.flags != flagEndStream {
				t.Errorf("the end of the answer: %q with flags %d", x.payload, x.flags)
			}
			f.say(request(3, "/")...)
			reset := false
			for x := range f.got {
				reset = reset || x.kind == frameReset && x.stream == 1
				if x.kind == frameHeaders {
					break
				}
			}
			if reset != c.resets {
				t.Errorf("reset %v, want %v", reset, c.resets)
			}
		})
	}
}

// Requests whose content nobody reads yet, as many as may be under way, do not keep the content of another from
// coming.
func TestContentThatWaitsKeepsNobodyElses(t *testing.T) {
	const large = 300_000
	waiting, release := make(chan struct{}, maxStreams), make(chan struct{})
	p := connect(t, &Engine{Handler: func(_ context.Context, r *message.Request) message.Response {
		if r.Target == "/wait" {
			waiting <- struct{}{}
			<-release
		}
		n, err := io.Copy(io.Discard, r.Content)
		return message.Response{Status: 200, Body: message.Bytes(strconv.FormatInt(n, 10)), Err: err}
	}})
	post := func(target string) {
		resp, text, err := p.ask(t, "POST", target, strings.NewReader(strings.Repeat("x", large)))
		if resp.StatusCode != 200 || text != strconv.Itoa(large) || err != nil {
			t.Errorf("%s: %d %q, %v", target, resp.StatusCode, text, err)
		}
	}
	post("/read") // the client has its connection, and need not begin others
	var all sync.WaitGroup
	defer all.Wait()
	defer close(release)
	for range maxStreams - 1 {
		all.Go(func() { post("/wait") })
	}
	for range maxStreams - 1 {
		select {
		case <-waiting:
		case <-time.After(time.Minute):
			t.Fatal("not all requests have come")
		}
	}
	post("/read")
}

// A client that asks and takes back at once, again and again (CVE-2023-44487), gets no more handlers than it may
// have streams, and in the end no more of the connection.
func TestRapidResetIsBounded(t *testing.T) {
	var running, most, observed atomic.Int64
	release := make(chan struct{})
	heard := make(chan string, 10)
	e := &Engine{
		Handler: func(context.Context, *message.Request) message.Response {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-release // whether or not the client is still there
			running.Add(-1)
			return message.Response{Status: 200}
		},
		Observe:   func(*message.Exchange) { observed.Add(1) },
		Complaint: func(_ netip.AddrPort, text string) { heard <- text },
	}
	f, _ := dialFrames(t, e)
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range uint32(20_000) {
		f.say(append(request(2*i+1, "/"), frame{frameReset, 0, 2*i + 1, "\x00\x00\x00\x08"})...)
	}
	select {
	case text := <-heard:
		if !strings.Contains(text, "ENHANCE_YOUR_CALM") {
			t.Errorf("heard %q", text)
		}
	case <-time.After(time.Minute):
		t.Error("nothing was heard")
	}
	if n := runtime.NumGoroutine() - goroutines; most.Load() > maxStreams || n > maxStreams+20 {
		t.Errorf("%d handlers at once, %d goroutines more than before", most.Load(), n)
	}
	if grown := heap() - before; grown > 20<<20 {
		t.Errorf("%d MiB more than before", grown>>20)
	}
	close(release)
	for range 6000 {
		if running.Load() == 0 && observed.Load() == most.Load() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if observed.Load() != most.Load() {
		t.Errorf("%d handlers ran, %d exchanges were observed", most.Load(), observed.Load())
	}
}

// GOAWAY tells the client which of its requests are answered (RFC 9113, section 6.8).
func TestWakingSaysGoodbye(t *testing.T) {
	inside, release := make(chan struct{}, 1), make(chan struct{})
	e := &Engine{Handler: func(context.Context, *message.Request) message.Response {
		inside <- struct{}{}
		<-release
		return message.Response{Status: 200, Body: message.Bytes("hello")}
	}}
	for name, busy := range map[string]bool{"idle": false, "with a stream": true} {
		t.Run(name, func(t *testing.T) {
			release = make(chan struct{})
			f, conn := dialFrames(t, e)
			f.say(request(1, "/")...)
			<-inside
			if !busy {
				close(release)
				if _, open := f.await(frameData); !open {
					t.Fatal("no answer")
				}
			}
			conn.Wake()
			x, _ := f.await(frameGoAway)
			if len(x.payload) < 8 || x.payload[4:8] != "\x00\x00\x00\x00" {
				t.Errorf("GOAWAY with %q, want NO_ERROR", x.payload)
			}
			if busy {
				close(release)
				if x, _ := f.await(frameData); x.payload != "hello" {
					t.Errorf("the stream in flight got %q", x.payload)
				}
			}
			for range f.got { // to the end
			}
		})
	}
}
