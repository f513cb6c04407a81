package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/previewd/previewd/server"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/upstream"
)

// Law: what the engine refuses never reaches a server, and what goes there has one reading. Thousands of hostile requests
// are sent through a proxy to a server that reports what it read: it is what the proxy says that it has passed on, request by
// request, and readers that are laxer in what they take for a length end each request at the same byte.
func TestNothingIsSmuggled(t *testing.T) {
	payloads := hostile()
	if len(payloads) < 4000 {
		t.Errorf("there are %d payloads", len(payloads))
	}
	const workers = 8
	var passed, refused int
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			s := newSmuggling(t)
			for i := w; i < len(payloads); i += workers {
				p, r := s.try(payloads[i])
				mu.Lock()
				passed, refused = passed+p, refused+r
				mu.Unlock()
			}
		})
	}
	all.Wait()
	t.Logf("%d payloads: %d requests passed on, %d refused", len(payloads), passed, refused)
	if passed < len(payloads)/10 || refused < len(payloads)/10 {
		t.Error("the payloads are too good or too bad to tell anything")
	}
}

// heardRequest is a request as one side sees it.
type heardRequest struct {
	method, target string
	content        int64
}

type smuggling struct {
	t       *testing.T
	address string

	mu      sync.Mutex
	passed  []heardRequest // that the proxy has passed on, by its own account
	refused int
	read    []heardRequest // that the server has read
	odd     []string       // what laxer readers read in another way
}

func newSmuggling(t *testing.T) *smuggling {
	s := &smuggling{t: t}
	u, err := upstream.New(upstream.Options{Timeout: 10 * time.Second, Routes: []upstream.Route{{Prefix: "/", Target: "http://" + other(t, s.listen)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	srv := &server.Server{Handler: u.Handler(nil), Observe: s.observe}
	go func() { _ = srv.Serve(ctx, l) }()
	return s
}

func (s *smuggling) observe(x *message.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.Status != 200 {
		s.refused++
		return
	}
	if x.Request.Upstream.Name == "" {
		return // OPTIONS * is for the proxy itself
	}
	s.passed = append(s.passed, heardRequest{x.Request.Method, x.Request.Target, x.Request.Upstream.Received})
}

// listen reads requests as net/http does, and beside it as laxer servers do.
func (s *smuggling) listen(conn net.Conn, _ *bufio.Reader) {
	var raw bytes.Buffer
	r := bufio.NewReader(io.TeeReader(conn, &raw))
	begin := 0
	for {
		asked, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, asked.Body)
		if err != nil {
			return // the proxy has given up, as its client's content broke off
		}
		end := raw.Len() - r.Buffered()
		text := string(raw.Bytes()[begin:end])
		begin = end
		s.mu.Lock()
		s.read = append(s.read, heardRequest{asked.Method, asked.RequestURI, n})
		for name, chunkedWins := range map[string]bool{"Content-Length first": false, "Transfer-Encoding first": true} {
			if m := laxLength(text, chunkedWins); m != len(text) {
				s.odd = append(s.odd, fmt.Sprintf("%s: %d bytes of %d of %q", name, m, len(text), text))
			}
		}
		s.mu.Unlock()
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

// laxLength returns how many bytes of text a careless server takes for the first request.
func laxLength(text string, chunkedWins bool) int {
	length, chunked, at := -1, false, 0
	for {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text) + 1
		}
		line := strings.Trim(text[at:at+i], "\r")
		at += i + 1
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.Trim(value, " \t\v\f\r\x00")
		switch strings.ToLower(strings.ReplaceAll(strings.Trim(name, " \t\v\f\r\x00"), "_", "-")) {
		case "content-length":
			digits := len(value) - len(strings.TrimLeft(strings.TrimPrefix(value, "+"), "0123456789"))
			length, _ = strconv.Atoi(strings.TrimPrefix(value[:digits], "+"))
		case "transfer-encoding":
			chunked = chunked || strings.Contains(strings.ToLower(value), "chunked")
		}
	}
	if !chunked || length >= 0 && !chunkedWins {
		return at + max(0, length)
	}
	for {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text) + 1
		}
		line := strings.Trim(text[at:at+i], "\r ")
		at += i + 1
		digits, _, _ := strings.Cut(line, ";")
		size, err := strconv.ParseInt(digits, 16, 32)
		if err != nil {
			return len(text) + 1
		}
		if size == 0 {
			if i = strings.IndexByte(text[at:], '\n'); i < 0 {
				return len(text) + 1
			}
			return at + i + 1
		}
		if at += int(size) + 2; at > len(text) {
			return len(text) + 1
		}
	}
}

// try sends a payload on a connection of its own, and compares.
func (s *smuggling) try(payload string) (passed, refused int) {
	s.mu.Lock()
	s.passed, s.read, s.odd, s.refused = nil, nil, nil, 0
	s.mu.Unlock()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Error(err)
		return 0, 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, payload)
	_ = conn.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, conn); err != nil {
		s.t.Errorf("%q: %v", payload, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.passed, s.read) {
		s.t.Errorf("%q:\nthe proxy has passed on %v,\nthe server has read %v", payload, s.passed, s.read)
	}
	for _, odd := range s.odd {
		s.t.Errorf("%q is passed on in two readings: %s", payload, odd)
	}
	return len(s.passed), s.refused
}

