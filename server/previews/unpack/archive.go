package unpack

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// pass is one reading of some layers. All of them count against the bounds.
type pass struct {
	*image
	entries int
	bytes   int64
}

// entry is an entry of a layer. Its name is clean; quoted is the one in the archive.
type entry struct {
	*tar.Header
	layer  int
	name   string
	mark   mark
	of     string // what a mark is of
	target string // of a hard link: a clean name
	body   io.Reader
}

// refuse refuses the image for an entry.
func (e *entry) refuse(format string, arguments ...any) error {
	return refuse("layer %d: entry %s %s", e.layer+1, quote(e.Name), fmt.Sprintf(format, arguments...))
}

// read calls do with each entry of a layer, in their order, and reads the layer to its end. The error is nil only if it was
// there whole.
func (p *pass) read(number int, do func(*entry) error) error {
	layer := p.layers[number]
	opened, err := layer.Open()
	if err != nil {
		return fmt.Errorf("opening layer %d: %w", number+1, err)
	}
	defer opened.Close()
	compressed := &source{r: opened, size: layer.Size}
	if err = p.readOpen(number, compressed, do); err == nil {
		return nil
	}
	var refused *RefusedError
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case compressed.err != nil:
		return fmt.Errorf("reading layer %d: %w", number+1, compressed.err)
	case errors.As(err, &refused):
		return err
	case errors.As(err, new(*outsideError)):
		return errors.Unwrap(err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return refuse("layer %d is compressed by zstd with a window of more than %d MiB: that takes too much memory", number+1, p.window()>>20)
	}
	return refuse("layer %d is no whole archive: %v", number+1, err)
}

func (p *pass) readOpen(number int, compressed *source, do func(*entry) error) error {
	buffered := bufio.NewReaderSize(compressed, 32<<10)
	plain, err := p.open(number, buffered)
	if err != nil {
		return err
	}
	layer := p.layers[number]
	s := &stream{pass: p, layer: number, r: plain, most: layer.Size*maxRatio + p.limits.FreeOfRatio}
	if s.digest, s.want, err = digestOf(number, layer.DiffID); err != nil {
		return err
	}
	if p.plain[number] {
		return p.readPlain(number, s, do)
	}
	archive := tar.NewReader(s)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err = p.hand(number, header, archive, do); err != nil {
			return err
		}
	}
	marked := !s.ended
	if _, err := io.Copy(io.Discard, s); err != nil {
		return err
	}
	return s.verify(marked)
}

// open is the uncompressed form of a layer. A file of an artifact is taken as it is.
func (p *pass) open(number int, r *bufio.Reader) (io.Reader, error) {
	if p.plain[number] {
		return r, nil
	}
	plain, err := p.decompress(r)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return nil, refuse("layer %d %s", number+1, refused.Reason)
	}
	return plain, err
}

// hand counts an entry, reads what its name says, and hands it on.
func (p *pass) hand(number int, header *tar.Header, body io.Reader, do func(*entry) error) error {
	e := &entry{Header: header, layer: number, body: body}
	if p.entries++; p.entries > p.limits.Entries {
		return refuse("the image has more than %d entries", p.limits.Entries)
	}
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil // says something of those that follow, nothing that counts here
	}
	var wrong string
	if e.name, wrong = cleanName(header.Name); wrong != "" {
		return e.refuse("%s", wrong)
	}
	if header.Typeflag == tar.TypeLink {
		if e.target, wrong = cleanName(header.Linkname); wrong != "" {
			return e.refuse("is a hard link to %s, which %s", quote(header.Linkname), wrong)
		}
	}
	if e.mark, e.of, wrong = markOf(e.name); wrong != "" {
		return e.refuse("%s", wrong)
	}
	switch {
	case e.mark == metadata:
		return nil
	case e.mark == noMark && e.name == "" && header.Typeflag == tar.TypeDir:
	case e.mark == noMark && e.name == "":
		return e.refuse("is in place of the image's root")
	}
	return do(e)
}

// source is the bytes of a layer as they come. It keeps the first error that is not their end: that is no fault of the image.
type source struct {
	r       io.Reader
	n, size int64
	err     error
}

func (s *source) Read(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(b)
	s.n += int64(n)
	switch {
	case s.n > s.size:
		s.err = fmt.Errorf("there are more than its %d bytes", s.size)
	case err == io.EOF && s.n < s.size:
		s.err = fmt.Errorf("there are %d of its %d bytes: %w", s.n, s.size, io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		s.err = err
	}
	if s.err != nil {
		return n, s.err
	}
	return n, err
}

// stream is the uncompressed bytes of a layer: counted, digested, and ended by ctx. It never returns bytes with io.EOF, so
// that ended says that somebody wanted to read on: tar's reader does not where it has found the end mark, two blocks of NULs.
type stream struct {
	*pass
	layer  int
	r      io.Reader
	n      int64
	most   int64
	digest hash.Hash
	want   []byte
	ended  bool
}

func (s *stream) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	s.n += int64(n)
	s.bytes += int64(n)
	if s.digest != nil {
		s.digest.Write(b[:n])
	}
	switch {
	case s.bytes > s.limits.Bytes:
		return n, refuse("the image has more than %d bytes, uncompressed", s.limits.Bytes)
	case s.n > s.most:
		return n, refuse("layer %d has more than %d times as many bytes, uncompressed, as the %d that it is compressed to", s.layer+1, maxRatio, s.layers[s.layer].Size)
	case err == io.EOF && n > 0:
		return n, nil
	case err == io.EOF:
		s.ended = true
	}
	return n, err
}

// verify judges a layer that was read to its end. Without a digest only the end mark tells a whole archive from one that was
// cut between two entries. With one the mark may be missing, as it may in Docker.
func (s *stream) verify(marked bool) error {
	if s.digest == nil && !marked {
		return refuse("layer %d is no whole archive: it ends without an end mark", s.layer+1)
	}
	if s.digest == nil {
		return nil
	}
	if got := s.digest.Sum(nil); string(got) != string(s.want) {
		return refuse("layer %d has the digest %x when uncompressed, not %x as the image says", s.layer+1, got, s.want)
	}
	return nil
}

// digestOf is what computes a digest, and what it has to be. There is none for "".
func digestOf(number int, digest string) (hash.Hash, []byte, error) {
	if digest == "" {
		return nil, nil, nil
	}
	algorithm, text, _ := strings.Cut(digest, ":")
	want, err := hex.DecodeString(text)
	switch {
	case err == nil && algorithm == "sha256" && len(want) == sha256.Size:
		return sha256.New(), want, nil
	case err == nil && algorithm == "sha512" && len(want) == sha512.Size:
		return sha512.New(), want, nil
	}
	return nil, nil, refuse("layer %d has the diff_id %s: that is no sha256 and no sha512", number+1, quote(digest))
}
