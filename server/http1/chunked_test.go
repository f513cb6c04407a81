package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// dechunked is the result of decoding chunked content, in a form that can be compared.
type dechunked struct {
	data    string
	taken   int
	done    bool
	failure string
}

// dechunk decodes what arrives in the given pieces.
func dechunk(pieces ...[]byte) (out dechunked) {
	var d chunkedDecoder
	var buf []byte
	for _, piece := range pieces {
		buf = append(buf, piece...)
		var failure *message.Failure
		for failure == nil && d.state != chunkDone {
			if d.state == chunkData {
				n := int(min(int64(len(buf)), d.left))
				if n == 0 {
					break
				}
				out.data += string(buf[:n])
				out.taken += n
				buf = buf[n:]
				d.took(n)
				continue
			}
			var n int
			n, failure = d.next(buf)
			out.taken += n
			buf = buf[n:]
			if n == 0 {
				break
			}
		}
		if failure != nil {
			out.failure = failure.Message
			return out
		}
	}
	out.done = d.state == chunkDone
	return out
}

func TestChunkedContent(t *testing.T) {
	for name, c := range map[string]struct{ raw, data, failure string }{
		"empty":                   {"0\r\n\r\n", "", ""},
		"two_chunks":              {"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", ""},
		"leading_zeros":           {"0000000000000003\r\nabc\r\n0\r\n\r\n", "abc", ""},
		"extension":               {"3;a=b;c=\"d\"\r\nabc\r\n0;z\r\n\r\n", "abc", ""},
		"blank_before_extension":  {"3 ;a\r\nabc\r\n0\r\n\r\n", "abc", ""},
		"trailer":                 {"0\r\nA: b\r\nC: d\r\n\r\n", "", ""},
		"size_of_17_digits":       {"00000000000000003\r\nabc", "", "Bad chunk size"},
		"size_beyond_int64":       {"8000000000000000\r\n", "", "Bad chunk size"},
		"size_empty":              {"\r\n", "", "Bad chunk size"},
		"size_sign":               {"+3\r\nabc", "", "Bad chunk size"},
		"size_0x":                 {"0x3\r\nabc", "", "Bad chunk size"},
		"size_junk":               {"3z\r\nabc", "", "Bad chunk size"},
		"size_with_bare_lf":       {"3\nabc\r\n", "", "Bad chunk line"},
		"data_with_bare_lf":       {"3\r\nabc\n0\r\n\r\n", "abc", "Bad chunk line"},
		"data_too_long":           {"3\r\nabcd\r\n", "abc", "Bad chunk line"},
		"last_with_bare_lf":       {"0\r\n\n", "", "Bad chunk line"},
		"extension_with_bare_cr":  {"3;a\rb\r\nabc", "", "Bad chunk extension"},
		"extension_too_long":      {"3;" + strings.Repeat("x", maxChunkExtensions) + "\r\n", "", "Chunk line too long"},
		"line_without_end":        {"3;" + strings.Repeat("x", 2*maxChunkExtensions), "", "Chunk line too long"},
		"trailer_without_colon":   {"0\r\nA\r\n\r\n", "", "Field line without a colon"},
		"trailer_with_fold":       {"0\r\nA: b\r\n c\r\n\r\n", "", "Folded field line"},
		"trailer_of_100_fields":   {"0\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n", "", "Too many headers"},
		"extensions_of_many_sums": {strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 5), "aaaa", "Chunk line too long"},
	} {
		t.Run(name, func(t *testing.T) {
			got := dechunk([]byte(c.raw))
			if got.data != c.data || got.failure != c.failure || got.done != (c.failure == "") {
				t.Errorf("got %+v, want %q %q", got, c.data, c.failure)
			}
			if c.failure == "" && got.taken != len(c.raw) {
				t.Errorf("took %d of %d bytes", got.taken, len(c.raw))
			}
		})
	}
}

// FuzzChunked holds that any split gives the same result, that nothing behind the last chunk is taken,
// and that net/http's reader finds the same content in what it accepts too.
func FuzzChunked(f *testing.F) {
	for _, seed := range []string{
		"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\nrest", "3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n", "3\nabc\n0\n\n", "ffffffffffffffff\r\n",
	} {
		f.Add([]byte(seed), uint16(4))
	}
	f.Fuzz(func(t *testing.T, raw []byte, at uint16) {
		whole := dechunk(raw)
		i := int(at) % (len(raw) + 1)
		if got := dechunk(raw[:i], raw[i:]); got != whole {
			t.Fatalf("split at %d: %+v\nwhole: %+v", i, got, whole)
		}
		if !whole.done {
			return
		}
		if got := dechunk(raw[:whole.taken]); got != whole {
			t.Fatalf("without what follows: %+v\nwhole: %+v", got, whole)
		}
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		theirs, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(raw))))
		if err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(theirs.Body); err == nil && string(data) != whole.data {
			t.Fatalf("we read %q, net/http %q", whole.data, data)
		}
	})
}