// hostile makes requests that two parsers may read in two ways.
func hostile() (payloads []string) {
	const hidden = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	bodies := []string{
		"", "hello", "0\r\n\r\n", "0\r\n\r\n" + hidden, "5\r\nhello\r\n0\r\n\r\n" + hidden, "5\r\nhello\r\n0\r\nContent-Length: 40\r\n\r\n" + hidden,
		"5;a=\"\r\n0\r\n\r\n\"\r\nhello\r\n0\r\n\r\n", "5;\nxx\r\nhello\r\n0\r\n\r\n" + hidden, "5\nhello\n0\n\n" + hidden, "0x5\r\nhello\r\n0\r\n\r\n",
		"5 \r\nhello\r\n0\r\n\r\n" + hidden, "+5\r\nhello\r\n0\r\n\r\n", "00000000000000005\r\nhello\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFB\r\nhello\r\n0\r\n\r\n",
		"5\r\nhelloX\r\n0\r\n\r\n" + hidden, "0\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden, "0\r\n x\r\n\r\n" + hidden, "5\r\nhello\r\n0\r\n" + hidden,
		"5\r\r\nhello\r\n0\r\n\r\n", hidden,
	}
	var framings []string
	for _, value := range []string{"5", " 5", "5 ", "+5", "-5", "0x5", "5,5", "5, 6", "5;6", "", "05", "5.0", "5e0", "\"5\"", "5\x00", "\v5", "5\t", "1_0", "٥", "18446744073709551621", "5\r6", "5 5"} {
		framings = append(framings, "Content-Length:"+value+"\r\n")
	}
	for _, value := range []string{"chunked", " chunked", "chunked ", "Chunked", "\tchunked", "\vchunked", "chunked\x00", "xchunked", "chunked, identity", "identity, chunked", "identity", "chunked,", ",chunked",
		"chunked;q=1", "\"chunked\"", "'chunked'", "chunked, chunked", "gzip, chunked", "chu\u200bnked", "ch\xfcnked", "", "chunked\r x", "\r\n chunked", "chunked\r\n\tx", "\x0cchunked"} {
		framings = append(framings, "Transfer-Encoding:"+value+"\r\n")
	}
	for _, name := range []string{"Transfer-Encoding ", " Transfer-Encoding", "Transfer_Encoding", "Transfer-Encoding\t", "Transfer-Encoding\x00", "X: y\nTransfer-Encoding", "X: y\rTransfer-Encoding", "tRANSFER-eNCODING", "Transfer-Encodin\u017f", "\x00Transfer-Encoding"} {
		framings = append(framings, name+": chunked\r\n")
	}
	for _, name := range []string{"Content-Length ", " Content-Length", "Content_Length", "Content-Length\x00", "X: y\nContent-Length", "X: y\rContent-Length", "cONTENT-lENGTH", "Connection: Content-Length\r\nContent-Length"} {
		framings = append(framings, name+": 5\r\n")
	}
	framings = append(framings, "", "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length: 0\r\n", "Content-Length: 0\r\nContent-Length: 5\r\n", "Expect: 100-continue\r\nContent-Length: 5\r\n",
		"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "TE: chunked\r\nTransfer-Encoding: chunked\r\n", "Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 5\r\n",
		"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n", "Upgrade: websocket\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n", "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n")
	for _, framing := range framings {
		for _, body := range bodies {
			payloads = append(payloads, "POST /x HTTP/1.1\r\nHost: h\r\n"+framing+"\r\n"+body, "GET /x HTTP/1.1\r\n"+framing+"Host: h\r\n\r\n"+body)
		}
	}
	// Two ways to say where the end is.
	for i, first := range framings[:47] {
		for j, second := range framings[:47] {
			if i != j && (i+j)%3 == 0 {
				payloads = append(payloads, "PUT /x HTTP/1.1\r\nHost: h\r\n"+first+second+"\r\n"+bodies[(i*7+j)%len(bodies)])
			}
		}
	}
	// Request lines, hosts and line ends.
	for _, line := range []string{"GET /a b HTTP/1.1", "GET /x HTTP/1.1 ", "GET  /x  HTTP/1.1", "GET\t/x\tHTTP/1.1", "GET /x HTTP/1.2", "GET /x HTTP/1.01", "GET /x HTTP/2.0", "GET /x", "GET /x HTTP/1.0", "GET /x\x00 HTTP/1.1",
		"GET /x\x7f HTTP/1.1", "GET /\xc2\x85x HTTP/1.1", "GET /\xa0x HTTP/1.1", "GET http://evil/x HTTP/1.1", "GET http://h@evil/x HTTP/1.1", "GET //evil/x HTTP/1.1", "GET x HTTP/1.1", "GET * HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT h:80 HTTP/1.1",
		"GE\x00T /x HTTP/1.1", "GET\r /x HTTP/1.1", "\r\nGET /x HTTP/1.1", " GET /x HTTP/1.1", "G:T /x HTTP/1.1", "GET /x#y HTTP/1.1", "GET /x?\r\ny HTTP/1.1", "get /x HTTP/1.1", "TRACE /x HTTP/1.1", "GET /%0d%0aX:%20y HTTP/1.1", "GET \\x HTTP/1.1", "GET /\x1fx HTTP/1.1", "GET ?x HTTP/1.1"} {
		for _, end := range []string{"\r\n", "\n", "\r", "\r\r\n", "\n\r\n"} {
			for _, rest := range []string{"Host: h" + end + end, "Host: h" + end + "Host: i" + end + end, "Host: h" + end + "Content-Length: 5" + end + end + "hello", "Host: h i" + end + end, end} {
				payloads = append(payloads, line+end+rest+hidden)
			}
		}
	}
	return payloads
}
