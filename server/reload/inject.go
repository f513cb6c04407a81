package reload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/conditional"
)

// answering is a request and what its answer depends on.
type answering struct {
	reload  *Reload
	next    message.Handler
	ctx     context.Context
	request *message.Request
	path    string
	page    bool // it is a page that is asked for
	files   []message.File
}

// answer answers a GET or HEAD.
func (a *answering) answer() message.Response {
	rl, r := a.reload, a.request
	given := r.Fields
	if a.page = rl.opts.Pages && asksForPage(given); a.page {
		r.Fields = whole(given)
	}
	resp := a.ask()
	if rl.opts.Wait > 0 && slices.ContainsFunc(a.files, func(f message.File) bool { return !f.State.Found }) {
		if missed := rl.missed(a.files, time.Now()); len(missed) > 0 {
			resp = a.await(missed, resp)
		}
	}
	r.Fields = given
	if !rl.opts.Pages {
		return resp
	}
	if a.page {
		return a.inject(resp)
	}
	if isHTML(resp.Fields) {
		resp.Fields = vary(resp.Fields)
	}
	return resp
}

// maxFiles is how many names of one answer are noted.
const maxFiles = 64

func (a *answering) use(f message.File) {
	if len(a.files) < maxFiles {
		a.files = append(a.files, f)
	}
}

// ask asks the site, and notes what the answer depends on.
func (a *answering) ask() message.Response {
	rl, r := a.reload, a.request
	a.files = a.files[:0]
	r.Uses = a.use
	resp := a.next(a.ctx, r)
	r.Uses = nil
	if len(a.files) == 0 || r.Method == "HEAD" || len(a.path) > maxPath {
		return resp
	}
	if a.page && len(rl.opts.Always) > 0 {
		rl.opts.Site.See(rl.opts.Always, func(i int, state message.FileState) {
			a.use(message.File{Name: rl.opts.Always[i], State: state})
		})
	}
	rl.note(a.path, a.files, a.page && (resp.Failure() != nil || isHTML(resp.Fields)))
	return resp
}

// note notes what the answer to a path depends on.
func (rl *Reload) note(path string, files []message.File, document bool) {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	t, fresh := rl.known.note(path, files, time.Now())
	if t.document = t.document || document; t.document {
		for _, n := range t.served.names {
			n.document = true
		}
	}
	if !fresh {
		return
	}
	for p := range rl.pages {
		if p.all {
			p.follow(rl, t)
		}
	}
}

// follow has one who is told of all that is known be told of a path, too.
func (p *page) follow(rl *Reload, t *target) {
	var more serving
	for i, n := range t.served.names {
		if !slices.ContainsFunc(p.uses, func(u use) bool { return u.name == n && u.target == t.path }) {
			more.names, more.versions = append(more.names, n), append(more.versions, t.served.versions[i])
		}
	}
	p.add(rl, t.path, &more, t.document)
}

// resolve asks the site for a path that a page shows and nothing is known of, only for what it depends on.
func (a *answering) resolve(path string, page bool) {
	if !strings.HasPrefix(path, "/") || len(path) > maxPath || strings.HasPrefix(path, prefix) || a.reload.opts.IsScript(path) {
		return
	}
	accept, given := "*/*", *a.request
	if page {
		accept = "text/html"
	}
	fields := message.Fields{{Name: "Host", Value: given.Fields.Get("Host")}, {Name: "Accept", Value: accept}}
	asked := given
	asked.Method, asked.Target, asked.Fields = "HEAD", (&url.URL{Path: path}).EscapedPath(), fields
	asked.Content, asked.ContentLength = message.NoContent{}, 0
	a.files = nil
	asked.Uses = a.use
	resp := a.next(a.ctx, &asked)
	resp.Discard()
	if len(a.files) > 0 {
		a.reload.note(path, a.files, page)
	}
}

// asksForPage says whether a browser asks for a page, in a window or a frame: by Fetch metadata, or where it sends none
// by naming text/html.
func asksForPage(fields message.Fields) bool {
	if dest, sent := fields.Lookup("Sec-Fetch-Dest"); sent {
		return dest == "document" || dest == "iframe" || dest == "frame"
	}
	if _, sent := fields.Lookup("Sec-Fetch-Mode"); sent {
		return false
	}
	for _, accept := range fields.Values("Accept") {
		for item := range strings.SplitSeq(accept, ",") {
			media, _, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.Trim(media, " \t"), "text/html") {
				return true
			}
		}
	}
	return false
}

// whole is what a request asks for without that which allows less than the whole, as it is: ranges, preconditions, codings.
func whole(fields message.Fields) message.Fields {
	list := make(message.Fields, 0, len(fields))
	for _, f := range fields {
		if strings.EqualFold(f.Name, "Range") || strings.EqualFold(f.Name, "Accept-Encoding") || len(f.Name) > 3 && strings.EqualFold(f.Name[:3], "If-") {
			continue
		}
		list = append(list, f)
	}
	return list
}

