package http2

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

// patient is a connection beneath TLS that notes until when its close would wait.
type patient struct {
	net.Conn
	patience func() time.Time
	until    []time.Time
}

func (p *patient) WaitOnClose(patience func() time.Time) { p.patience = patience }

func (p *patient) Close() error {
	p.until = append(p.until, p.patience())
	return p.Conn.Close()
}

// TestGivingWayWaitsForNothing: it is asked for with locks held that every connection needs for its end.
func TestGivingWayWaitsForNothing(t *testing.T) {
	for _, draining := range []bool{false, true} {
		here, there := net.Pipe()
		defer there.Close()
		beneath := &patient{Conn: here}
		e := &Engine{}
		c := e.NewConn(tls.Server(beneath, &tls.Config{}), unbounded)
		c.idle.Store(message.Instant(time.Now()))
		c.large.Store(true) // the last answer
		if draining {
			e.Drain(time.Now().Add(time.Hour))
		}
		c.GiveWay()
		if !draining {
			// The drain may begin while it closes.
			if len(beneath.until) != 1 || c.large.Load() {
				t.Errorf("closed %d times", len(beneath.until))
			}
			continue
		}
		if len(beneath.until) > 0 {
			t.Errorf("its close waits until %v", beneath.until)
		}
		c.mu.Lock()
		if !c.woken {
			t.Error("it does not part")
		}
		c.mu.Unlock()
	}
}
