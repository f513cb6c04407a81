package devca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// keyName is the file with the CA's key and certificate in one, so that they cannot part.
	keyName = "ca-key.pem"
	// certificateName is the file with the CA's certificate, to be taken and trusted.
	certificateName = "ca.pem"

	keyMode         = 0o600
	certificateMode = 0o644
	directoryMode   = 0o700
)

// keptCA takes the CA from a directory. Another is made where there is none, and where it is not fit any more:
// replaced says why.
func keptCA(opts Options) (ca *pair, made bool, replaced string, err error) {
	name := filepath.Join(opts.StateDir, keyName)
	for _, put := range []func(from, to string) error{putNew, os.Rename} {
		ca, err = readCA(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, false, "", err
		}
		if err == nil {
			if replaced = ca.unfit(opts); replaced == "" {
				return ca, false, "", nil
			}
			put = os.Rename
		}
		if ca, err = makeCA(opts, opts.Now()); err != nil {
			return nil, false, "", err
		}
		if err = ca.keep(opts.StateDir, put); !errors.Is(err, errTaken) {
			break
		}
		// Another server that starts at the same time has made one: it is taken.
	}
	return ca, true, replaced, err
}

// unfit says why a CA that was kept is not to be used any more, "" if it is: it must vouch for what is asked for
// and nothing else, and outlive the next certificate of the server. Another name of the machine is no reason, as
// that of a container is another each time; that with which the CA was made is in it.
func (ca *pair) unfit(opts Options) string {
	c := ca.certificate
	opts.Hostname = madeOn(c)
	has, asked := constraints(c.PermittedDNSDomains, c.PermittedIPRanges), namesOf(opts).constraints()
	switch {
	case !c.PermittedDNSDomainsCritical:
		return "the name constraints of the old one are not critical"
	case has != asked:
		return fmt.Sprintf("the old one is for %s, the settings ask for %s", has, asked)
	case !opts.Now().Add(leafLife).Before(c.NotAfter):
		return "the old one expires at " + c.NotAfter.UTC().Format(time.RFC3339)
	}
	return ""
}

// publish sees to it that the CA's certificate lies beside its key.
func (ca *pair) publish(dir string) error {
	name, text := filepath.Join(dir, certificateName), encodeCertificate(ca.certificate)
	if there, err := os.ReadFile(name); err == nil && bytes.Equal(there, text) {
		return nil
	}
	return writeFile(name, text, certificateMode, os.Rename)
}

// readCA reads what keep has written. A key that others may read is closed to them.
func readCA(name string) (*pair, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("development CA: %w", err)
	}
	if info.Mode().Perm()&^keyMode != 0 {
		if err := os.Chmod(name, keyMode); err != nil {
			return nil, fmt.Errorf("development CA: the key may be read by others: %w", err)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("development CA: %w", err)
	}
	ca, err := decodeCA(text)
	if err != nil {
		return nil, fmt.Errorf("development CA %q: %w; remove the file to get a new CA", name, err)
	}
	return ca, nil
}

func decodeCA(text []byte) (ca *pair, err error) {
	ca = new(pair)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PRIVATE KEY":
			ca.key, err = x509.ParseECPrivateKey(block.Bytes)
		case "CERTIFICATE":
			ca.certificate, err = x509.ParseCertificate(block.Bytes)
		}
		if err != nil {
			return nil, err
		}
	}
	if ca.key == nil || ca.certificate == nil {
		return nil, errors.New("not a key and a certificate, PEM")
	}
	if public, ok := ca.certificate.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(&ca.key.PublicKey) || !ca.certificate.IsCA {
		return nil, errors.New("the key and the certificate are not those of one CA")
	}
	return ca, nil
}

// keep writes the CA to a directory, which is made if it is missing. put gives the file with the key its name.
func (ca *pair) keep(dir string, put func(from, to string) error) error {
	der, err := x509.MarshalECPrivateKey(ca.key)
	if err != nil {
		return err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err = os.MkdirAll(dir, directoryMode); err == nil {
		err = writeFile(filepath.Join(dir, keyName), append(key, encodeCertificate(ca.certificate)...), keyMode, put)
	}
	if err == nil {
		err = ca.publish(dir)
	}
	if err != nil {
		return fmt.Errorf("keeping the development CA in TLS_STATE_DIR: %w", err)
	}
	return nil
}

// errTaken is a file that is there already.
var errTaken = errors.New("it is there already")

// putNew renames a file, unless there is one of the new name. A file system without hard links cannot tell.
func putNew(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return errTaken
	}
	if err != nil {
		return os.Rename(from, to)
	}
	return os.Remove(from)
}

// writeFile writes a file under another name and has put give it its own, so that it is never there in part.
func writeFile(name string, text []byte, mode fs.FileMode, put func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = put(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
