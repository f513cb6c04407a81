package site

import (
	"context"
	"crypto/sha256"
	"io"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/tree"
)

// maxPage is how many names the page of a directory has that is made whole, is kept and has a validator. The page of more
// is made while it is sent.
const maxPage = 10_000

// maxListings is the default of Options.MaxListings in bytes.
const maxListings = 256 << 20

// The forms of what is told of a directory.
const (
	plainForm content.Form = 1 + iota // the page of http.server
	richForm                          // the page for people
	jsonForm                          // for programs
)

// listDirectory answers with what is in a directory: list_directory of 3.14. st is its status, as Look has it.
func (s *Site) listDirectory(ctx context.Context, r *message.Request, t *tree.Tree, at reading, st tree.Status) message.Response {
	use(r, at.name, st)
	v, ok := s.viewOf(r, at)
	if !ok {
		return notFound(nil) // a lone surrogate, where CPython dies
	}
	key := sharedKey{tree: t, name: at.name, form: v.form, coding: s.pageCoding(r), loose: v.loose}
	if v.form == plainForm && !key.loose {
		src, found := s.keptPage(t, key, st)
		s.content.CountPage(found)
		if found {
			return s.sendPage(r, src)
		}
	}
	found, joined := s.listings.join(key, func(d *listing.Directory) bool {
		return d.Status == st && d.Links.LeadAsBefore(t, at.name)
	})
	if !joined {
		var err error
		found, err = s.listings.get(ctx, key, s.opts.Content.Disk, func() (*shared, error) { return s.readPage(ctx, key, v) })
		if err != nil {
			return refuseListing(t, at.name, err)
		}
	}
	src := found.page
	if src.Body == nil && key.loose && len(found.dir.Entries) <= maxPage {
		if own, fits := s.wholePage(key, found, v); fits {
			found.leave()
			return s.sendPage(r, s.codePage(ctx, key, own))
		}
	}
	if src.Body == nil {
		return s.streamPage(found, v)
	}
	data, _ := message.InMemory(src.Body)
	src.Body = &sharedPage{found, data}
	return s.sendPage(r, src)
}

// view is how a directory is shown.
type view struct {
	site *Site
	form content.Form
	name string
	// title is the path that http.server shows, in the bytes of file names.
	title string
	// up is how many directories there are in the path as it is spelled.
	up int
	// loose is set where the path is spelled so that the page is another one than that of the directory's own path. It is
	// not kept: of such spellings, as of /./a/, there is no end.
	loose bool
}

// viewOf returns the view that a request gets.
func (s *Site) viewOf(r *message.Request, at reading) (v view, ok bool) {
	v = view{site: s, form: plainForm, name: at.name, title: at.title}
	if s.isRich() && prefersJSON(r.Fields) {
		v.form = jsonForm
		return v, true
	}
	if s.isRich() {
		v.form = richForm
		v.up = depth(targetPath(r.Target))
		v.loose = v.up != depth(ownPath(at.name))
		return v, true
	}
	if v.title == "" {
		if v.title, ok = fsencode(unquote(message.Latin1(targetPath(r.Target)))); !ok {
			return v, false
		}
	}
	v.loose = v.title != ownPath(at.name)
	return v, true
}

func (s *Site) isRich() bool { return s.opts.Listing == ListingRich && !s.opts.Exact }

// depth is how many directories a client takes a path to lead through that ends in a slash: what is left of it without dot
// segments (RFC 3986, section 5.2.4).
func depth(path string) int {
	n := 0
	for segment := range strings.SplitSeq(path, "/") {
		switch message.Unquote(segment) {
		case ".":
		case "..":
			n = max(n-1, 1)
		default:
			n++
		}
	}
	return max(n-2, 0) // what is before the first slash and behind the last
}

// page is one that can be made.
type page interface {
	// Size returns about how many bytes it has.
	Size() int
	Write(io.Writer) error
}

// page returns the page of a directory.
func (v *view) page(found *shared) page {
	s := v.site
	if v.form == plainForm {
		p := &listing.Plain{Directory: found.dir, Title: v.title, Head: listing.Icon}
		if s.opts.Exact {
			p.Head = ""
		}
		return p
	}
	if v.form == jsonForm {
		return &listing.JSON{Directory: found.dir}
	}
	p := &listing.Rich{Directory: found.dir, Path: ownPath(v.name), Up: v.up, Readme: found.readme, Text: found.text, Archives: s.makesArchives(), Zone: s.opts.Zone}
	if v.name == "." {
		p.Hint = s.opts.EmptyHint
	}
	return p
}

