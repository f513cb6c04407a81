package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"
)

// block is a PEM block as text.
func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// must returns v, and is for what can only fail in a test that is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// certificate makes a certificate with a serial number, valid for a year.
func certificate(key crypto.Signer, serial int64) string {
	return certificateUntil(key, serial, time.Now().Add(365*24*time.Hour))
}

func certificateUntil(key crypto.Signer, serial int64, end time.Time) string {
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))
}

func sec1(key *ecdsa.PrivateKey) string {
	return block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key)))
}

func plainPKCS8(key any) string { return block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }

func encrypted(key any, password string, kdf pkcs8.KDFOpts) string {
	return block(encryptedPKCS8, must(pkcs8.MarshalPrivateKey(key, []byte(password), &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: kdf})))
}

// legacy is a key in the form of OpenSSL before PKCS#8, encrypted.
func legacy(key *ecdsa.PrivateKey, password string) string {
	der := must(x509.MarshalECPrivateKey(key))
	//lint:ignore SA1019 it is what is tested
	return string(pem.EncodeToMemory(must(x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", der, []byte(password), x509.PEMCipherAES256))))
}

var (
	pbkdf2 = pkcs8.PBKDF2Opts{SaltSize: 16, IterationCount: 1000, HMACHash: crypto.SHA256}
	scrypt = pkcs8.ScryptOpts{SaltSize: 16, CostParameter: 1024, BlockSize: 8, ParallelizationParameter: 1}
)

// write puts files into a directory of their own and changes into it, so that messages name them shortly.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryFormOfKeyIsLoaded(t *testing.T) {
	key := newKey()
	chain := certificate(key, 1)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		files Files
		texts map[string]string
	}{
		{"two files", Files{Chain: "c", Key: "k"}, map[string]string{"c": chain, "k": sec1(key)}},
		{"key in the chain file, last", Files{Chain: "c"}, map[string]string{"c": chain + plainPKCS8(key)}},
		{"key in the chain file, first", Files{Chain: "c"}, map[string]string{"c": sec1(key) + chain}},
		{"text and line ends of other systems", Files{Chain: "c", Key: "k"},
			map[string]string{"c": "subject=CN = localhost\r\n" + strings.ReplaceAll(chain, "\n", "\r\n"), "k": sec1(key)}},
		{"byte order marks, as OpenSSL takes them", Files{Chain: "c", Key: "k"},
			map[string]string{"c": "\ufeff" + chain, "k": "\ufeff" + sec1(key)}},
		{"parameters of the curve before the key", Files{Chain: "c", Key: "k"},
			map[string]string{"c": chain, "k": block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}) + sec1(key)}},
		{"RSA, PKCS#1", Files{Chain: "c", Key: "k"},
			map[string]string{"c": certificate(rsaKey, 1), "k": block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))}},
		{"Ed25519", Files{Chain: "c", Key: "k"}, map[string]string{"c": certificate(edKey, 1), "k": plainPKCS8(edKey)}},
		{"PBKDF2", Files{Chain: "c", Key: "k", Password: "p"},
			map[string]string{"c": chain, "k": encrypted(key, "søt", pbkdf2), "p": " søt\r\n"}},
		{"scrypt", Files{Chain: "c", Key: "k", Password: "p"},
			map[string]string{"c": chain, "k": encrypted(key, "a b", scrypt), "p": "a b\n"}},
		{"legacy", Files{Chain: "c", Key: "k", Password: "p"}, map[string]string{"c": chain, "k": legacy(key, "pw"), "p": "pw"}},
		{"encrypted in the chain file", Files{Chain: "c", Password: "p"},
			map[string]string{"c": encrypted(key, "pw", pbkdf2) + chain, "p": "pw"}},
		{"password of a key that is not encrypted", Files{Chain: "c", Key: "k", Password: "p"},
			map[string]string{"c": chain, "k": sec1(key), "p": "pw"}},
		{"chain of two", Files{Chain: "c", Key: "k"}, map[string]string{"c": chain + certificate(newKey(), 2), "k": sec1(key)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, c.texts)
			pair, err := c.files.Load()
			if err != nil {
				t.Fatalf("got error %q", err)
			}
			if want := strings.Count(c.texts["c"], "BEGIN CERTIFICATE"); len(pair.Certificate) != want || pair.Leaf.SerialNumber.Int64() != 1 {
				t.Errorf("a chain of %d that begins with number %v, want %d and 1", len(pair.Certificate), pair.Leaf.SerialNumber, want)
			}
		})
	}
}

