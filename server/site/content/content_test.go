package content

import (
	"bytes"
	"context"
	"testing"

	"github.com/previewd/previewd/server/message"
	"github.com/previewd/previewd/server/site/coding"
	"github.com/previewd/previewd/server/site/sitetest"
	"github.com/previewd/previewd/server/site/tree"
)

// opened is a Store and the directory that it reads.
type opened struct {
	*Store
	directory *tree.Directory
}

// open returns a Store for a directory with previewd's defaults, changed by with.
func open(t testing.TB, dir string, with ...func(*Options)) opened {
	opts := Options{MaxFile: 1 << 20, CacheSize: 16 << 20, Compress: CompressAuto}
	for _, change := range with {
		change(&opts)
	}
	o := opened{New(opts), tree.New(tree.Options{Directory: dir})}
	t.Cleanup(o.close)
	return o
}

func (o opened) close() {
	o.directory.Close()
	o.Clear()
}

// later has the clock show a time at which the files of the test have been at rest for long.
func later(o *Options) { o.Now = sitetest.Later }

// source returns the content of a file.
func (o opened) source(ctx context.Context, name string, a Accepts) (Source, error) {
	t, err := o.directory.Acquire()
	if err != nil {
		return Source{}, err
	}
	defer t.Release()
	st, err := t.Look(name, true)
	if err != nil {
		return Source{}, err
	}
	return o.Get(ctx, t, name, st, a)
}

// read is source with the bytes.
func (o opened) read(t testing.TB, name string, a Accepts) (Source, string) {
	t.Helper()
	src, err := o.source(t.Context(), name, a)
	sitetest.Check(t, err)
	var b bytes.Buffer
	_, err = src.Body.WriteTo(&b)
	sitetest.Check(t, err)
	sitetest.Check(t, src.Body.Close())
	return src, b.String()
}

// accepts are the codings in the value of an Accept-Encoding field.
func accepts(value string) Accepts {
	return Accepts{Codings: coding.Accepts(message.Fields{{Name: "Accept-Encoding", Value: value}}), Made: true, Streams: true}
}