// pageCoding is the coding in which a page is sent.
func (s *Site) pageCoding(r *message.Request) coding.Coding {
	if accepted, some := s.accepts(r); some {
		return s.content.PageCoding(accepted)
	}
	return coding.Identity
}

// keptPage returns a page that is kept in a coding, if the directory has the status st still, and its links lead where
// they did.
func (s *Site) keptPage(t *tree.Tree, key sharedKey, st tree.Status) (content.Source, bool) {
	plain, found := s.content.Page(key.name, key.form, coding.Identity, func(state *content.State) bool {
		return state.Status == st && state.Description.(*listed).links.LeadAsBefore(t, key.name)
	})
	if !found || key.coding == coding.Identity {
		return plain, found
	}
	coded, found := s.codedPage(key, plain)
	switch {
	case found:
		plain.Close()
		return coded, true
	case plain.Description.(*listed).uncoded.Load()&(1<<key.coding) != 0:
		return plain, true
	}
	plain.Close()
	return content.Source{}, false
}

// codedPage returns what is kept of a page in a coding.
func (s *Site) codedPage(key sharedKey, plain content.Source) (content.Source, bool) {
	tag := content.CodedTag(plain.Tag, key.coding)
	return s.content.Page(key.name, key.form, key.coding, func(state *content.State) bool { return state.Tag == tag })
}

// readPage reads a directory for all who have asked, and makes its page if that is to be sent whole.
func (s *Site) readPage(ctx context.Context, key sharedKey, v view) (*shared, error) {
	st, err := key.tree.Look(key.name, true)
	if err != nil {
		return nil, err
	}
	plain := key.form == plainForm
	if plain && !key.loose {
		if kept, found := s.keptPage(key.tree, sharedKey{tree: key.tree, name: key.name, form: key.form}, st); found {
			return &shared{page: s.codePage(ctx, key, kept)}, nil
		}
	}
	read := s.now()
	opts := listing.Options{Room: s.names.take}
	if !plain {
		opts.Natural, opts.Detailed = true, maxPage
	}
	dir, err := listing.Read(key.tree, key.name, opts)
	if err != nil {
		return nil, err
	}
	names := &shared{dir: dir, settled: content.IsSettled(dir.Status, read), free: func() { s.names.take(-dir.Taken) }}
	if len(dir.Entries) > maxPage {
		return names, nil
	}
	if key.form == richForm {
		s.addReadme(ctx, key, names)
	}
	if key.loose {
		return names, nil
	}
	keeps := names.settled
	if !plain {
		// What is kept is true of what was just seen, whenever it was seen before.
		names.sum, keeps = dir.Sum(names.readme, names.text), true
		kept, found := s.content.Page(key.name, key.form, coding.Identity, func(state *content.State) bool { return state.Description.(*listed).sum == names.sum })
		s.content.CountPage(found)
		if found {
			names.free()
			return &shared{page: s.codePage(ctx, key, kept)}, nil
		}
	}
	made, fits := s.wholePage(key, names, v)
	if !fits {
		return names, nil
	}
	if keeps {
		if kept, found := s.content.KeepPage(key.form, made.State, made.Body.(*lent).Bytes, made.Description.(*listed).links.Size()); found {
			made.Close()
			made = kept
		}
	}
	names.free()
	return &shared{page: s.codePage(ctx, key, made)}, nil
}

// wholePage makes a page in memory, if there is room for it.
func (s *Site) wholePage(key sharedKey, names *shared, v view) (made content.Source, fits bool) {
	p := v.page(names)
	size := int64(p.Size())
	if !s.content.Take(size) {
		return made, false
	}
	text := whole{make([]byte, 0, size)}
	_ = p.Write(&text) // memory takes all
	state := s.content.DescribePage(key.name, names.dir.Status, text.data, func(state *content.State) any {
		return &listed{representation: s.describePage(state, key.form), links: names.dir.Links.Clone(), sum: names.sum}
	})
	return content.Source{State: state, Body: &lent{message.Bytes(text.data), func() { s.content.Give(size) }}}, true
}

// readmes are the files whose text is shown below the names of a directory, in lower case; the first one that there is.
var readmes = [...]string{"readme.md", "readme.txt", "readme", "index.md"}

// maxReadme is how many bytes of text are shown.
const maxReadme = 128 << 10

