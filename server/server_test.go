package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

// serving is a server under test.
type serving struct {
	*Server
	address string
	stop    context.CancelFunc
	ended   chan error
}

// serve starts s on a loopback port; the test must stop it.
func serve(t *testing.T, s *Server) *serving {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	running := &serving{s, l.Addr().String(), stop, make(chan error, 1)}
	go func() { running.ended <- s.Serve(ctx, l) }()
	return running
}

func (s *serving) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a GET on a connection and returns the answer's status and whether it announces a close.
func ask(t *testing.T, conn net.Conn) (content string, closing bool) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return answer(t, conn)
}

func answer(t *testing.T, conn net.Conn) (content string, closing bool) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), resp.Close
}

func hello(context.Context, *message.Request) message.Response {
	return message.Response{Status: 200, Body: message.Bytes("hello")}
}

func TestDrainAnswersWhatHasBegun(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	s := serve(t, &Server{Handler: func(ctx context.Context, r *message.Request) message.Response {
		if r.Target == "/slow" {
			close(inside)
			<-release
		}
		return hello(ctx, r)
	}})
	idle, slow, half := s.dial(t), s.dial(t), s.dial(t)
	if _, closing := ask(t, idle); closing {
		t.Error("an answer before the drain announces a close")
	}
	fmt.Fprint(slow, "GET /slow HTTP/1.1\r\n\r\n")
	fmt.Fprint(half, "GET / HTT")
	<-inside
	time.Sleep(50 * time.Millisecond) // half's bytes are on their way; nothing tells when they were read
	s.stop()
	if rest, err := io.ReadAll(idle); err != nil || len(rest) > 0 {
		t.Errorf("the idle connection ended with %q, %v; want a silent close", rest, err)
	}
	close(release)
	if text, closing := answer(t, slow); text != "hello" || !closing {
		t.Errorf("slow: %q, close %v", text, closing)
	}
	fmt.Fprint(half, "P/1.1\r\n\r\n")
	if text, closing := answer(t, half); text != "hello" || !closing {
		t.Errorf("half: %q, close %v", text, closing)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, err := net.Dial("tcp", s.address); err == nil {
		t.Error("the listener is still open")
	}
}

// delay is a ShutdownDelay in which some requests are answered on any machine.
const delay = 5 * time.Second

func TestDrainGoesOnServingForTheDelay(t *testing.T) {
	t.Parallel()
	s := serve(t, &Server{Handler: hello, ShutdownDelay: delay})
	s.stop()
	// The drain has begun when an answer says so.
	for closing := false; !closing; {
		_, closing = ask(t, s.dial(t))
	}
	if text, closing := ask(t, s.dial(t)); text != "hello" || !closing {
		t.Errorf("during the delay: %q, close %v", text, closing)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestDrainCutsAtItsTimeout(t *testing.T) {
	inside := make(chan struct{})
	var gone atomic.Bool
	s := serve(t, &Server{ShutdownTimeout: 100 * time.Millisecond, Handler: func(ctx context.Context, _ *message.Request) message.Response {
		close(inside)
		<-ctx.Done()
		gone.Store(errors.Is(context.Cause(ctx), message.ErrStopping))
		return message.Fail(503, "")
	}})
	conn := s.dial(t)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\n\r\n")
	<-inside
	s.stop()
	var cut *CutError
	if err := <-s.ended; !errors.As(err, &cut) || cut.Connections != 1 {
		t.Errorf("Serve = %v, want 1 connection cut", err)
	}
	// A handler that heeds its context has the last word.
	if text, _ := io.ReadAll(conn); !strings.HasPrefix(string(text), "HTTP/1.1 503 ") || !gone.Load() {
		t.Errorf("got %q, the context said why: %v", text, gone.Load())
	}
}

func TestNoConnectionIsResetWhileTheListenerCloses(t *testing.T) {
	for range 2 {
		s := serve(t, &Server{Handler: hello})
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for {
					conn, err := net.Dial("tcp", s.address)
					if err != nil {
						if !errors.Is(err, syscall.ECONNREFUSED) {
							t.Errorf("dialling: %v", err)
						}
						return
					}
					_, err = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
					var text []byte
					if err == nil {
						text, err = io.ReadAll(conn)
					}
					if err != nil || !strings.HasSuffix(string(text), "hello") {
						t.Errorf("got %q, %v", text, err)
						return
					}
					_ = conn.Close()
				}
			})
		}
		time.Sleep(30 * time.Millisecond)
		s.stop()
		if err := <-s.ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
		clients.Wait()
	}
}

