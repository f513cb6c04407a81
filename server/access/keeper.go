package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pollInterval is how often the file is read again: a change counts after at most that long, one that is broken is
	// told of after twice that.
	pollInterval = 1500 * time.Millisecond
	// maxFile bounds the file, in bytes: some 13,000 users.
	maxFile = 1 << 20
)

// Keeper holds those who may ask up to date with AUTH_FILE: as the file was when it was good last. It reads the file
// again and again and compares what it holds, which sees through every way of replacing it: by rename, in place, or by
// the symbolic link that Kubernetes switches.
type Keeper struct {
	file    string // "" is none
	fixed   []entry
	current atomic.Pointer[users]

	mu     sync.Mutex
	broken error // what is wrong with what the file holds now

	// What follows belongs to Watch.
	shown    string // what current was made of
	suspect  string // the error of the last look, "" is none
	reported bool   // it has been told
}

// Open reads the entries of AUTH and the file of AUTH_FILE, of which either may be empty. What is wrong with them is an
// error of one line, which never shows a hash or a password.
func Open(list []string, file string) (*Keeper, error) {
	fixed, err := parseList(list)
	if err != nil {
		return nil, err
	}
	k := &Keeper{file: file, fixed: fixed}
	text, err := k.read()
	if err != nil {
		return nil, err
	}
	return k, k.take(text)
}

// read returns what the file holds.
func (k *Keeper) read() (string, error) {
	if k.file == "" {
		return "", nil
	}
	f, err := os.Open(k.file)
	if err != nil {
		return "", k.wrong(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", k.wrong(err)
	}
	if len(text) > maxFile {
		return "", k.wrong(fmt.Errorf("larger than %d bytes", maxFile))
	}
	return string(text), nil
}

// take makes the users of what the file holds those who may ask.
func (k *Keeper) take(text string) error {
	entries := k.fixed
	if k.file != "" {
		more, err := parseFile(text)
		if err != nil {
			return k.wrong(err)
		}
		entries = append(entries[:len(entries):len(entries)], more...)
	}
	table, err := newUsers(entries)
	if err != nil {
		return err
	}
	k.current.Store(table)
	k.shown = text
	return nil
}

func (k *Keeper) wrong(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the name is said already
	}
	return fmt.Errorf("AUTH_FILE %q: %w", k.file, err)
}

// Err returns what is wrong with what the file holds, nil while it is what counts.
func (k *Keeper) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.broken
}

// Watch keeps the users up to date until ctx ends. replaced is told of a new file that counts from now on, broken once
// of what is wrong with one.
func (k *Keeper) Watch(ctx context.Context, replaced func(users int), broken func(error)) {
	if k.file == "" {
		return
	}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		k.look(replaced, broken)
	}
}

// look reads the file once and takes it if it is good. A file that is being written may be broken for a moment: it is
// broken only when it is found so twice.
func (k *Keeper) look(replaced func(users int), broken func(error)) {
	text, err := k.read()
	if err == nil && text != k.shown {
		if err = k.take(text); err == nil {
			replaced(len(k.current.Load().byName))
		}
	}
	if err == nil {
		k.suspect, k.reported = "", false
		k.set(nil)
		return
	}
	if err.Error() != k.suspect {
		k.suspect, k.reported = err.Error(), false
		return
	}
	if k.reported {
		return
	}
	k.reported = true
	err = fmt.Errorf("%w; the previous users are kept", err)
	k.set(err)
	broken(err)
}

func (k *Keeper) set(err error) {
	k.mu.Lock()
	k.broken = err
	k.mu.Unlock()
}
