package access

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// hashOf returns the cheapest hash of a password, in htpasswd's form.
func hashOf(t testing.TB, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return "$2y$" + string(hash[4:])
}

const sample = "$2y$05$......................0000000000000000000000000000000"

func TestPasswordFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want string // the names, or the error
	}{
		"users":          {"anna:" + sample + "\nbob:" + sample + "\n", "anna bob"},
		"no_line_end":    {"anna:" + sample, "anna"},
		"windows":        {"\ufeffanna:" + sample + "\r\n\r\nbob:" + sample + "\r\n", "anna bob"},
		"comments":       {"# team\n\n  anna:" + sample + "  \n", "anna"},
		"older_prefixes": {"a:$2a$" + sample[4:] + "\nb:$2b$" + sample[4:], "a b"},
		"utf8":           {"Ådne Ø:" + sample, "Ådne Ø"},
		"empty":          {"", "no user in it: lines must be user:hash, as htpasswd -B writes them"},
		"only_comments":  {"#a:b\n", "no user in it: lines must be user:hash, as htpasswd -B writes them"},
		"no_colon":       {"# a\nsecret", "line 2: must be user:hash, as htpasswd -nB prints it"},
		"no_name":        {":" + sample, "line 1: must be user:hash, as htpasswd -nB prints it"},
		"md5":            {"anna:" + sample + "\nbob:$apr1$x$y", `line 2: user "bob": an MD5 hash ($apr1$); it must be bcrypt (htpasswd -B)`},
		"sha1":           {"bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", `line 1: user "bob": a SHA-1 hash ({SHA}); it must be bcrypt (htpasswd -B)`},
		"sha256":         {"bob:$5$x$y", `line 1: user "bob": a SHA-256 hash ($5$); it must be bcrypt (htpasswd -B)`},
		"sha512":         {"bob:$6$x$y", `line 1: user "bob": a SHA-512 hash ($6$); it must be bcrypt (htpasswd -B)`},
		"argon2":         {"bob:$argon2id$v=19$m=1", `line 1: user "bob": an Argon2 hash; it must be bcrypt (htpasswd -B)`},
		"des":            {"bob:rl.3StKT.4T8M", `line 1: user "bob": a DES hash (crypt); it must be bcrypt (htpasswd -B)`},
		"plain":          {"bob:secret", `line 1: user "bob": no hash, or one of an unknown kind; it must be bcrypt (htpasswd -B)`},
		"cut_off":        {"bob:" + sample[:40], `line 1: user "bob": the bcrypt hash is cut off or malformed`},
		"longer":         {"bob:" + sample + "x", `line 1: user "bob": the bcrypt hash is cut off or malformed`},
		"more_fields":    {"bob:" + sample + ":x", `line 1: user "bob": the bcrypt hash is cut off or malformed`},
		"costly":         {"bob:$2y$16" + sample[6:], `line 1: user "bob": the cost of the hash is 16; it must be at most 15`},
		"too_cheap":      {"bob:$2y$03" + sample[6:], `line 1: user "bob": the bcrypt hash is cut off or malformed`},
		"twice":          {"bob:" + sample + "\n\nbob:" + sample, `line 3: user "bob" is on line 1 already`},
		"control":        {"b\x01b:" + sample, `line 1: user "b\x01b": control characters or no UTF-8 in the name`},
	} {
		list, err := parseFile(c.text)
		var names []string
		for _, e := range list {
			names = append(names, e.name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// FuzzPasswordFile: it never panics, tells nothing of a hash, and what is accepted can be verified against and prints
// back to the same.
func FuzzPasswordFile(f *testing.F) {
	for _, seed := range []string{"", "a:" + sample, "a:" + sample + "\r\n#b\nc:$2a$" + sample[4:], "a:b", "\ufeffa:" + sample, "a:$apr1$b$c", "a:$2x$" + sample[4:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseFile(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		var printed strings.Builder
		for _, e := range list {
			if cost, err := bcrypt.Cost([]byte(e.hash)); err != nil || cost != e.cost || cost > maxCost {
				t.Errorf("%q: cost %d, %v", e.hash, cost, err)
			}
			printed.WriteString(e.format() + "\n")
		}
		again, err := parseFile(printed.String())
		if err != nil || len(again) != len(list) {
			t.Fatalf("printed %q, read %v, %v", printed.String(), again, err)
		}
		for i := range list {
			if again[i] != list[i] {
				t.Errorf("printed %v, read %v", list[i], again[i])
			}
		}
	})
}
