// The race detector makes sync.Pool forget.
//go:build !race

package accesslog

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/server/message"
)

func TestARecordAllocatesNothing(t *testing.T) {
	busy := hello()
	busy.Request.Line = "GET /\xe9\\ HTTP/1.1"
	busy.Request.Client = netip.MustParseAddr("2001:db8::1")
	for _, format := range []Format{JSON, Text} {
		log := New(discard{}, format, zapcore.InfoLevel, message.Profile{}, time.Now)
		for _, x := range []*message.Exchange{hello(), busy} {
			if n := testing.AllocsPerRun(1000, func() { log.Record(x) }); n >= 1 {
				t.Errorf("format %d, %q: %v allocations, want none", format, x.Request.Line, n)
			}
		}
	}
}
