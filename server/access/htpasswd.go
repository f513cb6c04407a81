package access

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// entry is a user with the hash of the password, in the form of bcrypt: $2y$10$…
type entry struct {
	name, hash string
	cost       int
}

// maxCost bounds the cost of a hash: one of 15 takes about two seconds of a processor for each try, and each more
// doubles that.
const maxCost = 15

// parseEntry reads name:hash. The error never has the hash in it: what stands there may be a password.
func parseEntry(line string) (entry, error) {
	name, hash, found := strings.Cut(line, ":")
	switch {
	case !found || name == "":
		return entry{}, errors.New("must be user:hash, as htpasswd -nB prints it")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return entry{}, fmt.Errorf("user %q: control characters or no UTF-8 in the name", name)
	}
	if kind := kindOf(hash); kind != "" {
		return entry{}, fmt.Errorf("user %q: %s; it must be bcrypt (htpasswd -B)", name, kind)
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || !isBcrypt(hash) {
		return entry{}, fmt.Errorf("user %q: the bcrypt hash is cut off or malformed", name)
	}
	if cost > maxCost {
		return entry{}, fmt.Errorf("user %q: the cost of the hash is %d; it must be at most %d", name, cost, maxCost)
	}
	return entry{name, hash, cost}, nil
}

// kindOf names what htpasswd and crypt write beside bcrypt; "" is bcrypt.
func kindOf(hash string) string {
	for _, k := range []struct{ prefix, kind string }{
		{"$2a$", ""}, {"$2b$", ""}, {"$2y$", ""},
		{"$2x$", "a hash of the broken bcrypt ($2x$)"},
		{"$apr1$", "an MD5 hash ($apr1$)"},
		{"$1$", "an MD5 hash ($1$)"},
		{"{SHA}", "a SHA-1 hash ({SHA})"},
		{"{SSHA}", "a SHA-1 hash ({SSHA})"},
		{"$5$", "a SHA-256 hash ($5$)"},
		{"$6$", "a SHA-512 hash ($6$)"},
		{"$argon2", "an Argon2 hash"},
		{"$y$", "a yescrypt hash ($y$)"},
		{"$7$", "an scrypt hash ($7$)"},
	} {
		if strings.HasPrefix(hash, k.prefix) {
			return k.kind
		}
	}
	if len(hash) == 13 && strings.Trim(hash, cryptDigits) == "" {
		return "a DES hash (crypt)"
	}
	return "no hash, or one of an unknown kind"
}

// cryptDigits are the characters of the base 64 of crypt.
const cryptDigits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// isBcrypt says whether a hash has its whole length, $2y$10$ and 53 characters: salt and digest.
func isBcrypt(hash string) bool {
	return len(hash) == 60 && hash[6] == '$' && strings.Trim(hash[7:], cryptDigits) == ""
}

// format returns the entry as it is read.
func (e entry) format() string { return e.name + ":" + e.hash }

// parseFile reads a password file of htpasswd: an entry a line. Empty lines and those that begin with # are passed
// over.
func parseFile(text string) ([]entry, error) {
	var list []entry
	lines := map[string]int{}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) { // editors of Windows put it there
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if first := lines[e.name]; first > 0 {
			return nil, fmt.Errorf("line %d: user %q is on line %d already", n, e.name, first)
		}
		lines[e.name] = n
		list = append(list, e)
	}
	if list == nil {
		return nil, errors.New("no user in it: lines must be user:hash, as htpasswd -B writes them")
	}
	return list, nil
}

// parseList reads the entries of AUTH.
func parseList(list []string) ([]entry, error) {
	var entries []entry
	for i, text := range list {
		e, err := parseEntry(text)
		if err != nil {
			return nil, errors.New("AUTH: entry " + strconv.Itoa(i+1) + ": " + err.Error())
		}
		entries = append(entries, e)
	}
	return entries, nil
}
