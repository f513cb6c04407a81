package devca

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, opts Options) (*Authority, bool) {
	t.Helper()
	a, made, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return a, made
}

// verify says whether a client that trusts the CA accepts a certificate for a name.
func verify(ca *Authority, leaf *x509.Certificate, name string) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
	return err
}

func current(t *testing.T, a *Authority) *x509.Certificate {
	t.Helper()
	pair, err := a.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestTheCertificateIsForTheNamesOfTheServer(t *testing.T) {
	a, made := open(t, Options{Hosts: []string{"Dev.Example.", "192.0.2.7", "fd00::1", "dev.example"}, Hostname: "box"})
	if !made {
		t.Error("a CA in memory is not reported as new")
	}
	leaf := current(t, a)
	for _, name := range []string{"localhost", "box", "dev.example", "127.0.0.1", "::1", "192.0.2.7", "fd00::1"} {
		if err := verify(a, leaf, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := verify(a, leaf, "other.example"); err == nil {
		t.Error("it is good for another name")
	}
	want := []string{"localhost", "box", "dev.example", "127.0.0.1", "::1", "192.0.2.7", "fd00::1"}
	if got := a.Names(); !slices.Equal(got, want) {
		t.Errorf("Names = %q, want %q", got, want)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life != leafLife+backdated {
		t.Errorf("valid for %v", life)
	}
}

func TestTheCertificateIsForAllBelow(t *testing.T) {
	a, _ := open(t, Options{Below: []string{"localhost", "preview.example"}})
	leaf := current(t, a)
	for name, want := range map[string]bool{"localhost": true, "pr-42.localhost": true, "preview.example": true, "pr-42.preview.example": true,
		"a.pr-42.preview.example": false, "other.example": false} {
		if err := verify(a, leaf, name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// forged is a certificate that the CA's key signed for another name.
func forged(t *testing.T, a *Authority, hosts ...string) *x509.Certificate {
	t.Helper()
	n := namesOf(Options{Hosts: hosts})
	n.dns, n.addresses = n.dns[1:], n.addresses[2:]
	leaf, err := a.ca.makeLeaf(n, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return leaf.certificate
}

func TestTheCACannotVouchForAnythingElse(t *testing.T) {
	a, _ := open(t, Options{Hosts: []string{"dev.example"}})
	for _, host := range []string{"example", "bank.example", "xdev.example", "192.0.2.1", "fd00::2"} {
		err := verify(a, forged(t, a, host), host)
		var invalid x509.CertificateInvalidError
		if !errors.As(err, &invalid) || invalid.Reason != x509.CANotAuthorizedForThisName {
			t.Errorf("%s: %v, want a refusal by name constraints", host, err)
		}
	}
	critical := false
	for _, extension := range a.ca.certificate.Extensions {
		critical = critical || extension.Id.String() == "2.5.29.30" && extension.Critical
	}
	if !critical {
		t.Error("the name constraints are not critical")
	}
}

func TestOpenSSLHonoursTheConstraints(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	a, _ := open(t, Options{Hosts: []string{"dev.example"}})
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, a.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		leaf *x509.Certificate
		want string
	}{
		{"localhost", current(t, a), ": OK"},
		{"dev.example", current(t, a), ": OK"},
		{"bank.example", forged(t, a, "bank.example"), "permitted subtree violation"},
	} {
		file := filepath.Join(dir, "leaf.pem")
		if err := os.WriteFile(file, encodeCertificate(c.leaf), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", c.name, "-CAfile", ca, file).CombinedOutput()
		if !strings.Contains(string(out), c.want) || (err == nil) != (c.want == ": OK") {
			t.Errorf("openssl verify for %s: %v\n%s", c.name, err, out)
		}
	}
	out, err := exec.Command(openssl, "x509", "-noout", "-fingerprint", "-sha256", "-in", ca).CombinedOutput()
	if _, printed, _ := strings.Cut(strings.TrimSpace(string(out)), "="); err != nil || printed != a.Fingerprint() {
		t.Errorf("fingerprint %s, openssl says %s", a.Fingerprint(), out)
	}
}

func TestTheStateDirectoryKeepsTheCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, made := open(t, Options{StateDir: dir, Hostname: "pod-1", Hosts: []string{"dev.example"}})
	if !made {
		t.Error("the first CA is not reported as new")
	}
	key := filepath.Join(dir, keyName)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != keyMode {
		t.Errorf("%s: %v, %v; want mode 0600", keyName, info.Mode(), err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, certificateName)); err != nil || string(text) != string(first.PEM()) {
		t.Errorf("%s: %q, %v", certificateName, text, err)
	}

	// Another name of the machine does not make the CA worthless; it is only left out.
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	second, made := open(t, Options{StateDir: dir, Hostname: "pod-2", Hosts: []string{"dev.example"}})
	if made || second.Fingerprint() != first.Fingerprint() || slices.Contains(second.Names(), "pod-2") {
		t.Errorf("new %v, fingerprint %s after %s, names %q", made, second.Fingerprint(), first.Fingerprint(), second.Names())
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != keyMode {
		t.Errorf("%s stayed readable by others: %v, %v", keyName, info.Mode(), err)
	}
	if err := verify(first, current(t, second), "dev.example"); err != nil {
		t.Errorf("who trusts the first refuses the second: %v", err)
	}

	// A name that was asked for, and that the CA may not vouch for, takes another one.
	third, made := open(t, Options{StateDir: dir, Hosts: []string{"dev.example", "new.example"}})
	if !made || third.Fingerprint() == first.Fingerprint() {
		t.Error("the CA was kept though it does not vouch for a name that is asked for")
	}
}

// TestServersThatStartTogetherShareACA: as the replicas of a deployment with one volume.
func TestServersThatStartTogetherShareACA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	shown := make([]string, 8)
	var wait sync.WaitGroup
	for i := range shown {
		wait.Go(func() {
			a, _, err := Open(Options{StateDir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			shown[i] = a.Fingerprint()
		})
	}
	wait.Wait()
	last, made, err := Open(Options{StateDir: dir})
	if err != nil || made {
		t.Fatalf("made %v, %v", made, err)
	}
	for i, fingerprint := range shown {
		if fingerprint != last.Fingerprint() {
			t.Errorf("server %d has the CA %s, kept is %s", i, fingerprint, last.Fingerprint())
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, certificateName)); !bytes.Equal(text, last.PEM()) {
		t.Errorf("%s has %q, %v", certificateName, text, err)
	}
	if files, err := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("the directory has %v, %v", files, err)
	}
}

func TestAKeptCAThatDoesNotFitIsReplacedAndItIsSaidWhy(t *testing.T) {
	first := Options{Hostname: "pod-1", Hosts: []string{"a.example", "b.example", "192.0.2.1"}}
	loose := func(c *x509.Certificate) { c.PermittedDNSDomainsCritical = false }
	free := func(c *x509.Certificate) { c.PermittedDNSDomains, c.PermittedIPRanges = nil, nil }
	wider := func(c *x509.Certificate) { c.PermittedDNSDomains[1] = "example" }
	for _, c := range []struct {
		name   string
		change func(*x509.Certificate) // of the CA that is there
		opts   Options
		want   string // why another is made, "" if it is kept
	}{
		{"the same names", nil, first, ""},
		{"the same names in another order", nil, Options{Hostname: "pod-1", Hosts: []string{"192.0.2.1", "B.example.", "a.example", "a.example"}}, ""},
		{"another name of the machine", nil, Options{Hostname: "pod-2", Hosts: first.Hosts}, ""},
		{"no name of the machine", nil, Options{Hosts: first.Hosts}, ""},
		{"a name fewer", nil, Options{Hostname: "pod-1", Hosts: []string{"a.example", "192.0.2.1"}},
			"the old one is for a.example b.example localhost pod-1 127.0.0.0/8 192.0.2.1/32 ::1/128, the settings ask for a.example localhost pod-1 127.0.0.0/8 192.0.2.1/32 ::1/128"},
		{"an address fewer", nil, Options{Hosts: []string{"a.example", "b.example"}},
			"the old one is for a.example b.example localhost pod-1 127.0.0.0/8 192.0.2.1/32 ::1/128, the settings ask for a.example b.example localhost pod-1 127.0.0.0/8 ::1/128"},
		{"a name more", nil, Options{Hostname: "pod-1", Hosts: append([]string{"c.example"}, first.Hosts...)},
			"the old one is for a.example b.example localhost pod-1 127.0.0.0/8 192.0.2.1/32 ::1/128, the settings ask for a.example b.example c.example localhost pod-1 127.0.0.0/8 192.0.2.1/32 ::1/128"},
		{"a name below one that is there", nil, Options{Hostname: "pod-1", Hosts: append([]string{"c.a.example"}, first.Hosts...)},
			"the old one is for a.example b.example localhost pod-1 127.0.0.0/8 192.0.2.1/32 ::1/128, the settings ask for a.example b.example c.a.example localhost pod-1 127.0.0.0/8 192.0.2.1/32 ::1/128"},
		{"constraints that are not critical", loose, first, "the name constraints of the old one are not critical"},
		{"no constraints", free, first, "the name constraints of the old one are not critical"},
		{"a wider constraint", wider, first,
			"the old one is for a.example b.example example localhost 127.0.0.0/8 192.0.2.1/32 ::1/128, the settings ask for a.example b.example localhost pod-1 127.0.0.0/8 192.0.2.1/32 ::1/128"},
		{"the end of the CA", nil, Options{Hostname: "pod-1", Hosts: first.Hosts, Now: func() time.Time { return time.Now().Add(caLife - leafLife) }},
			"the old one expires at "},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			opts := first
			opts.StateDir = dir
			a, _ := open(t, opts)
			if c.change != nil {
				template := *a.ca.certificate
				template.PublicKey = nil
				c.change(&template)
				other, err := issue(&template, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := other.keep(dir, os.Rename); err != nil {
					t.Fatal(err)
				}
				a.ca = other
			}
			c.opts.StateDir = dir
			b, made := open(t, c.opts)
			if made != (c.want != "") || made == (a.Fingerprint() == b.Fingerprint()) {
				t.Errorf("new %v, fingerprint %s after %s", made, b.Fingerprint(), a.Fingerprint())
			}
			notes := strings.Join(b.Notes(), "\n")
			if want := "the development CA in TLS_STATE_DIR was replaced, import the new one: " + c.want; made && !strings.HasPrefix(notes, want) ||
				!made && notes != "" || strings.Contains(notes, "\n") {
				t.Errorf("notes %q, want %q", notes, want)
			}
			text, err := os.ReadFile(filepath.Join(dir, certificateName))
			if err != nil || string(text) != string(b.PEM()) {
				t.Errorf("%s is not that of the CA: %v", certificateName, err)
			}
		})
	}
}

func TestTheCertificateOfAKeptCAIsThereToBeTaken(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"missing":    os.Remove,
		"another's":  func(file string) error { return os.WriteFile(file, []byte("hello"), 0o644) },
		"unreadable": func(file string) error { return os.Chmod(file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := Options{StateDir: t.TempDir()}
			open(t, opts)
			file := filepath.Join(opts.StateDir, certificateName)
			if err := spoil(file); err != nil {
				t.Fatal(err)
			}
			a, made := open(t, opts)
			text, err := os.ReadFile(file)
			if made || string(text) != string(a.PEM()) || err != nil || len(a.Notes()) > 0 {
				t.Errorf("new %v, %s is %q, %v, notes %q", made, certificateName, text, err, a.Notes())
			}
		})
	}
	// A directory that cannot be written to is no reason not to start: /ca.pem has the certificate too.
	opts := Options{StateDir: t.TempDir()}
	open(t, opts)
	file := filepath.Join(opts.StateDir, certificateName)
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700), os.Mkdir(filepath.Join(file, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	a, made := open(t, opts)
	if notes := a.Notes(); made || len(notes) != 1 || !strings.HasPrefix(notes[0], "TLS_STATE_DIR has no "+certificateName+", and it cannot be written: ") || strings.Contains(notes[0], "\n") {
		t.Errorf("new %v, notes %q", made, notes)
	}
}

func TestAForeignStateIsRefused(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, keyName)
	other, _ := open(t, Options{})
	for _, c := range []struct{ text, want string }{
		{"hello", "not a key and a certificate, PEM"},
		{string(other.PEM()), "not a key and a certificate, PEM"},
		{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), "x509: malformed certificate"},
	} {
		if err := os.WriteFile(key, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Open(Options{StateDir: dir})
		if err == nil || !strings.HasSuffix(err.Error(), `": `+c.want+"; remove the file to get a new CA") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %q", c.text, err)
		}
	}
	blocked := filepath.Join(key, "below-a-file")
	if _, _, err := Open(Options{StateDir: blocked}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a state directory that cannot be made: %v", err)
	}
}

func TestTheCertificateIsRenewedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := open(t, Options{})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go a.Watch(ctx, func(err error) { t.Error(err) })
		first, ca := current(t, a), a.Fingerprint()
		time.Sleep(leafLife - renewBefore - 2*renewInterval)
		if current(t, a) != first {
			t.Error("renewed too early")
		}
		for range 5 {
			time.Sleep(leafLife - renewBefore)
			synctest.Wait()
			if left := time.Until(a.NotAfter()); left < renewBefore-renewInterval {
				t.Errorf("only %v are left", left)
			}
		}
		if current(t, a) == first || a.Fingerprint() != ca {
			t.Error("the certificate is the first still, or the CA another")
		}
	})
}

// A certificate that outlives its CA is refused by some clients, and of no use to any.
func TestNoCertificateOutlivesItsCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := open(t, Options{})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		reports := make(chan string, 10)
		go a.Watch(ctx, func(err error) { reports <- err.Error() })
		end := a.ca.certificate.NotAfter
		time.Sleep(time.Until(end) - leafLife/2)
		synctest.Wait()
		if got := a.NotAfter(); got.After(end) || len(reports) > 0 {
			t.Errorf("the certificate ends at %v, the CA at %v; %d reports", got, end, len(reports))
		}
		time.Sleep(leafLife/2 - time.Hour)
		synctest.Wait()
		last := current(t, a)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		want := "the development CA expires at " + end.Format(time.RFC3339) + ": restart the server to get a new one"
		if current(t, a) != last || !a.NotAfter().Equal(end) {
			t.Errorf("another certificate %v, which ends at %v, the CA at %v", current(t, a) != last, a.NotAfter(), end)
		}
		if len(reports) != 1 {
			t.Fatalf("%d reports", len(reports))
		}
		if got := <-reports; got != want {
			t.Errorf("reported %q, want %q", got, want)
		}
	})
}
