package server

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/previewd/previewd/server/tcp/tcptest"
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
	socket, client := tcptest.Pair(t)
	if err := client.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	size := tcptest.Fill(t, socket)
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
