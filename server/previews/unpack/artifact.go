package unpack

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// classify says which layers are files. In an image none are. In an artifact bytes decide, not media types: a layer that is
// to be unpacked, and the only one if it is an archive, are archives; all others are files as they are, also compressed ones.
func (i *image) classify() error {
	i.plain = make([]bool, len(i.layers))
	if !i.options.Artifact {
		return nil
	}
	for number, layer := range i.layers {
		if !layer.Unpack && len(i.layers) > 1 {
			i.plain[number] = true
			continue
		}
		is, err := i.isArchive(number)
		if err != nil {
			return err
		}
		if layer.Unpack && !is {
			return refuse("layer %d%s is to be unpacked, but is no tar archive", number+1, titled(layer))
		}
		i.plain[number] = !is
	}
	return nil
}

func titled(l Layer) string {
	if l.Title == "" {
		return ""
	}
	return " (" + quote(l.Title) + ")"
}

// isArchive says whether a layer, uncompressed, begins with the header of a tar archive.
func (i *image) isArchive(number int) (bool, error) {
	layer := i.layers[number]
	opened, err := layer.Open()
	if err != nil {
		return false, fmt.Errorf("opening layer %d: %w", number+1, err)
	}
	defer opened.Close()
	compressed := &source{r: opened, size: layer.Size}
	block := make([]byte, 512)
	plain, err := i.decompress(bufio.NewReaderSize(compressed, 32<<10))
	if err == nil {
		_, err = io.ReadFull(plain, block)
	}
	if compressed.err != nil {
		return false, fmt.Errorf("reading layer %d: %w", number+1, compressed.err)
	}
	return err == nil && isTarHeader(block), nil
}

// isTarHeader says whether a block has the checksum of a tar header: the sum of its bytes, with spaces in place of the
// checksum itself, in octal digits. Old programs summed signed bytes.
func isTarHeader(block []byte) bool {
	const from, to = 148, 156
	unsigned, signed := int64(0), int64(0)
	for i, b := range block {
		if i >= from && i < to {
			b = ' '
		}
		unsigned, signed = unsigned+int64(b), signed+int64(int8(b))
	}
	sum, err := strconv.ParseInt(strings.Trim(string(block[from:to]), " \x00"), 8, 64)
	return err == nil && (sum == unsigned || sum == signed)
}

// readPlain is read for a file of an artifact: the only entry is a file called by the title.
func (p *pass) readPlain(number int, s *stream, do func(*entry) error) error {
	layer := p.layers[number]
	if layer.Title == "" {
		return refuse("layer %d is a file without a name: push it with its name, or as a tar archive", number+1)
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: layer.Title, Size: layer.Size}
	s.digest = nil // the registry's digest is that of the same bytes
	if path.IsAbs(layer.Title) || strings.HasSuffix(layer.Title, "/") {
		return (&entry{Header: header, layer: number}).refuse("is no relative path of a file")
	}
	if err := p.hand(number, header, s, do); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, s)
	return err
}
