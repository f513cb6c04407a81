package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/previewd/previewd/testdata/internal/subject"
)

const (
	// names is how many a listing has, manyNames how many the largest has.
	names, manyNames = 10_000, 100_000
	// restTime is how long files are left alone before a load: previewd keeps what has not changed for 2 s.
	restTime = 3 * time.Second
	// module is where the programs to compare with are built from.
	module = "github.com/previewd/previewd/testdata/bench/compare/"
)

// site is what every server serves, and what it is served with.
type site struct {
	// scratch has the files of the servers themselves, root is what they serve.
	scratch, root string
	// certificate is a file, PEM, with its key behind it.
	certificate string
	// sizes are those of the files, by path.
	sizes   map[string]int
	written time.Time
}

// build builds the programs to compare with.
func build(ctx context.Context, scratch string, opt options) error {
	built := map[string]bool{}
	for _, k := range append(slices.Clone(opt.kinds), other()) {
		if !k.built || built[k.name] {
			continue
		}
		built[k.name] = true
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(scratch, k.name), module+k.name)
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w: %s", k.name, err, text)
		}
	}
	return nil
}

// prepare writes the site, the certificate and the load's script.
func prepare(scratch string, works []work) (site, error) {
	s := site{
		scratch: scratch, root: filepath.Join(scratch, "site"),
		certificate: filepath.Join(scratch, "certificate.pem"),
		sizes:       map[string]int{"/small.txt": 1 << 10, "/mid.bin": 100 << 10, "/big.bin": 100 << 20},
	}
	if err := s.writeFiles(works); err != nil {
		return s, err
	}
	certificate, _, err := subject.Certificate(1)
	if err != nil {
		return s, err
	}
	err = errors.Join(os.WriteFile(s.certificate, certificate, 0o600), os.WriteFile(s.script(), []byte(wrkScript), 0o644))
	s.written = time.Now()
	return s, err
}

func (s site) script() string { return filepath.Join(s.scratch, "wrk.lua") }

// writeFiles writes content that does not compress, and the directories of empty files that works ask for.
func (s site) writeFiles(works []work) error {
	if err := os.Mkdir(s.root, 0o755); err != nil {
		return err
	}
	for dir, count := range map[string]int{"names": names, "changing": names, "many": manyNames} {
		if !slices.ContainsFunc(works, func(w work) bool { return w.path == "/"+dir+"/" }) {
			continue
		}
		if err := os.Mkdir(filepath.Join(s.root, dir), 0o755); err != nil {
			return err
		}
		for i := range count {
			if err := os.WriteFile(filepath.Join(s.root, dir, nameOf(i)), nil, 0o644); err != nil {
				return err
			}
		}
	}
	random := rand.NewChaCha8([32]byte{})
	old := time.Now().Add(-time.Hour) // previewd reads large files of the last minute once more, as they may be logs
	for path, size := range s.sizes {
		content := make([]byte, size)
		_, _ = random.Read(content)
		file := filepath.Join(s.root, path)
		if err := errors.Join(os.WriteFile(file, content, 0o644), os.Chtimes(file, old, old)); err != nil {
			return err
		}
	}
	return nil
}

// nameOf returns the name of the i-th file of a listing.
func nameOf(i int) string { return fmt.Sprintf("name-%05d.txt", i) }

// rest waits until the files have been at rest for restTime.
func (s site) rest(ctx context.Context) error { return pause(ctx, time.Until(s.written.Add(restTime))) }

// pause waits, and returns the context's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
