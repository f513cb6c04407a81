package content

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/previewd/previewd/server/budget"
	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/cache"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/tree"
)

// Compression is a choice in Options.
type Compression string

// The choices for Options.Compress.
const (
	// CompressAuto sends a precompressed file beside the requested one if there is one, and otherwise compresses text.
	CompressAuto Compression = "auto"
	// CompressStatic sends precompressed files only.
	CompressStatic Compression = "static"
	// CompressOff never compresses.
	CompressOff Compression = "off"
)

// Options says how content is read and kept.
type Options struct {
	// MaxFile is the size in bytes up to which a file is read whole before it is answered.
	MaxFile int64
	// CacheSize is how many bytes of content and listings are kept in memory, bookkeeping included. Zero
	// keeps nothing.
	CacheSize int64
	// MaxInFlight is how many bytes of content are held in memory for answers in progress; what is beyond is
	// sent from the open file. Zero is 16 MiB.
	MaxInFlight int64
	// Budget is what that is a part of; nil is no other.
	Budget *budget.Budget
	// MaxCoded is the size in bytes up to which a file beyond MaxFile is compressed here, while it is sent, and afterwards
	// once more, better, to be kept. Zero is 16 MiB.
	MaxCoded int64
	// Compress is CompressAuto, CompressStatic or CompressOff (also if empty).
	Compress Compression
	// Encoders limits how many files are compressed at the same time. There is at most one for each thread that runs
	// Go code, which is what zero means.
	Encoders int
	// Disk limits how many requests use the file system at the same time; nil is no limit. Whoever calls a method with a
	// context has entered it. It is left while a file is waited for or encoded.
	Disk message.Gate
	// Now is the clock, nil for time.Now.
	Now func() time.Time
	// Untagged is set where nobody asks for tags: a large file is then not read for one.
	Untagged bool
	// Describe makes the Description of a State once it is known; nil makes none. It may look at the content until it
	// returns.
	Describe func(*State, Look) any
}

// Store gives the content of files, of one directory or of several. Its methods may be called by any number of goroutines at once.
type Store struct {
	opts     Options
	cache    *cache.Cache[key, *State]
	loads    loads
	digests  digests
	memory   memory
	streams  *budget.Budget // the part of it that encoders of streams may take
	encoders *coding.Encoders
	better   better
	looking  sync.Mutex // held while the beginning of a coded file is decoded
}