func isHTML(fields message.Fields) bool {
	kind := mediaType(fields)
	return kind == "text/html" || kind == xhtml
}

const xhtml = "application/xhtml+xml"

func mediaType(fields message.Fields) string {
	kind, _, _ := strings.Cut(fields.Get("Content-Type"), ";")
	return strings.ToLower(strings.Trim(kind, " \t"))
}

// vary says that an answer depends on what asks for it.
func vary(fields message.Fields) message.Fields {
	list := make(message.Fields, 0, len(fields)+1)
	var names []string
	for _, f := range append(fields[:len(fields):len(fields)], message.Field{Name: "Vary", Value: "Sec-Fetch-Dest, Accept"}) {
		if !strings.EqualFold(f.Name, "Vary") {
			list = append(list, f)
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			name = strings.Trim(name, " \t")
			if name != "" && !slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(name, other) }) {
				names = append(names, name)
			}
		}
	}
	return append(list, message.Field{Name: "Vary", Value: strings.Join(names, ", ")})
}

// inject puts the tag of the script into a page. The tag says which state the page shows, so that the page is another
// representation with another entity-tag.
func (a *answering) inject(resp message.Response) message.Response {
	resp = a.reload.opts.Profile.Complete(resp)
	if resp.Body == nil || !isHTML(resp.Fields) {
		return resp
	}
	resp.Fields = vary(resp.Fields)
	if _, coded := resp.Fields.Lookup("Content-Encoding"); coded || !message.AllowsContent(resp.Status) || isDownload(resp.Fields) {
		return resp
	}
	body, tag, ok := a.tagged(resp)
	if !ok {
		return resp
	}
	fields := make(message.Fields, 0, len(resp.Fields))
	etag := ""
	for _, f := range resp.Fields {
		switch {
		case strings.EqualFold(f.Name, "Last-Modified"), strings.EqualFold(f.Name, "Accept-Ranges"):
			continue
		case strings.EqualFold(f.Name, "ETag") && strings.HasSuffix(f.Value, `"`):
			sum := sha256.Sum256(tag)
			f.Value = strings.TrimSuffix(f.Value, `"`) + "." + base64.RawURLEncoding.EncodeToString(sum[:6]) + `"`
			etag = f.Value
		}
		fields = append(fields, f)
	}
	resp.Fields, resp.Body = fields, body
	if resp.Status != 200 || resp.Err != nil {
		return resp
	}
	switch conditional.Evaluate(a.request.Method, a.request.Fields, conditional.Validators{ETag: etag}, time.Now()) {
	case conditional.NotModified:
		resp.Discard()
		resp.Status = 304
		resp.Fields = slices.DeleteFunc(fields, func(f message.Field) bool {
			return len(f.Name) > 8 && strings.EqualFold(f.Name[:8], "Content-") && !strings.EqualFold(f.Name, "Content-Security-Policy")
		})
	case conditional.PreconditionFailed:
		resp.Discard()
		return message.Fail(412, "")
	}
	return resp
}

// isDownload says whether a page is to be saved, not shown.
func isDownload(fields message.Fields) bool {
	kind, _, _ := strings.Cut(fields.Get("Content-Disposition"), ";")
	return strings.EqualFold(strings.Trim(kind, " \t"), "attachment")
}

// tagged returns a body with the tag in it, and the tag. ok is false where there is no place for it.
func (a *answering) tagged(resp message.Response) (body message.Body, tag []byte, ok bool) {
	content, inMemory := message.InMemory(resp.Body)
	first := content
	if section, isFile := resp.Body.(*message.FileSection); isFile {
		first = make([]byte, 3)
		n, _ := section.File.ReadAt(first, section.Offset) // what cannot be read shows when it is sent
		first = first[:n]
	}
	absolute := !inMemory || hasBase(content)
	if mediaType(resp.Fields) == xhtml {
		at := lastEndTag(content)
		if at < 0 || isUTF16(first, resp.Fields) != 0 {
			return nil, nil, false
		}
		tag = a.tag(absolute, ` xmlns="http://www.w3.org/1999/xhtml" async=""`)
		return spliced(resp.Body, content[:at], tag, content[at:]), tag, true
	}
	tag = a.tag(absolute, " async")
	if order := isUTF16(first, resp.Fields); order != 0 {
		if resp.Body.Len()%2 != 0 {
			return nil, nil, false
		}
		tag = inUTF16(tag, order)
	}
	if inMemory {
		return spliced(resp.Body, content, tag), tag, true
	}
	return &tailed{resp.Body, tag}, tag, true
}