// A connection of which no byte has come is kept out by the kernel. A drain does not reset it: it answers what comes
// before the listener closes, and closes one that stays silent in order.
func TestDrainLetsSilentConnectionsIn(t *testing.T) {
	s := serve(t, &Server{Handler: hello})
	idle, late, silent := s.dial(t), s.dial(t), s.dial(t)
	if text, _ := ask(t, idle); text != "hello" {
		t.Errorf("got %q", text)
	}
	s.stop()
	// It does not wait for the others to be let in.
	if text, err := io.ReadAll(idle); len(text) > 0 || err != nil {
		t.Errorf("idle: read %q, %v", text, err)
	}
	fmt.Fprint(late, "GET / HTTP/1.1\r\n\r\n")
	if text, closing := answer(t, late); text != "hello" || !closing {
		t.Errorf("late: got %q, close %v", text, closing)
	}
	if text, err := io.ReadAll(silent); len(text) > 0 || err != nil {
		t.Errorf("silent: read %q, %v", text, err)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// TestAtTheLimitTheOneThatWaitedLongestGivesWay: what waits is a connection without a request, with the beginning of one,
// or of which content is still to come that nobody wants.
func TestAtTheLimitTheOneThatWaitedLongestGivesWay(t *testing.T) {
	for name, said := range map[string]string{
		"idle":                      "GET / HTTP/1.1\r\n\r\n",
		"half a head":               "GET / HTTP/1.1\r\n",
		"half a pipelined":          "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n",
		"content that nobody wants": "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n",
		"closing":                   "GET / HTTP/1.0\r\n\r\nPOST",
	} {
		for _, most := range []int{1, 2} {
			t.Run(fmt.Sprint(name, " of ", most), func(t *testing.T) { givesWay(t, most, said) })
		}
	}
}

func givesWay(t *testing.T, most int, said string) {
	s := serve(t, &Server{Handler: hello, MaxConnections: most, HeaderTimeout: time.Hour, IdleTimeout: time.Hour})
	first := s.dial(t)
	fmt.Fprint(first, said)
	if strings.Contains(said, "\r\n\r\n") {
		_, _ = answer(t, first)
	}
	for range 5 { // each makes room for the next
		next := s.dial(t)
		if text, _ := ask(t, next); text != "hello" {
			t.Fatalf("a further connection got %q", text)
		}
	}
	if _, err := io.ReadAll(first); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the oldest is not closed: %v", err)
	}
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// TestWhatIsBeingAnsweredDoesNotGiveWay: further connections wait until its answer is sent, and then come one after the
// other, each with its request answered.
func TestWhatIsBeingAnsweredDoesNotGiveWay(t *testing.T) {
	began, release := make(chan bool), make(chan bool)
	s := serve(t, &Server{MaxConnections: 1, Handler: func(ctx context.Context, r *message.Request) message.Response {
		if r.Target == "/slow" {
			began <- true
			<-release
		}
		return hello(ctx, r)
	}})
	first, second := s.dial(t), s.dial(t)
	fmt.Fprint(first, "GET /slow HTTP/1.1\r\n\r\n")
	<-began
	fmt.Fprint(second, "GET / HTTP/1.1\r\n\r\n")
	_ = second.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := second.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Fatal("the second connection was served beside the first")
	}
	_ = second.SetReadDeadline(time.Now().Add(time.Minute))
	close(release)
	if text, _ := answer(t, first); text != "hello" {
		t.Errorf("first: got %q", text)
	}
	if text, _ := answer(t, second); text != "hello" {
		t.Errorf("second: got %q", text)
	}
	// So too while the server drains.
	third := s.dial(t)
	fmt.Fprint(third, "GET / HTTP/1.1\r\n\r\n")
	s.stop()
	if text, _ := answer(t, third); text != "hello" {
		t.Errorf("from the backlog: got %q", text)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// TestAnAnswerThatStandsStillGivesWay where there is nothing else to make room.
func TestAnAnswerThatStandsStillGivesWay(t *testing.T) {
	s := serve(t, &Server{MaxConnections: 1, Handler: func(ctx context.Context, r *message.Request) message.Response {
		if r.Target == "/large" {
			return message.Response{Status: 200, Body: make(message.Bytes, 64<<20)}
		}
		return hello(ctx, r)
	}})
	first := s.dial(t)
	fmt.Fprint(first, "GET /large HTTP/1.1\r\n\r\n")
	if text, _ := ask(t, s.dial(t)); text != "hello" {
		t.Errorf("got %q", text)
	}
	if _, err := io.Copy(io.Discard, first); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the answer that stood still ends with %v, want a reset", err)
	}
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// scarce is a listener that fails for some calls.
type scarce struct {
	net.Listener
	failures atomic.Int32
	reason   error
}

func (l *scarce) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: l.reason}
	}
	return l.Listener.Accept()
}