// New returns a Store.
func New(opts Options) *Store {
	left := opts.MaxInFlight
	if left == 0 {
		left = maxInFlight
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Compress == "" {
		opts.Compress = CompressOff
	}
	opts.Encoders = min(cmp.Or(opts.Encoders, math.MaxInt), runtime.GOMAXPROCS(0))
	if opts.MaxCoded == 0 {
		opts.MaxCoded = maxCoded
	}
	if opts.Describe == nil {
		opts.Describe = func(*State, Look) any { return nil }
	}
	room := opts.Budget.Part(left)
	s := &Store{opts: opts, memory: memory{Budget: room}, streams: room.Part(left / 2), cache: cache.New[key, *State](opts.CacheSize, ownerOf)}
	if opts.Compress == CompressAuto {
		s.encoders = coding.New(opts.Encoders)
	}
	return s
}

// Source is a state of a file and its bytes. Whoever has one closes it, or hands its Body on.
type Source struct {
	*State
	Body message.Body
}

// Close gives the bytes back unsent.
func (src Source) Close() {
	// What was only read has nothing left to say when it is closed.
	_ = src.Body.Close()
}

// State is one state of a file, in one content coding. It does not change.
type State struct {
	// Name is the name that was asked for. A precompressed file has another.
	Name string
	// Coding is the content coding that the bytes have.
	Coding coding.Coding
	// Status is that of the file that the bytes come from.
	Status tree.Status
	// Tag tells this content in this coding from others, in letters, digits, "-", "_" and "."; "" where that cannot be
	// told. A weak one may be the same for other bytes of the same meaning: another coder's.
	Tag  string
	Weak bool
	// Dated says whether the file's mtime tells when it was modified.
	Dated bool
	// Beside says whether the bytes are those of a precompressed file beside the one that was asked for.
	Beside bool
	// Description is what Options.Describe made of it.
	Description any

	// plain is set where there is nothing but the one coding to be had: it has proved no smaller.
	plain bool
}

// describe returns the State of a file in a coding. bytes are its content, without the coding that was made here.
func (s *Store) describe(k key, st tree.Status, tag string, bytes message.Body) *State {
	state := &State{Name: k.name, Coding: k.coding, Status: st, Tag: tag, Dated: s.isDated(st, tag), Beside: k.coding != coding.Identity && !k.made}
	packed := k.coding
	if k.made {
		packed = coding.Identity
	}
	s.addDescription(state, packed, bytes)
	return state
}

// addDescription adds what Options.Describe makes of a state. bytes are its content, in the coding packed.
func (s *Store) addDescription(state *State, packed coding.Coding, bytes message.Body) {
	state.Description = s.opts.Describe(state, func(c coding.Coding, limit int) ([]byte, bool) {
		return s.look(bytes, packed, c, limit)
	})
}

// isDated says whether a file's mtime tells when it was modified. A date that stands alone, without a tag, says nothing of a
// file that has just changed: a later write may have it too.
func (s *Store) isDated(st tree.Status, tag string) bool {
	now := s.now()
	return isMeaningful(st.Mtime, now) && (tag != "" || isOld(st, now))
}

// isMeaningful says whether an mtime tells when a file was modified. Images are built with all files of
// the same one: SOURCE_DATE_EPOCH=0 or 1, or the first that a ZIP archive can hold. One in the future is no
// date of a modification either (RFC 9110, section 8.8.2.1).
func isMeaningful(mtime tree.Instant, now time.Time) bool {
	const firstOfZIP = 315532800 // 1980-01-01
	return mtime.Sec != 0 && mtime.Sec != 1 && mtime.Sec != firstOfZIP && mtime.Sec <= now.Unix()
}

func (s *Store) now() time.Time { return s.opts.Now() }

// ReadError is what went wrong after a file had been opened, or while others read it.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *ReadError) Unwrap() error { return e.Err }

// Accepts says in which codings the caller can use a content. The zero value is: as it is.
type Accepts struct {
	// Codings are the codings and their weights.
	Codings coding.Accepted
	// Made says whether the content is worth coding here, beside what precompressed files have.
	Made bool
	// Streams says whether the caller can send what has no length before its end.
	Streams bool
}

// Get returns the content of a file in the best coding that is accepted. st is its status, which the caller has
// asked for after the request came; a name may lead elsewhere or nowhere by the time that it is opened. An error is
// one of t.Open, or a *ReadError.
func (s *Store) Get(ctx context.Context, t *tree.Tree, name string, st tree.Status, a Accepts) (Source, error) {
	if src, found := s.coded(ctx, t, name, st, a); found {
		return src, nil
	}
	return s.source(ctx, t, key{of: t.Of(), name: name}, name, st, false)
}

// source returns the content of a file as it is: kept, or else read. The key's name is what the caller asked for,
// file where the content is. encoding is set if the content is wanted in memory.
func (s *Store) source(ctx context.Context, t *tree.Tree, k key, file string, st tree.Status, encoding bool) (Source, error) {
	return s.keptOr(ctx, t, k, file, st, func(tree.Status) (Source, error) {
		read := s.now()
		f, st, err := t.Open(file)
		if err != nil {
			return Source{}, err
		}
		found, err := s.load(ctx, t, file, f, st, encoding)
		if err != nil {
			return Source{}, &ReadError{err}
		}
		return s.keep(k, Source{s.describe(k, found.st, found.tag, found.body), found.body}, read), nil
	})
}
