package accesslog

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/previewd/previewd/server/message"
)

// oslo is an hour ahead of UTC: the text form is in local time, JSON is not.
var oslo = time.FixedZone("CET", 3600)

// night is when the exchanges of the tests end.
var night = time.Date(2026, 11, 21, 0, 53, 0, 7_900_000, oslo)

// sink keeps what is written, one string a Write.
type sink struct{ writes []string }

func (s *sink) Write(p []byte) (int, error) {
	s.writes = append(s.writes, string(p))
	return len(p), nil
}
func (s *sink) Sync() error { return nil }

func newLog(format Format, level zapcore.Level) (*Log, *sink) {
	out := new(sink)
	return New(out, format, level, message.Profile{}, func() time.Time { return night }), out
}

// hello is GET /hello.txt of a browser, answered with 1 KiB.
func hello() *message.Exchange {
	return &message.Exchange{
		Request: &message.Request{
			Line: "GET /hello.txt HTTP/1.1", Method: "GET", Target: "/hello.txt",
			Proto: "HTTP/1.1", Version: message.Version{Major: 1, Minor: 1},
			Fields: message.Fields{
				{Name: "Host", Value: "localhost:8000"},
				{Name: "User-Agent", Value: "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"},
				{Name: "Accept", Value: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
				{Name: "Referer", Value: "http://localhost:8000/"},
			},
			Peer:   netip.MustParseAddrPort("127.0.0.1:50000"),
			Client: netip.MustParseAddr("127.0.0.1"),
		},
		Status: 200, Sent: 1024, Start: night.Add(-123456 * time.Nanosecond), Duration: 123456 * time.Nanosecond,
	}
}

// refused is an exchange that the engine answered with an error.
func refused(line string, status int, text string) *message.Exchange {
	x := hello()
	x.Request.Line, x.Request.Fields = line, nil
	x.Status, x.Sent, x.Refused = status, 300, true
	x.Failure = &message.Failure{Status: status, Message: text}
	return x
}

func TestTextIsByteForByteHTTPServers(t *testing.T) {
	const at = "127.0.0.1 - - [21/Nov/2026 00:53:00] "
	for _, c := range []struct {
		name string
		x    *message.Exchange
		want string
	}{
		{"plain", hello(), at + `"GET /hello.txt HTTP/1.1" 200 1024` + "\n"},
		// The rest as the oracle recorded them, by the ids of its cases.
		{"reqline-binary", refused("\x00\x01\x02\xfe\xff", 400, "Bad request syntax ('\\x00\\x01\\x02þÿ')"),
			at + `code 400, message Bad request syntax ('\\x00\\x01\\x02þÿ')` + "\n" + at + `"\x00\x01\x02þÿ" 400 300` + "\n"},
		{"reqline-backslash", refused(`GET /a\b c HTTP/1.0`, 400, `Bad request syntax ('GET /a\\b c HTTP/1.0')`),
			at + `code 400, message Bad request syntax ('GET /a\\\\b c HTTP/1.0')` + "\n" + at + `"GET /a\\b c HTTP/1.0" 400 300` + "\n"},
		{"reqline-c1-control", refused("GET /\x80\x9f c HTTP/1.0", 400, `Bad request syntax ('GET /\x80\x9f c HTTP/1.0')`),
			at + `code 400, message Bad request syntax ('GET /\\x80\\x9f c HTTP/1.0')` + "\n" + at + `"GET /\x80\x9f c HTTP/1.0" 400 300` + "\n"},
		{"reqline-nbsp", refused("GET\xa0/a\xad\x7f HTTP/1.0", 404, "File not found"),
			at + "code 404, message File not found\n" + at + "\"GET\u00a0/a\u00ad\\x7f HTTP/1.0\" 404 300\n"},
		{"table_phrase", refused("", 414, ""), at + "code 414, message URI Too Long\n" + at + `"" 414 300` + "\n"},
		{"unknown_code", refused("GET / HTTP/1.0", 799, ""), at + "code 799, message ???\n" + at + `"GET / HTTP/1.0" 799 300` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, out := newLog(Text, zapcore.InfoLevel)
			log.Record(c.x)
			if len(out.writes) != 1 || out.writes[0] != c.want {
				t.Errorf("got %q, want one write of %q", out.writes, c.want)
			}
		})
	}
}

