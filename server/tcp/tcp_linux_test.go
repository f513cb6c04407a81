package tcp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A connection of which a byte has come does not meet the poller until it has to wait.
func TestAnAnswerAtOnceNeedsNoPoller(t *testing.T) {
	server, client := pair(t, listen(t, "127.0.0.1:0"))
	defer client.Close()
	if _, err := client.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	c := server.(*Conn)
	awaitUnread(t, c)
	buf := make([]byte, 100)
	if n, err := c.Read(buf); string(buf[:n]) != "question" || err != nil {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if n, err := c.Write([]byte("answer")); n != 6 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if c.polled.Load() != nil {
		t.Error("it is polled")
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without a question: %v", err)
	}
	if c.polled.Load() == nil {
		t.Error("it has waited and is not polled")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if text, err := io.ReadAll(client); string(text) != "answer" || err != nil {
		t.Errorf("the client read %q, %v", text, err)
	}
}

// awaitUnread waits until bytes have come.
func awaitUnread(t *testing.T, c *Conn) {
	t.Helper()
	for n := 0; n == 0; time.Sleep(time.Millisecond) {
		var err error
		if n, err = Unread(c.fd); err != nil {
			t.Fatal(err)
		}
	}
}

// A silent connection is kept out, and let in without a byte once that was asked for.
func TestDeferral(t *testing.T) {
	l := listen(t, "127.0.0.1:0").(*Listener)
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	first, speaking := pair(t, l)
	defer first.Close()
	defer speaking.Close()
	if got, want := first.RemoteAddr().String(), speaking.LocalAddr().String(); got != want {
		t.Errorf("the silent one was accepted first: %s, want %s", got, want)
	}
	if !l.Deferring() {
		t.Error("no connection is kept out")
	}
	l.Undefer()
	second, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if got, want := second.RemoteAddr().String(), silent.LocalAddr().String(); got != want {
		t.Errorf("accepted %s, want %s", got, want)
	}
	if l.Deferring() {
		t.Error("a connection is still kept out")
	}
}

func TestHandshaking(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue\n"
	for _, c := range []struct {
		table string
		want  bool
	}{
		{"", false},
		{head, false},
		{head + "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n", false},                           // listens
		{head + "   1: 0100007F:1F90 0100007F:C350 03 00000000:00000000\n", true},                            // ours
		{head + "   1: 0100007F:1F91 0100007F:1F90 03 00000000:00000000\n", false},                           // another port
		{head + "   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:D 03\n", true}, // tcp6
		{head + "   1: 0100007F:1F90\n", false},
	} {
		if got := handshaking([]byte(c.table), 8080); got != c.want {
			t.Errorf("%q: %v", c.table, got)
		}
	}
}

// Law: two pieces arrive as one, whatever their lengths, and however little the kernel takes at a time.
func TestWritev(t *testing.T) {
	lengths := []int{0, 1, 7, 64 << 10, 256<<10 + 1, 768 << 10}
	for _, m := range lengths {
		for _, n := range lengths {
			server, client := pair(t, listen(t, "127.0.0.1:0"))
			want := bytes.Repeat([]byte("0123456789abcdef!"), (m+n)/17+1)[:m+n]
			p, q := want[:m], want[m:]
			read := make(chan []byte)
			go func() {
				text, _ := io.ReadAll(client) // what is missing is seen below
				read <- text
			}()
			for len(p)+len(q) > 0 {
				k, err := Writev(server.(*Conn).fd, p, q)
				if err == unix.EAGAIN {
					time.Sleep(time.Millisecond)
				} else if err != nil {
					t.Fatal(err)
				}
				i := min(k, len(p))
				p, q = p[i:], q[k-i:]
			}
			_ = server.Close()
			if got := <-read; !bytes.Equal(got, want) {
				t.Errorf("%d and %d bytes: %d arrived, or others", m, n, len(got))
			}
			_ = client.Close()
		}
	}
}

func TestAddressOfALink(t *testing.T) {
	a := address{}
	a.bytes[0] = unix.AF_INET6 // on a little-endian machine
	copy(a.bytes[at6:], net.ParseIP("fe80::1"))
	a.bytes[atScope] = 1 // lo's number on Linux
	if got := a.addrPort(new(zones)).String(); got != "[fe80::1%lo]:0" {
		t.Errorf("got %s", got)
	}
}

// Law: a peer is deaf that has taken no byte for as long as there are some for it, but only once all that was sent has arrived.
func TestAPeerThatDoesNotReadIsDeaf(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if Deaf(conn) {
		t.Error("a peer is deaf to whom nothing is said")
	}
	const size = 64 << 20 // more than all buffers take
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, size))
		sent <- err
	}()
	for deadline := time.Now().Add(time.Minute); !Deaf(conn); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a peer that does not read is not deaf")
		}
	}
	if _, err := io.CopyN(io.Discard, peer, size); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil || Deaf(conn) {
		t.Errorf("a peer that has read all: deaf %v, %v", Deaf(conn), err)
	}
}
