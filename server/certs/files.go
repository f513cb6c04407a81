package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Files name a certificate chain and its key, all PEM.
type Files struct {
	// Chain has the certificate first, then those that vouch for it.
	Chain string
	// Key has the private key; empty means that it is in Chain.
	Key string
	// Password is the file with the password of an encrypted key, "" if there is none. The blanks around
	// the password are no part of it. It is read only if the key is encrypted.
	Password string
}

// content is what the files hold. It is comparable: equal content makes an equal pair.
type content struct{ chain, key, password string }

// Load reads the pair. Leaf is set in the result. An error is one line that names the file.
func (f Files) Load() (*tls.Certificate, error) {
	c, err := f.read()
	if err != nil {
		return nil, err
	}
	return f.parse(c)
}

// read reads all files.
func (f Files) read() (c content, err error) {
	if c.chain, err = readFile("certificate", f.Chain); err != nil {
		return content{}, err
	}
	if f.Key != "" {
		if c.key, err = readFile("key", f.Key); err != nil {
			return content{}, err
		}
	}
	if f.Password != "" {
		if c.password, err = readFile("password file", f.Password); err != nil {
			return content{}, err
		}
	}
	// Editors of Windows begin a file with a byte order mark, and OpenSSL steps over it.
	c.chain, c.key = strings.TrimPrefix(c.chain, "\ufeff"), strings.TrimPrefix(c.key, "\ufeff")
	return c, nil
}

func readFile(kind, name string) (string, error) {
	text, err := os.ReadFile(name)
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the name is said already
	}
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", kind, name, err)
	}
	return string(text), nil
}

// once says whether one of the files is a pipe, which gives what it holds once: <(command) of a shell.
func (f Files) once() bool {
	return slices.ContainsFunc([]string{f.Chain, f.Key, f.Password}, func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeCharDevice) != 0
	})
}

// parse makes the pair of what was read: load_cert_chain of Python's ssl module.
func (f Files) parse(c content) (*tls.Certificate, error) {
	pair := new(tls.Certificate)
	var others []string
	blocks := 0
	for block := range eachBlock(c.chain) {
		blocks++
		if block.Type != "CERTIFICATE" {
			others = append(others, block.Type)
			continue
		}
		pair.Certificate = append(pair.Certificate, block.Bytes)
	}
	switch {
	case blocks < begun(c.chain):
		return nil, fmt.Errorf("certificate %q: %w", f.Chain, errCutOff)
	case blocks == 0:
		return nil, fmt.Errorf("certificate %q: not PEM", f.Chain)
	case len(pair.Certificate) == 0:
		return nil, fmt.Errorf("certificate %q: no CERTIFICATE in it, only %s", f.Chain, enumerate(others))
	}
	for i, der := range pair.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %q: number %d of the chain is malformed: %w", f.Chain, i+1, err)
		}
		if i == 0 {
			pair.Leaf = certificate
		}
	}
	key, err := f.privateKey(c)
	if err != nil {
		return nil, err
	}
	if err := fits(pair.Leaf, key); err != nil {
		return nil, fmt.Errorf("key %q: %w certificate %q", f.keyFile(), err, f.Chain)
	}
	pair.PrivateKey = key
	return pair, nil
}

// keyFile is the file that has the key.
func (f Files) keyFile() string {
	if f.Key != "" {
		return f.Key
	}
	return f.Chain
}

// privateKey returns the first private key of the file that has it.
func (f Files) privateKey(c content) (crypto.Signer, error) {
	text := c.key
	if f.Key == "" {
		text = c.chain
	}
	var others []string
	blocks := 0
	for block := range eachBlock(text) {
		blocks++
		if !isKey(block) {
			others = append(others, block.Type)
			continue
		}
		key, err := parseKey(block, c.password, f.Password)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", f.keyFile(), err)
		}
		return key, nil
	}
	switch {
	case blocks < begun(text):
		return nil, fmt.Errorf("key %q: %w", f.keyFile(), errCutOff)
	case f.Key == "":
		return nil, fmt.Errorf("certificate %q: no PRIVATE KEY in it, and TLS_KEY is not set", f.Chain)
	case others == nil:
		return nil, fmt.Errorf("key %q: not PEM", f.Key)
	}
	return nil, fmt.Errorf("key %q: no PRIVATE KEY in it, only %s", f.Key, enumerate(others))
}

var (
	errOtherKey = errors.New("does not match")
	errCutOff   = errors.New("a PEM block in it is malformed or cut off")
)

// begun is how many PEM blocks begin in a file. Where it is more than there are, the file is perhaps being written:
// what there is of the chain is not to be shown.
func begun(text string) int {
	const begin = "-----BEGIN "
	n := strings.Count(text, "\n"+begin)
	if strings.HasPrefix(text, begin) {
		n++
	}
	return n
}

// fits says whether key is that of a certificate.
func fits(leaf *x509.Certificate, key crypto.Signer) error {
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return errOtherKey
	}
	return nil
}

// eachBlock yields the PEM blocks of a file.
func eachBlock(text string) func(yield func(*pem.Block) bool) {
	return func(yield func(*pem.Block) bool) {
		rest := []byte(text)
		for {
			var block *pem.Block
			block, rest = pem.Decode(rest)
			if block == nil || !yield(block) {
				return
			}
		}
	}
}

// enumerate names each type of PEM block once.
func enumerate(types []string) string {
	var once []string
	for _, t := range types {
		if !slices.Contains(once, t) {
			once = append(once, t)
		}
	}
	return strings.Join(once, ", ")
}