func TestABrokenPairIsOneLineThatNamesTheFile(t *testing.T) {
	key := newKey()
	chain := certificate(key, 1)
	two := Files{Chain: "c", Key: "k"}
	three := Files{Chain: "c", Key: "k", Password: "p"}
	pbes1 := encryptedPBES1(key)
	for _, c := range []struct {
		name  string
		files Files
		texts map[string]string
		want  string
	}{
		{"no certificate", two, map[string]string{"k": sec1(key)}, `certificate "c": no such file or directory`},
		{"no key", two, map[string]string{"c": chain}, `key "k": no such file or directory`},
		{"no password file", three, map[string]string{"c": chain, "k": sec1(key)}, `password file "p": no such file or directory`},
		{"directory for certificate", Files{Chain: ".", Key: "k"}, map[string]string{"k": sec1(key)}, `certificate ".": is a directory`},
		{"directory for key", Files{Chain: "c", Key: "."}, map[string]string{"c": chain}, `key ".": is a directory`},
		{"directory for password file", Files{Chain: "c", Key: "k", Password: "."}, map[string]string{"c": chain, "k": sec1(key)}, `password file ".": is a directory`},
		{"key empty", two, map[string]string{"c": chain, "k": ""}, `key "k": not PEM`},
		{"certificate not PEM but DER", two, map[string]string{"c": pemBytes(chain), "k": sec1(key)}, `certificate "c": not PEM`},
		{"key that cannot sign", two, map[string]string{"c": chain, "k": plainPKCS8(must(ecdh.X25519().GenerateKey(rand.Reader)))},
			`key "k": a key of type *ecdh.PrivateKey cannot sign`},
		{"key of another certificate in the chain file", Files{Chain: "c"}, map[string]string{"c": chain + sec1(newKey())}, `key "c": does not match certificate "c"`},
		{"encrypted in the chain file, no password", Files{Chain: "c"}, map[string]string{"c": chain + encrypted(key, "pw", scrypt)},
			`key "c": it is encrypted, and TLS_PASSWORD_FILE is not set`},
		{"certificate not PEM", two, map[string]string{"c": "hello", "k": sec1(key)}, `certificate "c": not PEM`},
		{"certificate empty", two, map[string]string{"c": "", "k": sec1(key)}, `certificate "c": not PEM`},
		{"key not PEM", two, map[string]string{"c": chain, "k": "hello"}, `key "k": not PEM`},
		{"certificate cut off", two, map[string]string{"c": chain[:len(chain)/2], "k": sec1(key)}, `certificate "c": a PEM block in it is malformed or cut off`},
		{"chain cut off behind the certificate", two, map[string]string{"c": chain + certificate(newKey(), 2)[:300], "k": sec1(key)},
			`certificate "c": a PEM block in it is malformed or cut off`},
		{"chain malformed before the certificate", two, map[string]string{"c": strings.Replace(certificate(newKey(), 2), "END", "DNE", 1) + chain, "k": sec1(key)},
			`certificate "c": a PEM block in it is malformed or cut off`},
		{"key cut off", two, map[string]string{"c": chain, "k": sec1(key)[:100]}, `key "k": a PEM block in it is malformed or cut off`},
		{"key cut off in the chain file", Files{Chain: "c"}, map[string]string{"c": chain + sec1(key)[:100]}, `certificate "c": a PEM block in it is malformed or cut off`},
		{"files exchanged", Files{Chain: "k", Key: "c"}, map[string]string{"c": chain, "k": sec1(key)},
			`certificate "k": no CERTIFICATE in it, only EC PRIVATE KEY`},
		{"certificate for key", two, map[string]string{"c": chain, "k": chain}, `key "k": no PRIVATE KEY in it, only CERTIFICATE`},
		{"chain file without key", Files{Chain: "c"}, map[string]string{"c": chain}, `certificate "c": no PRIVATE KEY in it, and TLS_KEY is not set`},
		{"certificate malformed", two, map[string]string{"c": chain + block("CERTIFICATE", []byte("x")), "k": sec1(key)},
			`certificate "c": number 2 of the chain is malformed: x509: malformed certificate`},
		{"key malformed", two, map[string]string{"c": chain, "k": block("EC PRIVATE KEY", []byte("x"))},
			`key "k": malformed: x509: failed to parse EC private key: asn1: syntax error: truncated tag or length`},
		{"key of an unknown kind", two, map[string]string{"c": chain, "k": block("OPENSSH PRIVATE KEY", []byte("x"))},
			`key "k": unsupported kind of key: OPENSSH PRIVATE KEY`},
		{"key of another certificate", two, map[string]string{"c": chain, "k": sec1(newKey())}, `key "k": does not match certificate "c"`},
		{"key of another kind", two, map[string]string{"c": chain, "k": plainPKCS8(must(rsa.GenerateKey(rand.Reader, 2048)))},
			`key "k": does not match certificate "c"`},
		{"encrypted, no password", two, map[string]string{"c": chain, "k": encrypted(key, "pw", pbkdf2)},
			`key "k": it is encrypted, and TLS_PASSWORD_FILE is not set`},
		{"legacy, no password", two, map[string]string{"c": chain, "k": legacy(key, "pw")},
			`key "k": it is encrypted, and TLS_PASSWORD_FILE is not set`},
		{"wrong password, PBKDF2", three, map[string]string{"c": chain, "k": encrypted(key, "pw", pbkdf2), "p": "wp"},
			`key "k": wrong password in "p"`},
		{"wrong password, scrypt", three, map[string]string{"c": chain, "k": encrypted(key, "pw", scrypt), "p": "wp"},
			`key "k": wrong password in "p"`},
		{"wrong password, legacy", three, map[string]string{"c": chain, "k": legacy(key, "pw"), "p": "wp"},
			`key "k": wrong password in "p"`},
		{"empty password", three, map[string]string{"c": chain, "k": encrypted(key, "pw", pbkdf2), "p": " \n"},
			`key "k": wrong password in "p"`},
		{"encrypted, not PBES2", three, map[string]string{"c": chain, "k": pbes1, "p": "pw"},
			`key "k": cannot be decrypted: pkcs8: only PBES2 supported`},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, c.texts)
			_, err := c.files.Load()
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %q\nwant %q", err, c.want)
			}
		})
	}
}

