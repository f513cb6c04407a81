package tcp

import (
	"net/netip"
	"slices"
	"testing"
)

// The two tables have the same columns.
func TestListening(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	const rest = " 00000000:00000000 00:00000000 00000000  1000        0 "
	const table = head +
		"   0: 0100007F:1F90 00000000:0000 0A" + rest + "11 1 0 100\n" +
		"   1: 00000000:1F90 00000000:0000 0A" + rest + "12 1 0 100\n" +
		"   2: 0200007F:1F90 00000000:0000 0A" + rest + "13 1 0 100\n" +
		"   3: 0100007F:1F90 0100007F:C350 01" + rest + "14 1 0 100\n" + // a connection
		"   4: 0100007F:1F91 00000000:0000 0A" + rest + "15 1 0 100\n" + // another port
		"   5: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A" + rest + "16 1 0 100\n"
	for address, want := range map[string][]string{
		"127.0.0.1:8080": {"socket:[11]", "socket:[12]"},
		"127.0.0.3:8080": {"socket:[12]"},
		"[::1]:8080":     {"socket:[12]", "socket:[16]"},
		"[::]:8080":      {"socket:[11]", "socket:[12]", "socket:[13]", "socket:[16]"},
		"127.0.0.1:9999": nil,
	} {
		// The addresses of the table are those of a little-endian machine.
		if got := listening([]byte(table), netip.MustParseAddrPort(address)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}
