package site

import (
	"context"
	"io"
	"sync/atomic"

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

// plainForm is the page of http.server.
const plainForm content.Form = 1

// listDirectory answers with a page of the names in a directory: list_directory of 3.14. st is its status,
// as Look has it.
//
// Only the page with the directory's own path is kept: of others, as of /./a/, there is no end.
func (s *Site) listDirectory(ctx context.Context, r *message.Request, t *tree.Tree, at reading, st tree.Status) message.Response {
	name, title := at.name, at.title
	use(r, name, st)
	if title == "" {
		decoded, ok := fsencode(unquote(message.Latin1(targetPath(r.Target))))
		if !ok {
			return notFound(nil) // a lone surrogate, where CPython dies
		}
		title = decoded
	}
	page := func(d *listing.Directory) page { return s.plainPage(d, title) }
	key := sharedKey{tree: t, name: name, form: plainForm, coding: s.pageCoding(r), loose: title != ownPath(name)}
	if !key.loose {
		src, found := s.keptPage(t, key, st)
		s.content.CountPage(found)
		if found {
			return s.sendPage(r, src)
		}
	}
	found, joined := s.listings.join(key, func(d *listing.Directory) bool {
		return d.Status == st && d.Links.LeadAsBefore(t, name)
	})
	if !joined {
		var err error
		found, err = s.listings.get(ctx, key, s.opts.Content.Disk, func() (*shared, error) { return s.readPage(ctx, key, page) })
		if err != nil {
			return refuseListing(t, name, err)
		}
	}
	src := found.page
	if src.Body == nil && key.loose && len(found.dir.Entries) <= maxPage {
		if own, fits := s.wholePage(key, found.dir, page(found.dir)); fits {
			found.leave()
			return s.sendPage(r, s.codePage(ctx, key, own))
		}
	}
	if src.Body == nil {
		return s.streamPage(found, page(found.dir))
	}
	data, _ := message.InMemory(src.Body)
	src.Body = &sharedPage{found, data}
	return s.sendPage(r, src)
}

// page is one that can be made.
type page interface {
	// Size returns about how many bytes it has.
	Size() int
	Write(io.Writer) error
}

func (s *Site) plainPage(d *listing.Directory, title string) page {
	p := &listing.Plain{Directory: d, Title: title, Head: listing.Icon}
	if s.opts.Exact {
		p.Head = ""
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
func (s *Site) readPage(ctx context.Context, key sharedKey, page func(*listing.Directory) page) (*shared, error) {
	st, err := key.tree.Look(key.name, true)
	if err != nil {
		return nil, err
	}
	if !key.loose {
		if kept, found := s.keptPage(key.tree, sharedKey{tree: key.tree, name: key.name, form: key.form}, st); found {
			return &shared{page: s.codePage(ctx, key, kept)}, nil
		}
	}
	read := s.now()
	dir, err := listing.Read(key.tree, key.name, s.names.take)
	if err != nil {
		return nil, err
	}
	names := &shared{dir: dir, settled: content.IsSettled(dir.Status, read), free: func() { s.names.take(-dir.Taken) }}
	if key.loose || len(dir.Entries) > maxPage {
		return names, nil
	}
	made, fits := s.wholePage(key, dir, page(dir))
	if !fits {
		return names, nil
	}
	if names.settled {
		if kept, found := s.content.KeepPage(key.form, made.State, made.Body.(*lent).Bytes, made.Description.(*listed).links.Size()); found {
			made.Close()
			made = kept
		}
	}
	names.free()
	return &shared{page: s.codePage(ctx, key, made)}, nil
}

// wholePage makes a page in memory, if there is room for it.
func (s *Site) wholePage(key sharedKey, dir *listing.Directory, p page) (made content.Source, fits bool) {
	size := int64(p.Size())
	if !s.content.Take(size) {
		return made, false
	}
	text := whole{make([]byte, 0, size)}
	_ = p.Write(&text) // memory takes all
	state := s.content.DescribePage(key.name, dir.Status, text.data, func(state *content.State) any {
		return &listed{representation: s.describePage(state), links: dir.Links.Clone()}
	})
	return content.Source{State: state, Body: &lent{message.Bytes(text.data), func() { s.content.Give(size) }}}, true
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
		return &listed{representation: s.describePage(state)}
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
func (s *Site) streamPage(found *shared, p page) message.Response {
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
	return message.Response{Status: 200, Fields: s.describePage(state).fields, Body: &madePage{body, free}}
}

// listed is what is kept with the page of a directory.
type listed struct {
	*representation
	links listing.Links
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
