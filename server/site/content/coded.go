package content

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/tree"
)

// minCompressed is the size in bytes from which on text is compressed: below it the fields of the answer
// weigh more than what is saved, and all of it fits in a packet.
const minCompressed = 512

// codings in the server's order: what is equally welcome comes from the smallest precompressed file, but is made in
// the fastest way.
var (
	ready = [...]coding.Coding{coding.Br, coding.Zstd, coding.Gzip}
	made  = [...]coding.Coding{coding.Zstd, coding.Br, coding.Gzip}
)

// candidate is a coded content that there may be.
type candidate struct {
	coding coding.Coding
	made   bool
}

// coded returns the content of a file in the best coding that is accepted, if there is one better than none. st is
// the file's status.
func (s *Store) coded(ctx context.Context, t *tree.Tree, name string, st tree.Status, a Accepts) (Source, bool) {
	large := st.Size > s.opts.MaxFile
	makes := a.Made && s.opts.Compress == CompressAuto && st.Size >= minCompressed && (!large || a.Streams && st.Size <= s.opts.MaxCoded)
	var list [len(ready) + len(made)]candidate
	for _, c := range candidates(list[:0], a.Codings, makes) {
		find := s.precompressed
		switch {
		case c.made && large:
			find = s.streamed
			// A coding that is kept is better than one that is equally welcome and would have to be made.
			for _, other := range made {
				if a.Codings.Q(other) == a.Codings.Q(c.coding) && s.holds(key{of: t.Of(), name: name, coding: other, made: true}, st) {
					c.coding = other
					break
				}
			}
		case c.made:
			find = s.encoded
		}
		if src, err := find(ctx, t, name, st, c.coding); err == nil {
			return src, !src.plain
		}
	}
	return Source{}, false
}

// candidates appends to list what to try, the most welcome first: by weight, precompressed files before what is to be
// made, then in the server's order.
func candidates(list []candidate, accepted coding.Accepted, makes bool) []candidate {
	identity := accepted.Q(coding.Identity)
	for _, c := range ready {
		if q := accepted.Q(c); q > 0 && q >= identity {
			list = append(list, candidate{c, false})
		}
	}
	for _, c := range made {
		if q := accepted.Q(c); makes && q > 0 && q >= identity {
			list = append(list, candidate{c, true})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return accepted.Q(b.coding) - accepted.Q(a.coding) })
	return list
}

// errNone is why a coding is passed over.
var errNone = errors.New("there is no such content")

// precompressed returns the content of the precompressed file beside a file: app.js.br. One that is older than
// the file is left over from an earlier build, and one that cannot be read is none.
func (s *Store) precompressed(ctx context.Context, t *tree.Tree, name string, base tree.Status, c coding.Coding) (Source, error) {
	beside := name + c.Suffix()
	st, err := t.Look(beside, true)
	if err != nil || !st.Mode.IsRegular() || isOlder(st, base) {
		return Source{}, errNone
	}
	src, err := s.source(ctx, t, key{of: t.Of(), name: name, coding: c}, beside, st, false)
	if err == nil && isOlder(src.Status, base) {
		src.Close()
		err = errNone
	}
	return src, err
}

// isOlder says whether a neighbour was made before the file was written. The brotli tool gives what it makes the file's
// mtime, without the fraction of the second; that it came after the file then shows in its ctime.
func isOlder(neighbour, base tree.Status) bool {
	if !neighbour.Mtime.Before(base.Mtime) {
		return false
	}
	cut := neighbour.Mtime.Nsec == 0 && neighbour.Mtime.Sec == base.Mtime.Sec
	return !cut || neighbour.Ctime.Before(base.Mtime)
}

// encoded returns the content of a file in a coding that is made here. It is plain, and has no bytes, if that is no
// smaller.
func (s *Store) encoded(ctx context.Context, t *tree.Tree, name string, st tree.Status, c coding.Coding) (Source, error) {
	k := key{of: t.Of(), name: name, coding: c, made: true}
	src, err := s.keptOr(ctx, t, k, name, st, func(st tree.Status) (Source, error) {
		read := s.now()
		src, err := s.source(ctx, t, key{of: t.Of(), name: name}, name, st, true)
		if err != nil {
			return Source{}, err
		}
		defer src.Close()
		content, inMemory := message.InMemory(src.Body)
		if !inMemory {
			return Source{}, errNone
		}
		return s.encode(ctx, k, src, content, read)
	})
	if err == nil && src.plain {
		src.Close()
	}
	return src, err
}

// encode makes the coding of a content that was read at some time at the latest. There is none if it is neither
// kept nor room for it beside the content of answers in progress.
func (s *Store) encode(ctx context.Context, k key, src Source, content []byte, read time.Time) (Source, error) {
	packed, err := s.pack(ctx, k.coding, content)
	if err != nil && ctx.Err() != nil {
		return Source{}, err
	}
	if err != nil || len(packed) >= len(content) { // what cannot be coded is as good without
		return s.keep(k, Source{&State{Status: src.Status, plain: true}, message.Bytes(nil)}, read), nil
	}
	state := s.describe(k, src.Status, CodedTag(src.Tag, k.coding), src.Body)
	found := s.keep(k, Source{state, message.Bytes(packed)}, read)
	if _, loose := found.Body.(message.Bytes); loose {
		c := s.memory.lend(int64(len(packed)))
		if c == nil {
			return Source{}, errNone
		}
		c.data = append(c.buf[:0], packed...)
		found.Body = c
	}
	return found, nil
}

// pack encodes outside the gate.
func (s *Store) pack(ctx context.Context, c coding.Coding, content []byte) ([]byte, error) {
	s.opts.Disk.Leave()
	defer s.opts.Disk.Enter()
	return s.encoders.Encode(ctx, c, content, nil)
}
