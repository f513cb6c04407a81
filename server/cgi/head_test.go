package cgi

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// outcome shows what readHead makes of a script's output.
func outcome(h head, rest []byte, more io.Reader, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	remaining, err := io.ReadAll(more)
	if err != nil {
		return "error: " + err.Error()
	}
	content := string(rest) + string(remaining)
	if h.isLocal() {
		return fmt.Sprintf("local %s [%s]", h.location, content)
	}
	resp := h.response()
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q", resp.Status, resp.Reason)
	for _, f := range resp.Fields {
		fmt.Fprintf(&b, " %s=%q", f.Name, f.Value)
	}
	if h.length >= 0 {
		fmt.Fprintf(&b, " length=%d", h.length)
	}
	if resp.Close {
		b.WriteString(" close")
	}
	return b.String() + " [" + content + "]"
}

const typed = "Content-Type: text/plain\n"

func TestReadHead(t *testing.T) {
	for name, c := range map[string]struct{ output, want string }{
		"document":              {typed + "\nhello", `200 "Script output follows" Content-Type="text/plain" [hello]`},
		"document_crlf":         {"Content-Type: text/plain\r\nX-Extra: 1\r\n\r\n\r\n", `200 "Script output follows" Content-Type="text/plain" X-Extra="1" [` + "\r\n]"},
		"blanks_are_trimmed":    {"Content-Type:\ttext/plain \t\n\n", `200 "Script output follows" Content-Type="text/plain" []`},
		"status":                {"Status: 404 Not Found\n" + typed + "\nx", `404 "Not Found" Content-Type="text/plain" [x]`},
		"status_alone":          {"status:204\n\n", `204 "" []`},
		"status_latin1":         {"Status: 200 Caf\xe9\n\n", `200 "Café" []`},
		"local_redirect":        {"Location: /hello.txt?x\n\n", "local /hello.txt?x []"},
		"local_redirect_typed":  {typed + "Location: /a\n\nignored", "local /a [ignored]"},
		"cookie_is_not_lost":    {"Set-Cookie: a=b\nLocation: /a\n\n", `302 "" Set-Cookie="a=b" Location="/a" []`},
		"network_path":          {"Location: //example.org/x\n\n", `302 "" Location="//example.org/x" []`},
		"fragment":              {"Location: /p?q#frag\n\n", `302 "" Location="/p?q#frag" []`},
		"not_a_path":            {"Location: p\n\n", `302 "" Location="p" []`},
		"client_redirect":       {"Location: https://example.org/#f\n\n", `302 "" Location="https://example.org/#f" []`},
		"client_redirect_typed": {"Location: http://a/\n" + typed + "\nmoved", `302 "" Location="http://a/" Content-Type="text/plain" [moved]`},
		"redirect_with_status":  {"Status: 301 Moved\nLocation: /a\n\n", `301 "Moved" Location="/a" []`},
		"length":                {"Content-Length: 6\n" + typed + "\n123456", `200 "Script output follows" Content-Type="text/plain" length=6 [123456]`},
		"servers_business":      {typed + "Date: x\nServer: y\nKeep-Alive: 1\nUpgrade: z\nTrailer: t\nConnection: Close\n\n", `200 "Script output follows" Content-Type="text/plain" close []`},
		"reset_content":         {"Status: 205\nContent-Length: 3\n\nabc", `205 "" length=0 [abc]`},
		"two_cookies":           {typed + "Set-Cookie: a\nSet-Cookie: b\n\n", `200 "Script output follows" Content-Type="text/plain" Set-Cookie="a" Set-Cookie="b" []`},

		"no_output":             {"", "error: it wrote no answer"},
		"no_head":               {"no header at all\nsecond line\n", `error: it has a header line without a colon: "no header at all"`},
		"no_head_and_no_end":    {"no header", `error: it has a header line without a colon: "no header"`},
		"unfinished":            {typed, "error: it ended before the empty line after its headers"},
		"unfinished_line":       {typed + "X: y", "error: it ended before the empty line after its headers"},
		"empty_head":            {"\nhello", "error: it has none of the headers Content-Type, Location and Status"},
		"no_cgi_field":          {"X-Extra: 1\n\nhello", "error: it has none of the headers Content-Type, Location and Status"},
		"smuggle_cr":            {"X: a\rSet-Cookie: b\n" + typed + "\n", `error: it has a control character in the header "X: a\rSet-Cookie: b"`},
		"smuggle_nul":           {"X: a\x00\n\n", `error: it has a control character in the header "X: a\x00"`},
		"smuggle_fold":          {"X: a\n folded: b\n\n", `error: it has a header with an invalid name: " folded: b"`},
		"smuggle_blank_in_name": {"Content-Length : 0\n\n", `error: it has a header with an invalid name: "Content-Length : 0"`},
		"smuggle_empty_name":    {": x\n\n", `error: it has a header with an invalid name: ": x"`},
		"smuggle_status_line":   {"HTTP/1.1 200 OK\n" + typed + "\n", `error: it has a header line without a colon: "HTTP/1.1 200 OK"`},
		"smuggle_coding":        {typed + "Transfer-Encoding: chunked\n\n0\r\n\r\n", "error: it has a Transfer-Encoding, which only the server may set"},
		"smuggle_two_lengths":   {typed + "Content-Length: 1\nContent-Length: 1\n\n", "error: it has Content-Length twice"},
		"smuggle_length_list":   {typed + "Content-Length: 1, 1\n\n", `error: its Content-Length is not a number: "1, 1"`},
		"smuggle_length_sign":   {typed + "Content-Length: +1\n\n", `error: its Content-Length is not a number: "+1"`},
		"two_types":             {typed + typed + "\n", "error: it has Content-Type twice"},
		"two_locations":         {"Location: /a\nLocation: /b\n\n", "error: it has Location twice"},
		"two_statuses":          {"Status: 200 a\nStatus: 200 b\n\n", "error: it has Status twice"},
		"status_100":            {"Status: 100 Continue\n\n", `error: its Status is not a number from 200 to 599: "100 Continue"`},
		"status_word":           {"Status: ok\n\n", `error: its Status is not a number from 200 to 599: "ok"`},
		"status_four_digits":    {"Status: 0200\n\n", `error: its Status is not a number from 200 to 599: "0200"`},
		"location_empty":        {"Location:\n\n", "error: its Location is empty"},
		"too_many":              {strings.Repeat("X: y\n", 100) + "\n", "error: it has more than 99 header lines"},
		"too_large":             {"X: " + strings.Repeat("y", maxHead), "error: its headers have more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			reader := strings.NewReader(c.output)
			h, rest, err := readHead(reader)
			if got := outcome(h, rest, reader, err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Law: how the bytes arrive makes no difference, and what comes of them can be sent.
func FuzzReadHead(f *testing.F) {
	for _, seed := range []string{typed + "\nhello", "Status: 404\r\n\r\n", "Location: /a\n\n", "X: a\rb\n\n", "junk", "Content-Length: 3\n" + typed + "\nabc"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		whole := strings.NewReader(text)
		h, rest, err := readHead(whole)
		want := outcome(h, rest, whole, err)
		bytewise := iotest.OneByteReader(strings.NewReader(text))
		h, rest, err = readHead(bytewise)
		if got := outcome(h, rest, bytewise, err); got != want {
			t.Fatalf("%q\nat once %s\nin bytes %s", text, want, got)
		}
		if err != nil || h.isLocal() {
			return
		}
		resp := h.response()
		if resp.Status < 200 || resp.Status > 599 || strings.ContainsAny(resp.Reason, "\r\n\x00") {
			t.Fatalf("%q: %d %q", text, resp.Status, resp.Reason)
		}
		for _, f := range resp.Fields {
			if !isToken(f.Name) || strings.ContainsAny(f.Value, "\r\n\x00") {
				t.Fatalf("%q: %q", text, f)
			}
		}
	})
}