// addReadme adds the text of the readme, if there is one that is text in UTF-8 and not too long.
func (s *Site) addReadme(ctx context.Context, key sharedKey, names *shared) {
	best := len(readmes)
	for _, e := range names.dir.Entries {
		if len(e.Name) > len("readme.txt") {
			continue
		}
		if rank := slices.Index(readmes[:best], strings.ToLower(e.Name)); rank >= 0 {
			best, names.readme = rank, e.Name
		}
	}
	if names.readme == "" {
		return
	}
	name := path.Join(key.name, names.readme)
	st, found := lookFile(key.tree, name)
	if found && st.Size <= maxReadme {
		if src, err := s.content.Get(ctx, key.tree, name, st, content.Accepts{}); err == nil {
			defer src.Close()
			if data, inMemory := message.InMemory(src.Body); inMemory && len(data) <= maxReadme && utf8.Valid(data) && s.names.take(int64(len(data))) {
				names.text = strings.TrimPrefix(string(data), "\ufeff")
				free := names.free
				names.free = func() { free(); s.names.take(-int64(len(data))) }
			}
		}
	}
	if names.text == "" {
		names.readme = ""
	}
}

// codePage returns a page in the coding that is wanted, or as it is where that is no better. It takes the page over.
func (s *Site) codePage(ctx context.Context, key sharedKey, plain content.Source) content.Source {
	if key.coding == coding.Identity {
		return plain
	}
	if coded, found := s.codedPage(key, plain); found {
		plain.Close()
		return coded
	}
	of := plain.Description.(*listed)
	state, packed := s.content.CodePage(ctx, plain, key.coding, func(state *content.State) any {
		return &listed{representation: s.describePage(state, key.form)}
	})
	size := int64(len(packed))
	if state == nil {
		if ctx.Err() == nil {
			of.uncoded.Or(1 << key.coding)
		}
		return plain
	}
	if _, loose := plain.Body.(*lent); !loose {
		if coded, found := s.content.KeepPage(key.form, state, packed, 0); found {
			plain.Close()
			return coded
		}
	}
	if !s.content.Take(size) {
		return plain
	}
	plain.Close()
	return content.Source{State: state, Body: &lent{message.Bytes(packed), func() { s.content.Give(size) }}}
}

// sendPage answers with the page of a directory, or with what is asked about it.
func (s *Site) sendPage(r *message.Request, page content.Source) message.Response {
	of := page.Description.(*listed).representation
	if s.opts.Exact {
		return message.Response{Status: 200, Fields: of.fields, Body: page.Body}
	}
	if r.Variant != "" {
		of = of.variant(r.Variant)
	}
	if resp, done := s.precondition(r, page, of, s.now()); done {
		return resp
	}
	return message.Response{Status: 200, Fields: of.fields, Body: page.Body}
}

// pieceMemory is how many bytes an answer takes whose page is made while it is sent.
const pieceMemory = 64 << 10

// streamPage answers with a page that is made while it is sent. http.server says how long it is.
func (s *Site) streamPage(found *shared, v view) message.Response {
	p := v.page(found)
	if !s.names.take(pieceMemory) {
		found.leave()
		return busy("Too many listings are being sent; try again", nil)
	}
	c := found.key.coding
	if c != coding.Identity && !s.content.TakeStream() {
		c = coding.Identity
	}
	body := message.Body(message.NewStream(func(w io.Writer) error { return content.EncodeTo(w, c, p.Write) }))
	if s.opts.Exact {
		var length counter
		if err := p.Write(&length); err == nil { // always: it only counts
			body = message.NewSizedStream(int64(length), p.Write)
		}
	}
	free := func() {
		if c != coding.Identity {
			s.content.GiveStream()
		}
		s.names.take(-pieceMemory)
		found.leave()
	}
	state := &content.State{Coding: c}
	return message.Response{Status: 200, Fields: s.describePage(state, v.form).fields, Body: &madePage{body, free}}
}

// listed is what is kept with the page of a directory.
type listed struct {
	*representation
	links listing.Links
	// sum tells what a rich page was made of.
	sum [sha256.Size]byte
	// uncoded has a bit for each coding in which the page is no smaller.
	uncoded atomic.Uint32
}

// whole collects a page.
type whole struct{ data []byte }

func (w *whole) Write(p []byte) (int, error) {
	w.data = append(w.data, p...)
	return len(p), nil
}

// counter counts the bytes of a page.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// lent is a message.Body in memory that is to be given back.
type lent struct {
	message.Bytes
	give func()
}

// InMemory returns the content, see message.InMemory.
func (l *lent) InMemory() []byte { return l.Bytes }

// Close gives the memory back.
func (l *lent) Close() error {
	l.give()
	return nil
}

// room is memory for the names in directories.
type room struct{ *budget.Budget }

// take takes some bytes, and says whether there were as many. Fewer than none are given back.
func (r *room) take(bytes int64) bool {
	if bytes <= 0 {
		r.Release(-bytes)
		return true
	}
	return r.TryAcquire(bytes)
}

// ownPath is the path of a directory to which redirects and listings lead.
func ownPath(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + name + "/"
}
