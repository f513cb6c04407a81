package site

import (
	"context"
	"slices"
	"time"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
)

// Compression is a choice in Options.
type Compression string

// The choices for Options.Compress.
const (
	// CompressAuto gives precompressed neighbours, and compresses text itself.
	CompressAuto Compression = "auto"
	// CompressStatic gives precompressed neighbours only.
	CompressStatic Compression = "static"
	// CompressOff always gives the file as it is.
	CompressOff Compression = "off"
)

// minCompressed is the size in bytes from which on text is compressed: below it the fields of the answer
// weigh more than what is saved, and all of it fits in a packet.
const minCompressed = 512

// codings in the server's order: what is equally welcome comes from the smallest neighbour, but is made in
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

// isNegotiated says whether answers of a media type may differ by Accept-Encoding.
func (s *Site) isNegotiated(mediaType string) bool {
	return s.opts.Compress != CompressOff && !coding.Compressed(mediaType)
}

// accepts returns the content codings that a client accepts, none where there is nothing to choose. A part
// of coded content is of no use beside a part of what is not coded, so ranges come without coding.
func (s *Site) accepts(r *message.Request) (accepted coding.Accepted, any bool) {
	if s.opts.Compress == CompressOff {
		return accepted, false
	}
	if _, ranged := r.Fields.Lookup("Range"); ranged && r.Method == "GET" {
		return accepted, false
	}
	accepted = coding.Accepts(r.Fields)
	return accepted, accepted.Q(coding.Br)+accepted.Q(coding.Zstd)+accepted.Q(coding.Gzip) > 0
}

// coded returns the content of a file in the best coding that the client accepts, if there is one better than
// none. st is the file's status.
func (s *Site) coded(ctx context.Context, t tree, name string, st status, accepted coding.Accepted) (source, bool) {
	mediaType := s.guessType(name)
	if !s.isNegotiated(mediaType) || coding.CompressedName(name) {
		return source{}, false
	}
	makes := s.opts.Compress == CompressAuto && coding.Compressible(mediaType) && st.size >= minCompressed && st.size <= s.opts.MaxFile
	var list [len(ready) + len(made)]candidate
	for _, c := range candidates(list[:0], accepted, makes) {
		var src source
		found := false
		if c.made {
			src, found = s.encoded(ctx, t, name, st, c.coding)
		} else {
			src, found = s.neighbour(ctx, t, name, st, c.coding)
		}
		if found {
			return src, !src.plain
		}
	}
	return source{}, false
}

// candidates appends to list what to try, the most welcome first: by weight, neighbours before what is to be
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

// neighbour returns the content of the precompressed file beside a file: app.js.br. One that is older than
// the file is left over from an earlier build.
func (s *Site) neighbour(ctx context.Context, t tree, name string, base status, c coding.Coding) (source, bool) {
	beside := name + c.Suffix()
	st, err := t.look(beside, true)
	if err != nil || !st.mode.IsRegular() || st.mtime.before(base.mtime) {
		return source{}, false
	}
	src, err := s.source(ctx, t, key{name: name, coding: c}, beside, st, false)
	if err != nil || src.st.mtime.before(base.mtime) {
		if err == nil {
			src.close()
		}
		return source{}, false // what cannot be read is no neighbour
	}
	return src, true
}

// encoded returns the content of a file in a coding that the server makes. It is plain, and has no body, if
// that is no smaller.
func (s *Site) encoded(ctx context.Context, t tree, name string, st status, c coding.Coding) (source, bool) {
	k := key{name: name, coding: c, made: true}
	if src, found := s.kept(k, st); found {
		return src.unlessPlain(), true
	}
	s.cache.Miss()
	done, err := s.loads.alone(ctx, k, s.opts.Disk)
	if err != nil {
		return source{}, false
	}
	if done != nil {
		defer done()
	} else if st, err = t.look(name, true); err == nil {
		if src, found := s.kept(k, st); found {
			return src.unlessPlain(), true
		}
	}
	read := s.now()
	src, err := s.source(ctx, t, key{name: name}, name, st, true)
	if err != nil {
		return source{}, false
	}
	defer src.close()
	content, inMemory := message.InMemory(src.body)
	if !inMemory {
		return source{}, false
	}
	return s.encode(ctx, k, src, content, read)
}

// encode makes the coding of a content that was read at some time at the latest. There is none if it is neither
// kept nor room for it beside other content under way.
func (s *Site) encode(ctx context.Context, k key, src source, content []byte, read time.Time) (source, bool) {
	packed, err := s.pack(ctx, k.coding, content)
	if err != nil && ctx.Err() != nil {
		return source{}, false
	}
	res := s.describe(k.name, s.guessType(k.name), k.coding, src.st, codedETag(src.validators.ETag, k.coding.String()))
	if err != nil || len(packed) >= len(content) { // what cannot be coded is as good without
		res, packed = &resource{st: src.st, plain: true}, nil
	}
	found := s.keep(k, source{res, message.Bytes(packed)}, read)
	if _, loose := found.body.(message.Bytes); loose && !res.plain {
		c := s.memory.lend(int64(len(packed)))
		if c == nil {
			return source{}, false
		}
		c.data = append(c.buf[:0], packed...)
		found.body = c
	}
	return found.unlessPlain(), true
}

// pack encodes outside the gate.
func (s *Site) pack(ctx context.Context, c coding.Coding, content []byte) ([]byte, error) {
	s.opts.Disk.Leave()
	defer s.opts.Disk.Enter()
	return s.encoders.Encode(ctx, c, content, nil)
}

// unlessPlain closes a source that has nothing to send.
func (src source) unlessPlain() source {
	if src.plain {
		src.close()
	}
	return src
}