func TestTextFormatsTheDayAndMonthOfLocalTime(t *testing.T) {
	log, out := newLog(Text, zapcore.InfoLevel)
	x := hello()
	x.Start, x.Duration = time.Date(2026, 12, 31, 23, 30, 0, 0, time.UTC).In(oslo), 0
	log.Record(x)
	if want := "[01/Jan/2027 00:30:00]"; !strings.Contains(out.writes[0], want) {
		t.Errorf("got %q, want %q in it", out.writes[0], want)
	}
}

func TestTextTellsWhatCutAnAnswerInAnEntryOfItsOwn(t *testing.T) {
	const at = "127.0.0.1 - - [21/Nov/2026 00:53:00] "
	cut, silent, lost, broken := hello(), hello(), hello(), hello()
	cut.Err = message.ErrChanged
	silent.Status, silent.Sent = 0, 0
	lost.Status, lost.Sent, lost.Err = 0, 0, errors.New("reading the request head: EOF")
	broken.Status, broken.Failure = 500, &message.Failure{Status: 500, Cause: errors.New("panic: \x1b[31mboo\ngoroutine 7:\n\tf()\n")}
	for _, c := range []struct {
		name string
		x    *message.Exchange
		want string
	}{
		{"cut", cut, at + `"GET /hello.txt HTTP/1.1" 200 1024` + "\n" +
			`[21/Nov/2026 00:53:00] error: the file changed while it was sent client=127.0.0.1 request="GET /hello.txt HTTP/1.1"` + "\n"},
		{"no_answer", silent,
			`[21/Nov/2026 00:53:00] info: the connection ended before an answer client=127.0.0.1 request="GET /hello.txt HTTP/1.1"` + "\n"},
		{"no_answer_and_why", lost,
			`[21/Nov/2026 00:53:00] info: reading the request head: EOF client=127.0.0.1 request="GET /hello.txt HTTP/1.1"` + "\n"},
		{"panic", broken, at + "code 500, message Internal Server Error\n" + at + `"GET /hello.txt HTTP/1.1" 500 1024` + "\n" +
			`[21/Nov/2026 00:53:00] error: panic: \x1b[31mboo client=127.0.0.1 request="GET /hello.txt HTTP/1.1"` + "\n\tgoroutine 7:\n\t    f()\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, out := newLog(Text, zapcore.InfoLevel)
			log.Record(c.x)
			if len(out.writes) != 1 || out.writes[0] != c.want {
				t.Errorf("got %q, want one write of %q", out.writes, c.want)
			}
		})
	}
}

func TestJSONRecord(t *testing.T) {
	log, out := newLog(JSON, zapcore.InfoLevel)
	log.Record(hello())
	want := `{"level":"info","logger":"access","ts":"2026-11-20T23:53:00.007Z","msg":"\"GET /hello.txt HTTP/1.1\" 200 1024",` +
		`"request":"GET /hello.txt HTTP/1.1","method":"GET","path":"/hello.txt","client":"127.0.0.1","code":200,"size":1024,` +
		`"duration":0.000123,"request_id":"` + log.ids.start + `-1",` +
		`"protocol":"HTTP/1.1","host":"localhost:8000",` +
		`"user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0","referer":"http://localhost:8000/"}` + "\n"
	if len(out.writes) != 1 || out.writes[0] != want {
		t.Errorf("got %q\nwant %q", out.writes, want)
	}
}

// recordJSON logs x and returns the keys of its record.
func recordJSON(t *testing.T, x *message.Exchange) map[string]any {
	t.Helper()
	log, out := newLog(JSON, zapcore.InfoLevel)
	log.Record(x)
	keys := map[string]any{}
	if len(out.writes) != 1 || strings.Count(out.writes[0], "\n") != 1 || !strings.HasSuffix(out.writes[0], "\n") {
		t.Fatalf("got %q, want one line", out.writes)
	}
	if err := json.Unmarshal([]byte(out.writes[0]), &keys); err != nil {
		t.Fatalf("%v in %q", err, out.writes[0])
	}
	return keys
}

