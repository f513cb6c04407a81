package site

import (
	"context"
	"io"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/listing"
)

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
		opts.Natural, opts.Detailed, opts.Before = true, maxPage, s.namesBefore(key)
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
		kept, found := s.content.Page(s.directory, key.name, key.form, coding.Identity, func(state *content.State) bool { return state.Description.(*listed).sum == names.sum })
		s.content.CountPage(found)
		if found {
			kept.Description.(*listed).remember(names)
			names.free()
			return &shared{page: s.codePage(ctx, key, kept)}, nil
		}
	}
	made, fits := s.wholePage(key, names, v)
	if !fits {
		return names, nil
	}
	if keeps {
		if kept, found := s.content.KeepPage(s.directory, key.form, made.State, made.Body.(*lent).Bytes, made.Description.(*listed).size); found {
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
		of := &listed{representation: s.describePage(state, key.form), links: names.dir.Links.Clone(), sum: names.sum}
		of.size = of.links.Size()
		if key.form != plainForm {
			of.size += names.dir.NamesSize()
			of.remember(names)
		}
		return of
	})
	return content.Source{State: state, Body: &lent{message.Bytes(text.data), func() { s.content.Give(size) }}}, true
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
