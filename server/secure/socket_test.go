package secure

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestAWriteGoesOnAsLongAsTheKernelTakesBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		s := &socket{Conn: here}
		const size = 20
		got := make(chan int)
		go func() {
			n := 0
			for ; n < size; n++ {
				time.Sleep(writeTimeout - time.Second)
				if _, err := io.ReadFull(there, make([]byte, 1)); err != nil {
					break
				}
			}
			got <- n
		}()
		if n, err := s.Write(make([]byte, size)); n != size || err != nil {
			t.Errorf("wrote %d of %d, %v", n, size, err)
		}
		if n := <-got; n != size {
			t.Errorf("the peer got %d of %d", n, size)
		}
	})
}

func TestAWriteEndsWhenTheKernelTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, _ := net.Pipe()
		start := time.Now()
		n, err := (&socket{Conn: here}).Write([]byte("x"))
		if took := time.Since(start); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != writeTimeout {
			t.Errorf("wrote %d, %v after %v", n, err, took)
		}
		// A deadline from above, such as that of a handshake or of a goodbye, counts as it is.
		start = time.Now()
		s := &socket{Conn: here}
		_ = s.SetDeadline(start.Add(5 * time.Second))
		if _, err = s.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("with a deadline from above: %v after %v", err, time.Since(start))
		}
		_ = s.SetDeadline(time.Time{})
		start = time.Now()
		if _, err = s.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != writeTimeout {
			t.Errorf("after it: %v after %v", err, time.Since(start))
		}
	})
}

func TestWhatIsNotTLSCanBeReadAgain(t *testing.T) {
	for _, c := range []struct{ sent, kept string }{{"GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n"}, {"\x16\x03\x01", ""}, {"G\x16", "G\x16"}} {
		here, there := net.Pipe()
		s := &socket{Conn: here, greeting: true}
		go func() {
			for i := range c.sent {
				_, _ = io.WriteString(there, c.sent[i:i+1])
			}
		}()
		if _, err := io.ReadFull(s, make([]byte, len(c.sent))); err != nil {
			t.Fatal(err)
		}
		s.greeting = false
		go func() { _, _ = io.WriteString(there, "more"); _ = there.Close() }()
		if got, err := io.ReadAll(s.again()); !bytes.Equal(got, []byte(c.kept+"more")) || err != nil {
			t.Errorf("%q: again %q, %v", c.sent, got, err)
		}
	}
}

// Law: a client may send maxGreeting bytes for its handshake, and as many as it likes behind it.
func TestAHandshakeIsNoLongerThanItHasToBe(t *testing.T) {
	here, there := net.Pipe()
	s := &socket{Conn: here, shaking: true, left: maxGreeting, greeting: true}
	go func() {
		for {
			if _, err := there.Write(append([]byte{recordTypeHandshake}, make([]byte, 999)...)); err != nil {
				return
			}
		}
	}()
	n, err := io.Copy(io.Discard, io.LimitReader(struct{ io.Reader }{s}, 10*maxGreeting))
	if n != maxGreeting || !errors.Is(err, errGreeting) {
		t.Errorf("read %d bytes, %v", n, err)
	}
	s.shaking = false
	if n, err := io.CopyN(io.Discard, s, 10*maxGreeting); err != nil {
		t.Errorf("behind it: read %d bytes, %v", n, err)
	}
	_ = here.Close()
}
