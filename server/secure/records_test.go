package secure

import (
	"strings"
	"testing"
)

func TestRecordsEndWhereTheyEnd(t *testing.T) {
	stream := []byte("\x17\x03\x03\x00\x03abc" + "\x15\x03\x03\x00\x00" + "\x17\x03\x03\x01\x00" + strings.Repeat("x", 256))
	ends := map[int]bool{0: true, 8: true, 13: true, len(stream): true}
	for first := range len(stream) {
		for second := first; second <= len(stream); second++ {
			var r records
			r.endWith(stream[:first])
			if got := r.endWith(stream[first:second]); got != ends[second] {
				t.Fatalf("%d bytes and then %d: at the end of a record %v, want %v", first, second-first, got, ends[second])
			}
		}
	}
}
