package message

import (
	"crypto/sha256"
	"encoding/base64"
)

// Field is one field line: a name as it was spelled, and a value without the blanks around it. Both are
// bytes as they stand on the wire; RFC 9110 reads them as Latin-1 (section 5.5).
type Field struct{ Name, Value string }

// Fields is a header section. Order and spelling are kept; look-ups ignore the case of names.
type Fields []Field

// Lookup returns the value of the first field of that name and whether there is one. The first counts,
// as in email.message.Message.get.
func (f Fields) Lookup(name string) (value string, found bool) {
	for i := range f {
		if equalFold(f[i].Name, name) {
			return f[i].Value, true
		}
	}
	return "", false
}

// Get returns the value of the first field of that name, "" if there is none.
func (f Fields) Get(name string) string {
	value, _ := f.Lookup(name)
	return value
}

// Values returns the values of all fields of that name, in order.
func (f Fields) Values(name string) []string {
	var values []string
	for i := range f {
		if equalFold(f[i].Name, name) {
			values = append(values, f[i].Value)
		}
	}
	return values
}

// variantSize is how many bytes of a digest a Variant has: others are not guessed, and none is met by chance.
const variantSize = 6

// VariantOf returns what Request.Variant has for these fields: characters of an entity-tag, "" for no fields. It is the
// same on every replica.
func VariantOf(f Fields) string {
	if len(f) == 0 {
		return ""
	}
	hash := sha256.New()
	for _, field := range f {
		_, _ = hash.Write([]byte(field.Name + ": " + field.Value + "\n")) // never fails: hash.Hash
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:variantSize])
}

// equalFold compares two field names, which are ASCII tokens (RFC 9110, section 5.1), ignoring case.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