func (l *scarce) SetDeadline(t time.Time) error { return l.Listener.(deadliner).SetDeadline(t) }

// The process has none left (EMFILE), or the machine (ENFILE).
func TestOutOfDescriptorsClosesTheOldestIdleConnection(t *testing.T) {
	for _, reason := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		t.Run(reason.Error(), func(t *testing.T) { outOfDescriptors(t, reason) })
	}
}

func outOfDescriptors(t *testing.T, reason error) {
	inner, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &scarce{Listener: inner, reason: reason}
	var reports atomic.Int32
	answered := make(chan struct{}, 3)
	s := &Server{Handler: hello, Report: func(error) { reports.Add(1) },
		Observe: func(*message.Exchange) { answered <- struct{}{} }}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	running := &serving{s, inner.Addr().String(), stop, ended}
	oldest := running.dial(t)
	_, _ = ask(t, oldest)
	<-answered
	for givesWay := false; !givesWay; time.Sleep(time.Millisecond) {
		s.slots.mu.Lock()
		waiting, _ := s.slots.sets[0].oldest(time.Now())
		s.slots.mu.Unlock()
		givesWay = waiting.lasts(time.Now(), waitTime)
	}
	l.failures.Store(2)
	_, _ = ask(t, running.dial(t)) // Accept is under way: this one still gets through
	if text, _ := ask(t, running.dial(t)); text != "hello" {
		t.Errorf("got %q", text)
	}
	if rest, err := io.ReadAll(oldest); err != nil || len(rest) > 0 {
		t.Errorf("the oldest connection: %q, %v; want a silent close", rest, err)
	}
	if n := reports.Load(); n != 1 {
		t.Errorf("%d reports, want 1", n)
	}
	stop()
	<-ended
}

func TestAcceptGoesOnAfterErrorsThatPass(t *testing.T) {
	inner, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &scarce{Listener: inner, reason: syscall.EPROTO}
	l.failures.Store(3)
	var reports atomic.Int32
	s := &Server{Handler: hello, Report: func(error) { reports.Add(1) }}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	running := &serving{s, inner.Addr().String(), stop, ended}
	if text, _ := ask(t, running.dial(t)); text != "hello" {
		t.Errorf("got %q", text)
	}
	stop()
	if err := <-ended; err != nil || reports.Load() != 1 {
		t.Errorf("Serve = %v after %d reports, want 1", err, reports.Load())
	}
}

func TestCutAnswersAreObserved(t *testing.T) {
	const clients = 20
	var inside, observed atomic.Int32
	s := serve(t, &Server{ShutdownTimeout: 100 * time.Millisecond,
		Observe: func(*message.Exchange) { observed.Add(1) },
		Handler: func(ctx context.Context, _ *message.Request) message.Response {
			inside.Add(1)
			<-ctx.Done()
			return message.Fail(503, "")
		}})
	for range clients {
		fmt.Fprint(s.dial(t), "GET / HTTP/1.1\r\n\r\n")
	}
	for inside.Load() < clients {
		time.Sleep(time.Millisecond)
	}
	s.stop()
	var cut *CutError
	if err := <-s.ended; !errors.As(err, &cut) || observed.Load() != clients {
		t.Errorf("Serve = %v with %d exchanges observed, want %d", err, observed.Load(), clients)
	}
}
