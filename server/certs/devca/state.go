package devca

import (
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

// keptCA takes the CA from a directory. Another is made where there is none, where it does not vouch for
// the required names, and where it will not outlive the next certificate of the server.
func keptCA(dir string, required, all names, now time.Time) (ca *pair, made bool, err error) {
	name := filepath.Join(dir, keyName)
	ca, err = readCA(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	if err == nil && required.within(ca.certificate) && now.Add(leafLife).Before(ca.certificate.NotAfter) {
		return ca, false, nil
	}
	if ca, err = makeCA(all, now); err != nil {
		return nil, false, err
	}
	return ca, true, ca.keep(dir)
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
		return nil, fmt.Errorf("development CA %q: %w; remove the file to have another made", name, err)
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

// keep writes the CA to a directory, which is made if it is missing.
func (ca *pair) keep(dir string) error {
	der, err := x509.MarshalECPrivateKey(ca.key)
	if err != nil {
		return err
	}
	certificate := encodeCertificate(ca.certificate)
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err = os.MkdirAll(dir, directoryMode); err == nil {
		err = writeFile(filepath.Join(dir, keyName), append(key, certificate...), keyMode)
	}
	if err == nil {
		err = writeFile(filepath.Join(dir, certificateName), certificate, certificateMode)
	}
	if err != nil {
		return fmt.Errorf("keeping the development CA in TLS_STATE_DIR: %w", err)
	}
	return nil
}

// writeFile replaces a file by rename, so that it is never there in part.
func writeFile(name string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
