package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pollInterval is how often the files are read again. A pair that is good is shown after at most that
	// long, one that is broken is reported after twice that.
	pollInterval = 1500 * time.Millisecond
	// expiresSoon is how long before its end a certificate is worth a warning.
	expiresSoon = 14 * 24 * time.Hour
)

// Keeper holds the pair of Files up to date: the last one that was good. It reads the files again and again
// and compares what they hold, which sees through every way of replacing them: by rename, in place, or by
// the symbolic link that Kubernetes switches.
type Keeper struct {
	files   Files
	parse   func(content) (*tls.Certificate, error) // files.parse
	now     func() time.Time                        // the clock
	current atomic.Pointer[tls.Certificate]

	mu     sync.Mutex
	broken error // what is wrong with what the files hold now

	// What follows belongs to Watch.
	shown    content // what current was made of
	suspect  content // what was broken at the last look; the zero value is also what cannot be read
	failure  error   // the error at the last look
	reported bool    // it has been told
	told     validity
}

// Events are called with what a Keeper finds, from the goroutine of Watch.
type Events struct {
	// Replaced is told of a new pair that is shown from now on.
	Replaced func(leaf *x509.Certificate)
	// Broken is told once what is wrong with files that have changed.
	Broken func(error)
	// Warn is told once of a certificate that is not valid, or soon will not be.
	Warn func(string)
}

// Open loads the pair. If it is broken, Open fails, as there is no previous pair to use.
func Open(files Files) (*Keeper, error) {
	c, err := files.read()
	if err != nil {
		return nil, err
	}
	pair, err := files.parse(c)
	if err != nil {
		return nil, err
	}
	k := &Keeper{files: files, parse: files.parse, now: time.Now, shown: c}
	k.current.Store(pair)
	return k, nil
}

// Certificate returns the pair: GetCertificate of a tls.Config. Without the name that the client asks for
// there is still the one pair.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return k.current.Load(), nil
}

// NotAfter returns when the current certificate expires.
func (k *Keeper) NotAfter() time.Time { return k.current.Load().Leaf.NotAfter }

// Err returns what is wrong with the files, nil if the current pair is what they hold.
func (k *Keeper) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.broken
}

// Watch keeps the pair up to date until ctx ends. It looks at the files every pollInterval, and whenever again
// receives; again may be nil.
func (k *Keeper) Watch(ctx context.Context, again <-chan struct{}, events Events) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		k.warn(events)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-again:
		}
		k.look(events)
	}
}

// look reads the files once and takes a new pair if it is good. Where two files are replaced one after the
// other, the pair may not fit for a moment: it is broken only when it is found so twice. It is not parsed twice:
// the password of an encrypted key is made to take a second of a processor. What is read of a pipe stays.
func (k *Keeper) look(events Events) {
	if k.files.once() {
		return
	}
	c, err := k.files.read()
	if err == nil && c == k.shown {
		k.mend()
		return
	}
	var pair *tls.Certificate
	switch {
	case err != nil:
	case k.failure != nil && c == k.suspect && c != content{}:
		err = k.failure
	default:
		pair, err = k.parse(c)
	}
	if err != nil {
		k.suspected(c, err, events)
		return
	}
	k.current.Store(pair)
	k.shown = c
	k.mend()
	events.Replaced(pair.Leaf)
}

// suspected notes that the files are broken.
func (k *Keeper) suspected(c content, err error, events Events) {
	if c != k.suspect || k.failure == nil || err.Error() != k.failure.Error() {
		k.suspect, k.failure, k.reported = c, err, false
		return
	}
	if k.reported {
		return
	}
	k.reported = true
	err = fmt.Errorf("%w; the previous certificate is kept", err)
	k.mu.Lock()
	k.broken = err
	k.mu.Unlock()
	events.Broken(err)
}

// mend notes that the files hold what is shown.
func (k *Keeper) mend() {
	k.suspect, k.failure, k.reported = content{}, nil, false
	k.mu.Lock()
	k.broken = nil
	k.mu.Unlock()
}

// warn tells of the certificate's validity when there is something new to tell.
func (k *Keeper) warn(events Events) {
	leaf := k.current.Load().Leaf
	v := judge(leaf, k.now())
	if v == k.told {
		return
	}
	k.told = v
	if text := v.warning(k.files.Chain); text != "" {
		events.Warn(text)
	}
}
