package site

import (
	"context"
	"crypto/sha256"
	"sync/atomic"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/content"
	"github.com/previewd/previewd/server/site/listing"
	"github.com/previewd/previewd/server/site/tree"
)

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
	plain, found := s.content.Page(s.directory, key.name, key.form, coding.Identity, func(state *content.State) bool {
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
	return s.content.Page(s.directory, key.name, key.form, key.coding, func(state *content.State) bool { return state.Tag == tag })
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
		if coded, found := s.content.KeepPage(s.directory, key.form, state, packed, 0); found {
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

// listed is what is kept with the page of a directory.
type listed struct {
	*representation
	links listing.Links
	// sum tells what a rich page was made of, names has its names in their order, as soon as the directory's status tells
	// any change of them.
	sum   [sha256.Size]byte
	names atomic.Pointer[listing.Names]
	// size is how many bytes of memory links and names take.
	size int
	// uncoded has a bit for each coding in which the page is no smaller.
	uncoded atomic.Uint32
}

// remember keeps the names for the next reading.
func (l *listed) remember(names *shared) {
	if names.settled && names.dir.Status != l.names.Load().Status() {
		l.names.Store(names.dir.Names())
	}
}

// namesBefore returns the names with which a page is kept, nil if there are none.
func (s *Site) namesBefore(key sharedKey) *listing.Names {
	kept, found := s.content.Page(s.directory, key.name, key.form, coding.Identity, func(*content.State) bool { return true })
	if !found {
		return nil
	}
	defer kept.Close()
	return kept.Description.(*listed).names.Load()
}
