package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// parsed is the result of parsing a head, in a form that can be compared.
type parsed struct {
	state   progress
	size    int
	request string
	failure message.Failure
}

// parseAll parses what arrives in the given pieces, as the loop of a connection does.
func parseAll(eof bool, pieces ...[]byte) parsed {
	var p headParser
	var buf []byte
	var state progress
	var failure *message.Failure
	for i, piece := range pieces {
		buf = append(buf, piece...)
		state, failure = p.parse(buf, eof && i == len(pieces)-1)
		if failure != nil || state != more {
			break
		}
	}
	var r message.Request
	p.fill(&r, buf)
	length := int64(0)
	if failure == nil && state == complete {
		length, failure = framing(r.Version, r.Fields)
	}
	out := parsed{state: state, size: p.size,
		request: fmt.Sprintf("%q %q %q %q %v %q %d", r.Line, r.Method, r.Target, r.Proto, r.Version, r.Fields, length)}
	if failure != nil {
		out.failure, out.state = *failure, more
	}
	return out
}

func TestHeadIsAccepted(t *testing.T) {
	for name, c := range map[string]struct{ raw, method, target, proto, fields string }{
		"plain":              {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "HTTP/1.1", "Host=a"},
		"lf_only":            {"GET / HTTP/1.1\nHost: a\n\n", "GET", "/", "HTTP/1.1", "Host=a"},
		"many_line_ends":     {"GET / HTTP/1.1\r\r\n\r\n", "GET", "/", "HTTP/1.1", ""},
		"unicode_blanks":     {"\x1cGET\x85/\xa0HTTP/1.0 \t\r\n\r\n", "GET", "/", "HTTP/1.0", ""},
		"leading_slashes":    {"GET ///x//y HTTP/1.0\r\n\r\n", "GET", "/x//y", "HTTP/1.0", ""},
		"odd_version":        {"GET / HTTP/0001.0000000010\r\n\r\n", "GET", "/", "HTTP/0001.0000000010", ""},
		"http09":             {"GET /x\r\n", "GET", "/x", "HTTP/0.9", ""},
		"http09_in_words":    {"PUT /x HTTP/0.9\r\n\r\n", "PUT", "/x", "HTTP/0.9", ""},
		"blanks_are_trimmed": {"GET / HTTP/1.1\r\nA: \t b c \t\r\nB:\r\n\r\n", "GET", "/", "HTTP/1.1", "A=b c,B="},
		"bytes_in_value":     {"GET / HTTP/1.1\r\nA: \xff\x80\tz\r\n\r\n", "GET", "/", "HTTP/1.1", "A=\xff\x80\tz"},
		"99_fields":          {"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 99) + "\r\n", "GET", "/", "HTTP/1.1", strings.TrimSuffix(strings.Repeat("A=b,", 99), ",")},
	} {
		t.Run(name, func(t *testing.T) {
			var p headParser
			state, failure := p.parse([]byte(c.raw), false)
			if state != complete || failure != nil || p.size != len(c.raw) {
				t.Fatalf("parse = %v, %+v after %d of %d bytes", state, failure, p.size, len(c.raw))
			}
			var r message.Request
			p.fill(&r, []byte(c.raw))
			var fields []string
			for _, f := range r.Fields {
				fields = append(fields, f.Name+"="+f.Value)
			}
			if r.Method != c.method || r.Target != c.target || r.Proto != c.proto || strings.Join(fields, ",") != c.fields {
				t.Errorf("got %q %q %q %q, want %q", r.Method, r.Target, r.Proto, fields, c)
			}
		})
	}
}

func TestHeadIsRefused(t *testing.T) {
	get := func(lines ...string) string { return "GET / HTTP/1.1\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" }
	for name, c := range map[string]struct {
		raw    string
		status int
		text   string
	}{
		"one_word":                {"GET\r\n", 400, "Bad request syntax ('GET')"},
		"four_words":              {"GET / x HTTP/1.1\r\n", 400, "Bad request syntax ('GET / x HTTP/1.1')"},
		"quotes":                  {"GET'\"\\\x01\xe9\xad\r\n", 400, `Bad request syntax ('GET\'"\\\x01é\xad')`},
		"http09_post":             {"POST /\r\n", 400, "Bad HTTP/0.9 request type ('POST')"},
		"version_word":            {"GET / HTTX/1.1\r\n", 400, "Bad request version ('HTTX/1.1')"},
		"version_case":            {"GET / http/1.1\r\n", 400, "Bad request version ('http/1.1')"},
		"version_one_part":        {"GET / HTTP/1\r\n", 400, "Bad request version ('HTTP/1')"},
		"version_three_parts":     {"GET / HTTP/1.1.1\r\n", 400, "Bad request version ('HTTP/1.1.1')"},
		"version_sign":            {"GET / HTTP/+1.1\r\n", 400, "Bad request version ('HTTP/+1.1')"},
		"version_long":            {"GET / HTTP/1.00000000001\r\n", 400, "Bad request version ('HTTP/1.00000000001')"},
		"version_before_words":    {"GET / x HTTP/x\r\n", 400, "Bad request version ('HTTP/x')"},
		"version_two":             {"GET / HTTP/2.0\r\n", 505, "Invalid HTTP version (2.0)"},
		"version_two_four_words":  {"PRI * x HTTP/2.0\r\n", 505, "Invalid HTTP version (2.0)"},
		"line_too_long":           {"GET /" + strings.Repeat("x", 65536), 414, ""},
		"field_line_too_long":     {"GET / HTTP/1.1\r\nA: " + strings.Repeat("x", 65536), 431, "Line too long"},
		"100_fields":              {get(slices.Repeat([]string{"A: b"}, 100)...), 431, "Too many headers"},
		"no_colon":                {get("Host"), 400, "Field line without a colon"},
		"empty_name":              {get(": x"), 400, "Bad field name"},
		"name_with_blank":         {get("A b: x"), 400, "Blank before the colon of a field line"},
		"blank_before_colon":      {get("Content-Length : 5"), 400, "Blank before the colon of a field line"},
		"name_not_a_token":        {get("A\x00b: x"), 400, "Bad field name"},
		"name_beyond_ascii":       {get("A\xe9: x"), 400, "Bad field name"},
		"leading_blank":           {get(" A: x"), 400, "Folded field line"},
		"obs_fold":                {get("A: x", "\ty"), 400, "Folded field line"},
		"bare_cr":                 {get("A: x\rB: y"), 400, "Control character in a field value"},
		"two_crs":                 {get("A: x\r"), 400, "Control character in a field value"},
		"nul":                     {get("A: x\x00"), 400, "Control character in a field value"},
		"del":                     {get("A: x\x7f"), 400, "Control character in a field value"},
		"two_hosts":               {get("Host: a", "host: a"), 400, "More than one Host field"},
		"smuggle_two_lengths":     {get("Content-Length: 5", "Content-Length: 5"), 400, "More than one Content-Length field"},
		"smuggle_length_list":     {get("Content-Length: 5, 5"), 400, "Bad Content-Length"},
		"smuggle_length_sign":     {get("Content-Length: +5"), 400, "Bad Content-Length"},
		"smuggle_length_hex":      {get("Content-Length: 0x5"), 400, "Bad Content-Length"},
		"smuggle_length_empty":    {get("Content-Length:"), 400, "Bad Content-Length"},
		"smuggle_length_overflow": {get("Content-Length: 9223372036854775808"), 400, "Bad Content-Length"},
		"smuggle_length_huge":     {get("Content-Length: 99999999999999999999999"), 400, "Bad Content-Length"},
		"smuggle_te_and_cl":       {get("Content-Length: 5", "Transfer-Encoding: chunked"), 400, "Transfer-Encoding with Content-Length"},
		"smuggle_two_te":          {get("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400, "More than one Transfer-Encoding field"},
		"smuggle_te_1_0":          {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "Transfer-Encoding in an HTTP/1.0 request"},
		"smuggle_te_chunked_last": {get("Transfer-Encoding: chunked, identity"), 400, "Transfer-Encoding does not end in chunked"},
		"smuggle_te_xchunked":     {get("Transfer-Encoding: xchunked"), 400, "Transfer-Encoding does not end in chunked"},
		"smuggle_te_vtab":         {get("Transfer-Encoding: \vchunked"), 400, "Control character in a field value"},
		"te_twice_in_one":         {get("Transfer-Encoding: chunked, chunked"), 400, "Bad Transfer-Encoding"},
		"te_empty":                {get("Transfer-Encoding:"), 400, "Transfer-Encoding does not end in chunked"},
		"te_gzip":                 {get("Transfer-Encoding: gzip, chunked"), 501, "Unsupported transfer coding ('gzip')"},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseAll(false, []byte(c.raw))
			if got.failure.Status != c.status || got.failure.Message != c.text {
				t.Errorf("got %d %q, want %d %q", got.failure.Status, got.failure.Message, c.status, c.text)
			}
		})
	}
}

func TestHeadLimits(t *testing.T) {
	// The longest request line has 65536 bytes with its end, and one more is decided without its end.
	line := "GET /" + strings.Repeat("x", maxLine-len("GET / HTTP/1.1\r\n")) + " HTTP/1.1\r\n"
	if got := parseAll(false, []byte(line+"\r\n")); got.state != complete {
		t.Errorf("a line of %d bytes: %+v", len(line), got.failure)
	}
	if got := parseAll(false, []byte("x"+line)); got.failure.Status != 414 {
		t.Errorf("a line of %d bytes: status %d, want 414", len(line)+1, got.failure.Status)
	}
	// 1 MiB in all.
	big := "A: " + strings.Repeat("x", 60000) + "\r\n"
	head := "GET / HTTP/1.1\r\n" + strings.Repeat(big, 17)
	if got := parseAll(false, []byte(head+"\r\n")); got.state != complete {
		t.Errorf("a head of %d bytes: %+v", len(head), got.failure)
	}
	if got := parseAll(false, []byte(head+big+"\r\n")); got.failure.Status != 431 {
		t.Errorf("a head of %d bytes: status %d, want 431", len(head+big), got.failure.Status)
	}
}

func TestHeadAtTheEndOfInput(t *testing.T) {
	for raw, want := range map[string]string{
		"GET /hel":                          `"GET" "/hel" "HTTP/0.9"`,
		"GET /x HTTP/1.0":                   `"GET" "/x" "HTTP/1.0"`,
		"GET /x HTTP/1.0\r\nHost: a":        `"GET" "/x" "HTTP/1.0"`,
		"GET /x HTTP/1.0\r\nHost: a\r\nB:c": `"GET" "/x" "HTTP/1.0"`,
	} {
		if got := parseAll(true, []byte(raw)); got.state != complete || !strings.Contains(got.request, want) {
			t.Errorf("%q: %v %s, want %s", raw, got.state, got.request, want)
		}
	}
}

func TestBlankLineClosesSilently(t *testing.T) {
	for _, raw := range []string{"\r\n", "\n", " \t \r\n", "\xa0\x85\r\n"} {
		var p headParser
		if state, failure := p.parse([]byte(raw), false); state != blank || failure != nil {
			t.Errorf("%q: %v %v, want blank", raw, state, failure)
		}
	}
}

func TestPlainGetAllocatesItsTextOnly(t *testing.T) {
	raw := []byte("GET /index.html HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n")
	var p headParser
	var r message.Request
	parse := func() {
		p.reset()
		if state, failure := p.parse(raw, false); state != complete || failure != nil {
			t.Fatal(state, failure)
		}
		p.fill(&r, raw)
		if _, failure := framing(r.Version, r.Fields); failure != nil {
			t.Fatal(failure)
		}
	}
	parse()
	if n := testing.AllocsPerRun(100, parse); n > 1 {
		t.Errorf("%v allocations, want 1: the head as a string", n)
	}
}

// FuzzHead holds three laws: any split of the bytes gives the same result as all at once; nothing behind
// the empty line is looked at; and what net/http's reader accepts too, it reads as the same request.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x\r\n", "\r\n", "HEAD //y HTTP/1.0\n\nrest",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
		"PUT http://h/x?y#z HTTP/1.01\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
	} {
		f.Add([]byte(seed), uint16(7), false)
	}
	for _, raw := range recordedRequests(f) {
		if len(raw) < 4096 {
			f.Add(raw, uint16(3), true)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, at uint16, eof bool) {
		whole := parseAll(eof, raw)
		i := int(at) % (len(raw) + 1)
		if got := parseAll(eof, raw[:i], raw[i:]); got != whole {
			t.Fatalf("split at %d: %+v\nwhole: %+v", i, got, whole)
		}
		var single [][]byte
		for j := range raw {
			single = append(single, raw[j:j+1])
		}
		if len(raw) > 0 {
			if got := parseAll(eof, single...); got != whole {
				t.Fatalf("byte by byte: %+v\nwhole: %+v", got, whole)
			}
		}
		if whole.state == complete {
			if got := parseAll(eof, raw[:whole.size]); got != whole {
				t.Fatalf("without what follows: %+v\nwhole: %+v", got, whole)
			}
			if !eof {
				agreesWithNetHTTP(t, raw[:whole.size])
			}
		}
	})
}