// tag is the element that loads the script, in ASCII. Where it may be it is relative to the page, so that it holds behind a
// proxy that takes a prefix away; a base element would change what that means.
func (a *answering) tag(absolute bool, attributes string) []byte {
	of := shows{}
	for _, f := range a.files {
		of[encoded(f.Name)] = versionOf(f.State).String()
	}
	text, err := json.Marshal(map[string]shows{a.path: of})
	if err != nil {
		panic(err) // a map of texts always has a form
	}
	path, _, _ := strings.Cut(a.request.Target, "?")
	source := strings.Repeat("../", max(0, strings.Count(path, "/")-1)) + scriptPath[1:]
	if absolute {
		source = a.request.Prefix + scriptPath
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n<script%s src=\"%s\" data-shows='", attributes, source)
	for _, c := range string(text) {
		switch {
		case c == '\'':
			b.WriteString(`\u0027`)
		case c < 0x7f:
			b.WriteRune(c)
		default:
			for _, unit := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	b.WriteString("'></script>\n")
	return b.Bytes()
}

// hasBase says whether there seems to be a base element.
func hasBase(content []byte) bool {
	for rest := content; ; {
		i := bytes.IndexByte(rest, '<')
		if i < 0 || len(rest) < i+5 {
			return false
		}
		if rest = rest[i+1:]; bytes.EqualFold(rest[:4], []byte("base")) || bytes.EqualFold(rest[:4], []byte("\x00b\x00a")) || bytes.EqualFold(rest[:4], []byte("b\x00a\x00")) {
			return true
		}
	}
}

// lastEndTag is where the root element of XML ends, -1 if that is not seen. Comments may come after it.
func lastEndTag(content []byte) int {
	for {
		trimmed := bytes.TrimRight(content, " \t\r\n")
		if !bytes.HasSuffix(trimmed, []byte("-->")) {
			return bytes.LastIndex(trimmed, []byte("</"))
		}
		i := bytes.LastIndex(trimmed, []byte("<!--"))
		if i < 0 {
			return -1
		}
		content = trimmed[:i]
	}
}

// isUTF16 says whether a page is in UTF-16, by its byte order mark or what its Content-Type says: 'l' or 'b' for the order of
// bytes, 0 for another coding.
func isUTF16(first []byte, fields message.Fields) byte {
	switch {
	case bytes.HasPrefix(first, []byte("\xff\xfe")):
		return 'l'
	case bytes.HasPrefix(first, []byte("\xfe\xff")):
		return 'b'
	case bytes.HasPrefix(first, []byte("\xef\xbb\xbf")):
		return 0
	}
	kind := strings.ToLower(fields.Get("Content-Type"))
	switch _, charset, _ := strings.Cut(kind, "charset="); strings.Trim(charset, `" `) {
	case "utf-16", "utf-16le":
		return 'l'
	case "utf-16be":
		return 'b'
	}
	return 0
}

func inUTF16(ascii []byte, order byte) []byte {
	list := make([]byte, 0, 2*len(ascii))
	for _, c := range ascii {
		if order == 'l' {
			list = append(list, c, 0)
		} else {
			list = append(list, 0, c)
		}
	}
	return list
}

// maxCopied is how many bytes of content are copied to have them in one piece, which is sent at once. A larger copy would be held
// for each client that is slow.
const maxCopied = 16 << 10

// spliced is a body in memory that is made of pieces, some of them those of another body.
func spliced(from message.Body, list ...[]byte) message.Body {
	if from.Len() <= maxCopied {
		return closing{message.Bytes(slices.Concat(list...)), from}
	}
	return pieces{from, list}
}

// pieces are parts of a body with something between or after them.
type pieces struct {
	message.Body
	list [][]byte
}

// Len is the length of all.
func (p pieces) Len() (n int64) {
	for _, piece := range p.list {
		n += int64(len(piece))
	}
	return n
}

// WriteTo writes one after the other.
func (p pieces) WriteTo(w io.Writer) (n int64, err error) {
	for _, piece := range p.list {
		m, err := w.Write(piece)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// closing is content in memory that closes the body that it was made from.
type closing struct {
	message.Bytes
	from message.Body
}

// InMemory returns the content, see message.InMemory.
func (c closing) InMemory() []byte { return c.Bytes }

// Close closes the body.
func (c closing) Close() error { return c.from.Close() }

// tailed is a body with something after it.
type tailed struct {
	message.Body
	tail []byte
}

// Len is the length of both, -1 if that of the body is not known.
func (t *tailed) Len() int64 {
	if n := t.Body.Len(); n >= 0 {
		return n + int64(len(t.tail))
	}
	return -1
}

// WriteTo writes the body and then the tail.
func (t *tailed) WriteTo(w io.Writer) (int64, error) {
	n, err := t.Body.WriteTo(w)
	if err != nil {
		return n, err
	}
	m, err := w.Write(t.tail)
	return n + int64(m), err
}