func TestJSONErrorIsWhatTheClientWasToldAndWhatOnlyTheOperatorIs(t *testing.T) {
	denied := errors.New("open a: permission denied")
	f := &message.Failure{Status: 404, Message: "File not found"}
	for _, c := range []struct {
		name    string
		failure *message.Failure
		err     error
		want    any
	}{
		{"none", nil, nil, nil},
		{"failure", f, nil, "File not found"},
		{"failure_of_the_table", &message.Failure{Status: 404}, nil, "Not Found"},
		{"failure_as_error", f, f, "File not found"},
		{"cause", &message.Failure{Status: 404, Message: "File not found", Cause: denied}, nil, "File not found: open a: permission denied"},
		{"cut", nil, message.ErrChanged, "the file changed while it was sent"},
		{"both", f, message.ErrChanged, "File not found; the file changed while it was sent"},
		{"stack", &message.Failure{Status: 500, Cause: errors.New("panic: a\xffb\nf()\n\tf.go:1\n")}, nil,
			"Internal Server Error: panic: a\\xffb\nf()\n    f.go:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := hello()
			x.Failure, x.Err = c.failure, c.err
			if got := recordJSON(t, x)["error"]; got != c.want {
				t.Errorf("error = %q, want %q", got, c.want)
			}
		})
	}
}

func TestJSONNamesTheVersionOfTLS(t *testing.T) {
	x := hello()
	x.Request.TLS = &tls.ConnectionState{Version: tls.VersionTLS13}
	if got := recordJSON(t, x)["tls"]; got != "TLS 1.3" {
		t.Errorf("tls = %q", got)
	}
}

func TestJSONOfAnExchangeWithoutAnAnswer(t *testing.T) {
	keys := recordJSON(t, &message.Exchange{Request: &message.Request{}, Start: night})
	if keys["msg"] != `"" - 0` || keys["code"] != 0.0 || keys["client"] != "-" {
		t.Errorf("got %v", keys)
	}
	for _, key := range []string{"method", "path", "query", "protocol", "host", "user_agent", "referer", "trace_id", "tls", "error"} {
		if value, found := keys[key]; found {
			t.Errorf("%s = %q, want none", key, value)
		}
	}
}

func TestClientIsTheOneBehindTheProxyAndNeverMapped(t *testing.T) {
	for _, c := range []struct{ client, peer, want string }{
		{"", "[::ffff:192.0.2.1]:1", "192.0.2.1"},
		{"::ffff:192.0.2.9", "192.0.2.1:1", "192.0.2.9"},
		{"2001:db8::1", "192.0.2.1:1", "2001:db8::1"},
		{"", "[fe80::1%eth0]:1", "fe80::1%eth0"},
	} {
		x := hello()
		x.Request.Client, x.Request.Peer = netip.Addr{}, netip.MustParseAddrPort(c.peer)
		if c.client != "" {
			x.Request.Client = netip.MustParseAddr(c.client)
		}
		if got := recordJSON(t, x)["client"]; got != c.want {
			t.Errorf("client %q, peer %q: got %q, want %q", c.client, c.peer, got, c.want)
		}
	}
}

// hostile is 8 KiB of every byte there is.
func hostile() string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return strings.Repeat(string(all), 32)
}

func TestHostileBytesStayOneRecord(t *testing.T) {
	x := refused(hostile(), 400, "Bad request syntax ("+hostile()+")")
	x.Request.Proto = hostile()
	x.Request.Fields = message.Fields{{Name: "Host", Value: hostile()}, {Name: "User-Agent", Value: hostile()}, {Name: "Referer", Value: hostile()}}
	x.Err = errors.New(strings.ReplaceAll(hostile(), "\n", ""))
	keys := recordJSON(t, x)
	want := string(appendWire(nil, hostile()))
	if keys["request"] != want || keys["host"] != want || keys["user_agent"] != want {
		t.Errorf("request = %.300q, want %.300q", keys["request"], want)
	}
	if strings.ContainsFunc(want, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
		t.Errorf("a control character in %.300q", want)
	}

	log, out := newLog(Text, zapcore.InfoLevel)
	log.Record(x)
	if got := strings.Count(out.writes[0], "\n"); got != 3 {
		t.Errorf("%d lines, want the two of an error and the entry of what cut the answer", got)
	}
}

