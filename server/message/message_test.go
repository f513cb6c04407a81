package message

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRepr(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"SPAM", "'SPAM'"},
		{"it's", `"it's"`},
		{`it's "so"`, `'it\'s "so"'`},
		{"a\\b\t\r\n\x01\x7f", `'a\\b\t\r\n\x01\x7f'`},
		{"é\u00a0\u00ad", `'é\xa0\xad'`},
		{"日\u200b\U000e0001", `'日\u200b\U000e0001'`},
	} {
		if got := Repr(c.text); got != c.want {
			t.Errorf("Repr(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestLatin1RoundTrip(t *testing.T) {
	var raw []byte
	for i := range 256 {
		raw = append(raw, byte(i))
	}
	text := Latin1(string(raw))
	if got := []rune(text); len(got) != 256 || got[0xe9] != 'é' {
		t.Fatalf("Latin1 made %q", text)
	}
	if got := AppendLatin1(nil, text); !bytes.Equal(got, raw) {
		t.Errorf("AppendLatin1 = %q, want %q", got, raw)
	}
	if got := string(AppendLatin1(nil, "日x")); got != "?x" {
		t.Errorf("AppendLatin1 beyond Latin-1 = %q, want %q", got, "?x")
	}
}

func TestFieldsAreFoundWhateverTheirCaseAndTheFirstCounts(t *testing.T) {
	f := Fields{{"Host", "a"}, {"X-One", "1"}, {"x-one", "2"}}
	if got := f.Get("X-ONE"); got != "1" {
		t.Errorf("Get = %q, want %q", got, "1")
	}
	if got := f.Values("x-One"); strings.Join(got, ",") != "1,2" {
		t.Errorf("Values = %q", got)
	}
	if _, found := f.Lookup("X-Two"); found {
		t.Error("Lookup found a field that is not there")
	}
}

// TestVariantTellsFieldsApart: names, values and their order count, and only characters of an entity-tag come out.
func TestVariantTellsFieldsApart(t *testing.T) {
	seen := map[string]Fields{}
	for _, f := range []Fields{nil, {{"A", "b"}}, {{"A", "c"}}, {{"B", "b"}}, {{"A", "b"}, {"A", "c"}}, {{"A", "c"}, {"A", "b"}}} {
		v := VariantOf(f)
		if other, twice := seen[v]; twice {
			t.Errorf("%v and %v are both %q", f, other, v)
		}
		seen[v] = f
		if v != VariantOf(f) || strings.ContainsAny(v, "\"\\, ") || (v == "") != (len(f) == 0) {
			t.Errorf("VariantOf(%v) = %q", f, v)
		}
	}
}

func TestCompleteMakesTheErrorPage(t *testing.T) {
	p := Profile{}.WithDefaults()
	resp := p.Complete(Fail(404, "<b> & '50%'"))
	if resp.Reason != "<b> & '50%'" || !resp.Close || resp.Status != 404 {
		t.Errorf("got %+v", resp)
	}
	page, _ := InMemory(resp.Body)
	for _, want := range []string{
		"<p>Error code: 404</p>\n", "<p>Message: &lt;b&gt; &amp; '50%'.</p>\n",
		"<p>Error code explanation: 404 - Nothing matches the given URI.</p>\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("page lacks %q:\n%s", want, page)
		}
	}
	if resp = p.Complete(Fail(799, "")); resp.Reason != "???" {
		t.Errorf("reason of an unknown code = %q, want ???", resp.Reason)
	}
	for _, status := range []int{204, 205, 304} {
		if resp = p.Complete(Fail(status, "")); resp.Body != nil || len(resp.Fields) != 0 {
			t.Errorf("status %d has content: %+v", status, resp)
		}
	}
}

// TestFinishSeesEveryAnswer: also the page of an error, and the 500 in place of an answer that cannot be sent.
func TestFinishSeesEveryAnswer(t *testing.T) {
	p := Profile{Finish: func(r *Request, resp Response) Response {
		resp.Fields = append(resp.Fields[:len(resp.Fields):len(resp.Fields)], Field{"X-Method", r.Method})
		return resp
	}}.WithDefaults()
	for name, c := range map[string]struct {
		resp   Response
		status int
	}{
		"answer": {Response{Status: 204}, 204}, "error": {Fail(404, ""), 404},
		"malformed": {Response{Status: 200, Fields: Fields{{"A", "b\r\nC: d"}}}, 500},
	} {
		got := p.Settle(&Request{Method: "GET"}, c.resp)
		if got.Status != c.status || got.Fields.Get("X-Method") != "GET" {
			t.Errorf("%s: %d %v", name, got.Status, got.Fields)
		}
	}
}

func TestCompleteFillsACustomTemplate(t *testing.T) {
	p := Profile{ErrorFormat: "%(code)d %% %(message)s / %(explain)s", ErrorContentType: "text/plain",
		Phrases: map[int]Phrase{404: {"Gone fishing", "back soon"}}}.WithDefaults()
	resp := p.Complete(Fail(404, ""))
	page, _ := InMemory(resp.Body)
	if got, want := string(page), "404 % Gone fishing / back soon"; got != want {
		t.Errorf("page = %q, want %q", got, want)
	}
	if got := resp.Fields.Get("content-type"); got != "text/plain" {
		t.Errorf("Content-Type = %q", got)
	}
}

func TestMethodsAnswers501ForTheRest(t *testing.T) {
	m := Methods{"GET": func(context.Context, *Request) Response { return Response{Status: 200} }}
	if got := m.Serve(t.Context(), &Request{Method: "GET"}); got.Status != 200 {
		t.Errorf("GET: %+v", got)
	}
	got := m.Serve(t.Context(), &Request{Method: "SP\xc4M"})
	if got.Status != 501 || got.Reason != "Unsupported method ('SPÄM')" {
		t.Errorf("got %d %q", got.Status, got.Reason)
	}
}

// lender lends by copying, and notes how much was lent.
type lender struct {
	bytes.Buffer
	lent     int64
	returned bool
}

const margin = 1 << 20

func (l *lender) LendMargin(int64) int64 { return margin }

func (l *lender) AwaitReturned(behind int64) error {
	if behind < margin {
		return fmt.Errorf("%d bytes are behind those lent, want %d at least", behind, margin)
	}
	l.returned = true
	return nil
}

func (l *lender) SendFile(f *os.File, offset, length int64) (int64, error) {
	n, err := io.Copy(&l.Buffer, io.NewSectionReader(f, offset, length))
	l.lent += n
	return n, err
}

func TestFileSectionHoldsBackItsEndUntilTheFileIsUnchanged(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), (2*margin+heldBack)/16+9)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	section := &FileSection{File: open(), Offset: 3, Length: int64(len(content)) - 3}
	var w lender
	section.Unchanged = func() error {
		if missing := int64(len(content)) - 3 - int64(w.Len()); missing == 0 || missing > heldBack {
			t.Errorf("checked with %d bytes still to send, want 1 to %d", missing, heldBack)
		}
		if !w.returned {
			t.Error("checked before the pages were returned")
		}
		return nil
	}
	n, err := section.WriteTo(&w)
	if err != nil || n != section.Length || !bytes.Equal(w.Bytes(), content[3:]) {
		t.Errorf("sent %d of %d bytes, %v", n, section.Length, err)
	}
	if want := section.Length - margin - heldBack; w.lent != want {
		t.Errorf("lent %d bytes, want %d", w.lent, want)
	}
	_ = section.Close()

	w = lender{}
	section = &FileSection{File: open(), Length: int64(len(content)), Unchanged: func() error { return ErrChanged }}
	if n, err := section.WriteTo(&w); err != ErrChanged || n >= section.Length {
		t.Errorf("a changed file: sent %d of %d bytes, %v; want an end before the last", n, section.Length, err)
	}
	_ = section.Close()
}

// TestAFileThatChangesBeforeItsFirstByte is answered with 503: the client may ask again.
func TestAFileThatChangesBeforeItsFirstByte(t *testing.T) {
	section := &FileSection{Offset: 3, Length: 4, Begin: func(offset, length int64) error {
		if offset != 3 || length != 4 {
			t.Errorf("begun with %d, %d", offset, length)
		}
		return ErrChanged
	}}
	n, err := section.WriteTo(io.Discard)
	if f := FailureOf(err); n != 0 || f.Status != 503 || f.Error() != ErrChanged.Error() {
		t.Errorf("%d bytes, %+v", n, f)
	}
}