// agreesWithNetHTTP compares an accepted head with what net/http's reader makes of it, if it accepts it.
func agreesWithNetHTTP(t *testing.T, raw []byte) {
	theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return
	}
	var p headParser
	if state, failure := p.parse(raw, false); state != complete || failure != nil {
		t.Fatal(state, failure)
	}
	var ours message.Request
	p.fill(&ours, raw)
	target := theirs.RequestURI
	for strings.HasPrefix(target, "//") {
		target = target[1:]
	}
	if ours.Method != theirs.Method || ours.Target != target {
		t.Fatalf("we read %q %q, net/http %q %q", ours.Method, ours.Target, theirs.Method, target)
	}
	if ours.Version != (message.Version{Major: int64(theirs.ProtoMajor), Minor: int64(theirs.ProtoMinor)}) {
		t.Fatalf("we read %v, net/http %s", ours.Version, theirs.Proto)
	}
	length, failure := framing(ours.Version, ours.Fields)
	if failure == nil && length != theirs.ContentLength {
		t.Fatalf("we read a length of %d, net/http %d", length, theirs.ContentLength)
	}
	for _, field := range ours.Fields {
		name := http.CanonicalHeaderKey(field.Name)
		switch name {
		case "Host", "Transfer-Encoding", "Trailer", "Pragma", "Cache-Control":
			continue // moved to other places of http.Request, or amended
		}
		if !slices.Contains(theirs.Header[name], field.Value) {
			t.Fatalf("we read %q: %q, net/http %q", field.Name, field.Value, theirs.Header[name])
		}
	}
}
