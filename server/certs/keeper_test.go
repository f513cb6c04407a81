package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// diary is what a Keeper told.
type diary struct{ lines []string }

func (d *diary) events() Events {
	return Events{
		Replaced: func(leaf *x509.Certificate) { d.lines = append(d.lines, "replaced by "+leaf.SerialNumber.String()) },
		Broken:   func(err error) { d.lines = append(d.lines, "broken: "+err.Error()) },
		Warn:     func(text string) { d.lines = append(d.lines, "warning: "+text) },
	}
}

// read returns what was told since the last time.
func (d *diary) read() string {
	defer func() { d.lines = nil }()
	return strings.Join(d.lines, "\n")
}

// watching runs test with a Keeper of the two files c and k, number 1, that is watched.
func watching(t *testing.T, test func(t *testing.T, k *Keeper, d *diary)) {
	key := newKey()
	write(t, map[string]string{"c": certificate(key, 1), "k": sec1(key)})
	synctest.Test(t, func(t *testing.T) {
		k, err := Open(Files{Chain: "c", Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		k.now = func() time.Time { return time.Unix(0, 0) } // before the certificate is valid, which is said once
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var d diary
		go k.Watch(ctx, nil, d.events())
		synctest.Wait()
		if got := d.read(); !strings.HasPrefix(got, `warning: certificate "c" is not valid before `) {
			t.Errorf("at first: %q", got)
		}
		test(t, k, &d)
	})
}

// later is a time by which a change must have been seen.
func later() { time.Sleep(2*pollInterval + time.Second); synctest.Wait() }

func serial(t *testing.T, k *Keeper) int64 {
	t.Helper()
	pair, err := k.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.Int64()
}

func overwrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestANewPairIsShownWithinFiveSeconds(t *testing.T) {
	if 2*pollInterval+time.Second >= 5*time.Second {
		t.Fatalf("pollInterval = %v is too long", pollInterval)
	}
	watching(t, func(t *testing.T, k *Keeper, d *diary) {
		for n := int64(2); n < 5; n++ {
			key := newKey()
			overwrite(t, "c", certificate(key, n))
			overwrite(t, "k", sec1(key))
			later()
			if got := serial(t, k); got != n || k.Err() != nil {
				t.Errorf("number %d is shown, want %d; %v", got, n, k.Err())
			}
		}
		if got := d.read(); strings.Count(got, "replaced by") != 3 || strings.Contains(got, "broken") {
			t.Errorf("told %q", got)
		}
	})
}

// Whoever has replaced the files can have them read at once.
func TestANewPairIsShownWhenAskedFor(t *testing.T) {
	key := newKey()
	write(t, map[string]string{"c": certificate(key, 1), "k": sec1(key)})
	synctest.Test(t, func(t *testing.T) {
		k, err := Open(Files{Chain: "c", Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var d diary
		again := make(chan struct{})
		go k.Watch(ctx, again, d.events())
		key := newKey()
		overwrite(t, "c", certificate(key, 2))
		overwrite(t, "k", sec1(key))
		start := time.Now()
		again <- struct{}{}
		synctest.Wait()
		if got := serial(t, k); got != 2 || !time.Now().Equal(start) {
			t.Errorf("number %d is shown after %v, want 2 at once", got, time.Since(start))
		}
	})
}

// TestAPipeIsReadOnce: --tls-cert <(command) gives the pair once. Opening a named pipe again waits for a writer,
// maybe for ever.
func TestAPipeIsReadOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has no /dev/fd")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	key := newKey()
	_, err = w.WriteString(certificate(key, 7) + sec1(key))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	k, err := Open(Files{Chain: fmt.Sprint("/dev/fd/", r.Fd())})
	if err != nil {
		t.Fatal(err)
	}
	var d diary
	for range 3 {
		k.look(d.events())
	}
	if got := d.read(); got != "" || k.Err() != nil || serial(t, k) != 7 {
		t.Errorf("told %q, Err is %v, number %d is shown", got, k.Err(), serial(t, k))
	}
}

func TestABrokenPairKeepsTheGoodOneAndIsToldOnce(t *testing.T) {
	watching(t, func(t *testing.T, k *Keeper, d *diary) {
		const broken = `key "k": not PEM; the previous certificate is kept`
		overwrite(t, "k", "garbage")
		for range 5 {
			later()
		}
		if got := d.read(); got != "broken: "+broken {
			t.Errorf("told %q", got)
		}
		if got := serial(t, k); got != 1 || k.Err() == nil || k.Err().Error() != broken {
			t.Errorf("number %d is shown, Err is %v", got, k.Err())
		}
		if err := os.Remove("c"); err != nil {
			t.Fatal(err)
		}
		later()
		if got, want := d.read(), `broken: certificate "c": no such file or directory; the previous certificate is kept`; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		key := newKey()
		overwrite(t, "c", certificate(key, 2))
		overwrite(t, "k", sec1(key))
		later()
		if got := d.read(); !strings.HasPrefix(got, "replaced by 2") || k.Err() != nil {
			t.Errorf("told %q, Err is %v", got, k.Err())
		}
	})
}

// A password that takes a second to be found wrong must not take it every time.
func TestABrokenPairIsParsedOnce(t *testing.T) {
	key := newKey()
	write(t, map[string]string{"c": certificate(key, 1), "k": sec1(key)})
	k, err := Open(Files{Chain: "c", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	parsed := 0
	k.parse = func(c content) (*tls.Certificate, error) {
		parsed++
		return k.files.parse(c)
	}
	var d diary
	look := func(times int) {
		for range times {
			k.look(d.events())
		}
	}
	for n, text := range []string{"garbage", sec1(newKey()), ""} {
		overwrite(t, "k", text)
		look(5)
		if parsed != n+1 {
			t.Errorf("broken pair %d: parsed %d times in all", n+1, parsed)
		}
	}
	// What cannot be read is no pair, and another thing than files that are empty.
	if err := os.Remove("k"); err != nil {
		t.Fatal(err)
	}
	look(3)
	overwrite(t, "c", "")
	overwrite(t, "k", "")
	d.lines = nil
	look(3)
	if got, want := d.read(), `broken: certificate "c": not PEM; the previous certificate is kept`; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	overwrite(t, "c", certificate(key, 2))
	overwrite(t, "k", sec1(key))
	look(2)
	if got := serial(t, k); got != 2 || k.Err() != nil {
		t.Errorf("number %d is shown, want 2; %v", got, k.Err())
	}
}

func TestFilesThatComeBackMendThePair(t *testing.T) {
	watching(t, func(t *testing.T, k *Keeper, d *diary) {
		good := string(must(os.ReadFile("k")))
		overwrite(t, "k", "garbage")
		later()
		overwrite(t, "k", good)
		later()
		if got := d.read(); !strings.HasPrefix(got, "broken: ") || strings.Contains(got, "\n") || k.Err() != nil {
			t.Errorf("told %q, Err is %v", got, k.Err())
		}
	})
}

func TestAPairThatFitsNotYetIsNotBroken(t *testing.T) {
	watching(t, func(t *testing.T, k *Keeper, d *diary) {
		key := newKey()
		time.Sleep(pollInterval / 2)
		overwrite(t, "c", certificate(key, 2))
		time.Sleep(pollInterval) // one look finds the new certificate and the old key
		synctest.Wait()
		overwrite(t, "k", sec1(key))
		later()
		if got := d.read(); !strings.HasPrefix(got, "replaced by 2") || k.Err() != nil {
			t.Errorf("told %q, Err is %v", got, k.Err())
		}
	})
}

// A chain that is written in place is looked at in the middle: no half of it is shown, and it is not broken yet.
func TestAChainThatIsHalfWrittenIsNotShown(t *testing.T) {
	key := newKey()
	for name, cut := range map[string]int{"within the certificate": 200, "behind it": len(certificate(key, 2)) + 200} {
		t.Run(name, func(t *testing.T) {
			watching(t, func(t *testing.T, k *Keeper, d *diary) {
				whole := certificate(key, 2) + certificate(newKey(), 3)
				overwrite(t, "k", sec1(key))
				overwrite(t, "c", whole[:cut])
				time.Sleep(pollInterval + pollInterval/2)
				synctest.Wait()
				if got := serial(t, k); got != 1 || k.Err() != nil {
					t.Errorf("number %d is shown; %v", got, k.Err())
				}
				overwrite(t, "c", whole)
				later()
				pair, err := k.Certificate(nil)
				if err != nil || pair.Leaf.SerialNumber.Int64() != 2 || len(pair.Certificate) != 2 {
					t.Errorf("number %v is shown with a chain of %d, %v", pair.Leaf.SerialNumber, len(pair.Certificate), err)
				}
				if got := d.read(); strings.Contains(got, "broken") {
					t.Errorf("told %q", got)
				}
			})
		})
	}
}

func TestTheSwitchedLinkOfKubernetesIsSeen(t *testing.T) {
	write(t, nil)
	keys := map[string]int64{"..1": 1, "..2": 2}
	for dir, n := range keys {
		key := newKey()
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(dir, "tls.crt"), certificate(key, n))
		overwrite(t, filepath.Join(dir, "tls.key"), sec1(key))
	}
	for _, link := range [][2]string{{"..1", "..data"}, {"..data/tls.crt", "tls.crt"}, {"..data/tls.key", "tls.key"}} {
		if err := os.Symlink(link[0], link[1]); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		k, err := Open(Files{Chain: "tls.crt", Key: "tls.key"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var d diary
		go k.Watch(ctx, nil, d.events())
		if err := os.Symlink("..2", "..data_tmp"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename("..data_tmp", "..data"); err != nil {
			t.Fatal(err)
		}
		later()
		if got := serial(t, k); got != 2 || strings.Contains(d.read(), "broken") {
			t.Errorf("number %d is shown, want 2", got)
		}
	})
}

func TestValidityIsWarnedOfOnce(t *testing.T) {
	key := newKey()
	end := time.Now().Add(20 * 24 * time.Hour).Truncate(time.Second).UTC()
	write(t, map[string]string{"c": certificateUntil(key, 1, end) + sec1(key)})
	k, err := Open(Files{Chain: "c"})
	if err != nil {
		t.Fatal(err)
	}
	if !k.NotAfter().Equal(end) {
		t.Errorf("NotAfter = %v, want %v", k.NotAfter(), end)
	}
	var d diary
	at := func(now time.Time) string {
		k.now = func() time.Time { return now }
		k.warn(d.events())
		k.warn(d.events())
		return d.read()
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		now  time.Time
		want string
	}{
		{end.Add(-15 * day), ""},
		{end.Add(-13 * day), `warning: certificate "c" expires at ` + end.Format(time.RFC3339)},
		{end.Add(-12 * day), ""},
		{end.Add(time.Second), `warning: certificate "c" expired at ` + end.Format(time.RFC3339) + `: clients will refuse it`},
		{end.Add(day), ""},
	} {
		if got := at(c.now); got != c.want {
			t.Errorf("%v before the end: told %q, want %q", end.Sub(c.now), got, c.want)
		}
	}
}
