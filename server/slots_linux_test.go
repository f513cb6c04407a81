package server

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// answered is a connection that has written its answer, and waits since then.
type answered struct {
	since     time.Time
	gave, cut bool
}

func (a *answered) Wake()                        {}
func (a *answered) GiveWay()                     { a.gave = true }
func (a *answered) Waiting() (time.Time, bool)   { return a.since, true }
func (a *answered) Still() (_ time.Time, _ bool) { return }
func (a *answered) Cut()                         { a.cut = true }

// TestWhoTakesTheRestOfAnAnswerDoesNotGiveWay: the server has written all of it, and the kernel has most.
func TestWhoTakesTheRestOfAnAnswerDoesNotGiveWay(t *testing.T) {
	socket, client := pair(t)
	if err := client.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	size := fill(t, socket)
	piece := left(t, socket) / 4
	if piece < 64<<10 {
		t.Fatalf("the kernel has %d bytes of what was written, too few for the client to take some in pieces", 4*piece)
	}
	start := time.Now()
	c := &answered{since: start.Add(-time.Hour)}
	var s slots
	var set connections
	s.join(&set)
	set.add(c, socket)
	look := func(after time.Duration, gave, cut bool) {
		t.Helper()
		s.makeRoom(start.Add(after))
		if c.gave != gave || c.cut != cut {
			t.Errorf("after %v it gave way %v, was cut %v; want %v, %v", after, c.gave, c.cut, gave, cut)
		}
	}
	look(0, false, false)
	look(deafTime/2, false, false)
	for after := time.Second; after <= 2*time.Second; after += time.Second {
		before := left(t, socket)
		if _, err := io.CopyN(io.Discard, client, int64(piece)); err != nil {
			t.Fatal(err)
		}
		awaitLeft(t, socket, before-piece*3/4)
		look(after, false, false)
	}
	// The kernel may still be busy with the last piece.
	after := 2 * time.Second
	for ; !c.cut && !c.gave; time.Sleep(time.Millisecond) {
		after += stillTime
		s.makeRoom(start.Add(after))
	}
	look(after, false, true)
	c.cut = false
	look(after+stillTime, false, false) // once

	set.set[c].cut = false
	if _, err := io.CopyN(io.Discard, client, int64(size-2*piece)); err != nil {
		t.Fatal(err)
	}
	awaitLeft(t, socket, 0)
	look(after+2*stillTime, true, false)
}

// pair returns both ends of a connection.
func pair(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialled.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close() })
	return accepted.(*net.TCPConn), dialled.(*net.TCPConn)
}

// fill writes as much as the kernel takes.
func fill(t *testing.T, socket *net.TCPConn) (size int) {
	t.Helper()
	if err := socket.SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	failed := raw.Write(func(fd uintptr) bool {
		for {
			n, full := unix.Write(int(fd), buf)
			if full != nil {
				err = full
				return true
			}
			size += n
		}
	})
	if failed != nil || err != unix.EAGAIN {
		t.Fatal(failed, err)
	}
	return size
}

// awaitLeft waits until the kernel has no more than so many bytes that the peer has not taken.
func awaitLeft(t *testing.T, socket *net.TCPConn, most int) {
	t.Helper()
	for left(t, socket) > most {
		time.Sleep(time.Millisecond)
	}
}

func left(t *testing.T, socket *net.TCPConn) (n int) {
	t.Helper()
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	failed := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	if failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	return n
}