func FuzzARequestLineIsOneLineAndCanBeReadBack(f *testing.F) {
	f.Add("GET / HTTP/1.1")
	f.Add(hostile())
	f.Fuzz(func(t *testing.T, line string) {
		shown := string(appendWire(nil, line))
		if strings.ContainsAny(shown, "\r\n\x1b") {
			t.Errorf("%q shows %q", line, shown)
		}
		if got := unescape(shown); got != message.Latin1(line) {
			t.Errorf("%q reads back as %q", line, got)
		}
		if n := plainPrefix(line); n < len(line) && plainPrefix(line[n:n+1]) != 0 || strings.ContainsFunc(line[:n], notPlain) {
			t.Errorf("the first %d bytes of %q are plain", n, line)
		}
	})
}

func notPlain(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }

// FuzzRecord holds that whatever a client sends, its record is one line of JSON that says it.
func FuzzRecord(f *testing.F) {
	f.Add("GET / HTTP/1.1", "127.0.0.1:8000", "open a\n\tb: \xff", int64(123456789), 200)
	f.Add(hostile(), hostile(), hostile(), int64(-1), 0)
	f.Add("\"\\", "", "", int64(3_600_000_000_000), 404)
	f.Fuzz(func(t *testing.T, line, host, problem string, duration int64, status int) {
		x := hello()
		x.Request.Line, x.Request.Fields[0].Value = line, host
		x.Duration, x.Status, x.Err = time.Duration(duration), status, errors.New(problem)
		x.Request.Notes = []string{problem}
		if duration < 0 || time.Duration(duration) > 100*365*24*time.Hour {
			x.Start = night // no year that RFC 3339 cannot express
			x.Duration %= time.Hour
		}
		log, out := newLog(JSON, zapcore.InfoLevel)
		log.Record(x)
		var record struct {
			Request, Host, Note string
			Duration            float64
		}
		if err := json.Unmarshal([]byte(out.writes[0]), &record); err != nil || strings.Count(out.writes[0], "\n") != 1 {
			t.Fatalf("not one line of JSON (%v): %q", err, out.writes[0])
		}
		if got := unescape(record.Request); got != message.Latin1(line) {
			t.Errorf("the record says %q, want %q", got, message.Latin1(line))
		}
		if want := escape(problem); record.Note != want || strings.ContainsFunc(record.Note, isControl) {
			t.Errorf("the note is %q, want %q", record.Note, want)
		}
		if want := float64(x.Duration.Round(time.Microsecond).Microseconds()) / 1e6; record.Duration != want {
			t.Errorf("the duration is %v, want %v", record.Duration, want)
		}
	})
}

// unescape is the inverse of appendWire, as text.
func unescape(shown string) string {
	var b strings.Builder
	for i := 0; i < len(shown); i++ {
		switch {
		case shown[i] != '\\':
			b.WriteByte(shown[i])
		case shown[i+1] == '\\':
			b.WriteByte('\\')
			i++
		default:
			b.WriteRune(rune(strings.IndexByte(hexDigits, shown[i+2])<<4 | strings.IndexByte(hexDigits, shown[i+3])))
			i += 3
		}
	}
	return b.String()
}