// pemBytes is what the first PEM block of a text has.
func pemBytes(text string) string {
	b, _ := pem.Decode([]byte(text))
	return string(b.Bytes)
}

func TestAFileThatMayNotBeReadIsNamed(t *testing.T) {
	key := newKey()
	write(t, map[string]string{"c": certificate(key, 1), "k": sec1(key)})
	if err := os.Chmod("k", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile("k"); err == nil {
		t.Skip("nothing is kept from this user")
	}
	_, err := Files{Chain: "c", Key: "k"}.Load()
	if want := `key "k": permission denied`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// encryptedPBES1 is a key in the form of PKCS#5 v1.5, as far as the algorithm.
func encryptedPBES1(*ecdsa.PrivateKey) string {
	// SEQUENCE { SEQUENCE { OID pbeWithMD5AndDES-CBC, NULL }, OCTET STRING 00 }
	der := []byte{0x30, 0x12, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x03, 0x05, 0x00, 0x04, 0x01, 0x00}
	return block(encryptedPKCS8, der)
}

// Whatever password is wrong, it is called so: CBC's padding tells only most of them.
func TestEveryWrongPasswordIsCalledWrong(t *testing.T) {
	key := newKey()
	text, _ := pem.Decode([]byte(legacy(key, "pw")))
	for i := range 1000 {
		if _, err := parseKey(text, "wrong"+string(rune('a'+i%26))+strings.Repeat("x", i/26), "p"); err == nil || err.Error() != `wrong password in "p"` {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
}

func TestKeysOfOpenSSLAreLoaded(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	key := newKey()
	for name, arguments := range map[string]string{
		"PKCS#8":         "pkcs8 -topk8 -passout pass:pw",
		"PKCS#8, scrypt": "pkcs8 -topk8 -scrypt -passout pass:pw",
		"PKCS#8, 3DES":   "pkcs8 -topk8 -v2 des3 -passout pass:pw",
		"legacy":         "ec -aes128 -passout pass:pw",
		"legacy, 3DES":   "ec -des3 -passout pass:pw",
	} {
		t.Run(name, func(t *testing.T) {
			write(t, map[string]string{"c": certificate(key, 1), "p": "pw\n"})
			command := exec.Command(openssl, append(strings.Fields(arguments), "-out", "k")...)
			command.Stdin = strings.NewReader(sec1(key))
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("openssl %s: %v\n%s", arguments, err, out)
			}
			if text := must(os.ReadFile("k")); !bytes.Contains(text, []byte("ENCRYPTED")) {
				t.Fatalf("openssl made a plain key:\n%s", text)
			}
			if _, err := (Files{Chain: "c", Key: "k", Password: filepath.Join(".", "p")}).Load(); err != nil {
				t.Error(err)
			}
		})
	}
}

// FuzzAPair: whatever the files hold, it is a pair whose key fits, or one line that says what is wrong.
func FuzzAPair(f *testing.F) {
	key := newKey()
	chain := certificate(key, 1)
	f.Add(chain, sec1(key))
	f.Add(chain+plainPKCS8(key), "")
	f.Add(chain+chain[:200], sec1(newKey()))
	f.Add("hello\n"+chain, legacy(key, "pw"))
	f.Fuzz(func(t *testing.T, chain, key string) {
		if strings.Contains(chain+key, encryptedPKCS8) {
			t.Skip("how long the password takes is in the file")
		}
		files := Files{Chain: "c", Password: "p"}
		if key != "" {
			files.Key = "k"
		}
		pair, err := files.parse(content{chain, key, "pw"})
		switch {
		case err != nil && (pair != nil || strings.Contains(err.Error(), "\n")):
			t.Errorf("%v, %q", pair, err)
		case err == nil && (pair.Leaf == nil || fits(pair.Leaf, pair.PrivateKey.(crypto.Signer)) != nil):
			t.Errorf("a pair that does not fit: %v", pair)
		}
	})
}
