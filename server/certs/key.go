package certs

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/youmark/pkcs8"
)

// isKey says whether a block is a private key: PRIVATE KEY, ENCRYPTED PRIVATE KEY, RSA PRIVATE KEY, ...
func isKey(block *pem.Block) bool { return strings.HasSuffix(block.Type, "PRIVATE KEY") }

// parseKey reads a private key: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017) or SEC 1 (RFC 5915), plain or encrypted
// with the password that stands in passwordFile.
func parseKey(block *pem.Block, password, passwordFile string) (crypto.Signer, error) {
	der := block.Bytes
	var key any
	var err error
	if isEncrypted(block) {
		if passwordFile == "" {
			return nil, errors.New("it is encrypted, and TLS_PASSWORD_FILE is not set")
		}
		key, err = decrypt(block, []byte(strings.TrimSpace(password)))
		if errors.Is(err, errPassword) {
			return nil, fmt.Errorf("%w in %q", err, passwordFile)
		}
	} else {
		key, err = parsePlain(block.Type, der)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// parsePlain reads a key that is not encrypted.
func parsePlain(kind string, der []byte) (key any, err error) {
	switch kind {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(der)
	default:
		return nil, fmt.Errorf("unsupported kind of key: %s", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("malformed: %w", err)
	}
	return key, nil
}

// errPassword is a password that does not open the key.
var errPassword = errors.New("wrong password")

const encryptedPKCS8 = "ENCRYPTED PRIVATE KEY"

func isEncrypted(block *pem.Block) bool {
	//lint:ignore SA1019 http.server reads keys in this form, and so do we
	return block.Type == encryptedPKCS8 || x509.IsEncryptedPEMBlock(block)
}

// decrypt opens an encrypted key. Neither form tells a wrong password from a damaged key with certainty.
func decrypt(block *pem.Block, password []byte) (key any, err error) {
	if block.Type == encryptedPKCS8 {
		return decryptPKCS8(block.Bytes, password)
	}
	//lint:ignore SA1019 as in isEncrypted
	der, err := x509.DecryptPEMBlock(block, password)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, errPassword
	}
	if err != nil {
		return nil, fmt.Errorf("cannot be decrypted: %w", err)
	}
	if key, err = parsePlain(block.Type, der); err != nil {
		return nil, errPassword // of 256 wrong passwords one leaves a fitting padding
	}
	return key, nil
}

// decryptPKCS8 opens an EncryptedPrivateKeyInfo (RFC 5958, section 3) with PBES2: PBKDF2 or scrypt.
func decryptPKCS8(der, password []byte) (key any, err error) {
	// The library takes a length that is no multiple of the cipher's block for an impossible state.
	defer func() {
		if p := recover(); p != nil {
			key, err = nil, fmt.Errorf("malformed: %v", p)
		}
	}()
	if len(password) == 0 {
		return nil, errPassword // the library would take the key for a plain one
	}
	key, err = pkcs8.ParsePKCS8PrivateKey(der, password)
	if err != nil {
		if err.Error() == "pkcs8: incorrect password" {
			return nil, errPassword
		}
		return nil, fmt.Errorf("cannot be decrypted: %w", err)
	}
	return key, nil
}