func TestEntriesInText(t *testing.T) {
	log, out := newLog(Text, zapcore.InfoLevel)
	log.Debug("not shown")
	log.Warn("the directory cannot be read", zap.String("directory", "/srv/my site"), zap.Int("uid", 65532), zap.Error(errors.New("EACCES")))
	log.Named("tls").With(zap.Duration("after", time.Second)).Info("renewed\nforged\x1b", zap.String("quote", `a"b\`), zap.String("empty", ""))
	log.Error("panic", zap.String("stack", "main.f()\n\t/main.go:7\n"), zap.Time("at", night))
	want := []string{
		`[21/Nov/2026 00:53:00] warn: the directory cannot be read directory="/srv/my site" uid=65532 error=EACCES` + "\n",
		`[21/Nov/2026 00:53:00] info: tls: renewed\x0aforged\x1b after=1s quote="a\"b\\" empty=""` + "\n",
		"[21/Nov/2026 00:53:00] error: panic at=2026-11-21T00:53:00+01:00\n\tmain.f()\n\t    /main.go:7\n",
	}
	for i, line := range want {
		if i >= len(out.writes) || out.writes[i] != line {
			t.Fatalf("got  %q\nwant %q", out.writes, want)
		}
	}
	if len(out.writes) != len(want) {
		t.Errorf("got %q, want no more than %q", out.writes, want)
	}
}

func TestEntriesInJSON(t *testing.T) {
	log, out := newLog(JSON, zapcore.WarnLevel)
	log.Info("not shown")
	log.Warn("no room", zap.Duration("after", 1500*time.Millisecond))
	want := `{"level":"warn","ts":"2026-11-20T23:53:00.007Z","msg":"no room","after":1.5}` + "\n"
	if len(out.writes) != 1 || out.writes[0] != want {
		t.Errorf("got %q, want %q", out.writes, want)
	}
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// named is a value with a text of its own.
type named string

func (n named) String() string { return string(n) }

// Law: what a reader of the JSON gets (jq -r) has no control characters, but for the line feeds of a stack: as in the text.
func TestTextsOfEntriesInJSONAreEscapedAsInText(t *testing.T) {
	const sent, want = "\x1b[31mred\r\n\tforged \u009b2J \\ \xff\x7f\"é", `\x1b[31mred\x0d\x0a\x09forged \x9b2J \\ \xff\x7f"é`
	log, out := newLog(JSON, zapcore.WarnLevel)
	log.With(zap.String("script", sent)).Warn(sent, zap.Error(errors.New(sent)), zap.Stringer("peer", named(sent)),
		zap.String("stack", "main.f()\n\t\x1b/main.go:7\n"))
	keys := map[string]string{}
	if err := json.Unmarshal([]byte(out.writes[0]), &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"msg", "script", "error", "peer"} {
		if keys[key] != want {
			t.Errorf("%s = %q, want %q", key, keys[key], want)
		}
	}
	if want := "main.f()\n    \\x1b/main.go:7"; keys["stack"] != want {
		t.Errorf("stack = %q, want %q", keys["stack"], want)
	}
}

func TestNothingIsRecordedAboveLevelInfo(t *testing.T) {
	for _, format := range []Format{JSON, Text} {
		log, out := newLog(format, zapcore.WarnLevel)
		log.Record(hello())
		if len(out.writes) != 0 {
			t.Errorf("format %d: got %q", format, out.writes)
		}
	}
}

// discard takes records without keeping them.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Sync() error                 { return nil }

func BenchmarkRecordJSON(b *testing.B) { benchmarkRecord(b, JSON, discard{}) }
func BenchmarkRecordText(b *testing.B) { benchmarkRecord(b, Text, discard{}) }

// BenchmarkRecordJSONQueue has the Queue beneath, over a pipe that takes everything.
func BenchmarkRecordJSONQueue(b *testing.B) {
	q := NewQueue(discard{}, JSON, time.Now)
	benchmarkRecord(b, JSON, q)
	_ = q.Close()
}

func benchmarkRecord(b *testing.B, format Format, out zapcore.WriteSyncer) {
	log := New(out, format, zapcore.InfoLevel, message.Profile{}, time.Now)
	x := hello()
	b.ReportAllocs()
	for b.Loop() {
		log.Record(x)
	}
}

func TestDropReportIsALineOfTheLog(t *testing.T) {
	now := func() time.Time { return night }
	if got, want := string(dropReport(Text, now)(7)), "[21/Nov/2026 00:53:00] warn: 7 log records were dropped: the log was not read fast enough\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	line := dropReport(JSON, now)(7)
	if want := `"msg":"7 log records were dropped: the log was not read fast enough","dropped":7}` + "\n"; !bytes.HasSuffix(line, []byte(want)) {
		t.Errorf("got %q, want %q at its end", line, want)
	}
}

// http.server logs the exit code of a script below its request.
func TestNotesFollowTheRecord(t *testing.T) {
	x := hello()
	x.Request.Notes = []string{"CGI script exit code 3"}
	log, out := newLog(Text, zapcore.InfoLevel)
	log.Record(x)
	want := log.clock.at(night).local
	want = "127.0.0.1 - - " + want + ` "GET /hello.txt HTTP/1.1" 200 1024` + "\n127.0.0.1 - - " + want + " CGI script exit code 3\n"
	if len(out.writes) != 1 || out.writes[0] != want {
		t.Errorf("got %q, want one write of %q", out.writes, want)
	}
	if got := recordJSON(t, x)["note"]; got != "CGI script exit code 3" {
		t.Errorf("note = %q", got)
	}
}
