package access

import (
	"context"
	"encoding/base64"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/previewd/previewd/server/message"
)

// counted are the kinds that a Guard has told.
type counted struct {
	mu    sync.Mutex
	kinds []string
}

func (c *counted) add(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds = append(c.kinds, kind)
}

func (c *counted) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.kinds, " ")
}

// guarded is a handler behind a Guard for anna, whose password is pä:ss.
func guarded(t *testing.T, next message.Handler) (message.Handler, *counted) {
	t.Helper()
	keeper, err := Open([]string{"anna:" + hashOf(t, "pä:ss")}, "")
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{}
	return NewGuard(keeper, c.add).Handler(next), c
}

// ask asks with an Authorization field; "" is none.
func ask(t *testing.T, serve message.Handler, from, authorization string) message.Response {
	t.Helper()
	r := &message.Request{Method: "GET", Target: "/", Client: netip.MustParseAddr(from)}
	if authorization != "" {
		r.Fields = message.Fields{{Name: "authorization", Value: authorization}}
	}
	return serve(t.Context(), r)
}

func basic(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }

func TestAPasswordIsAskedFor(t *testing.T) {
	serve, failed := guarded(t, ok)
	for name, c := range map[string]struct {
		authorization string
		want          int
	}{
		"right":          {basic("anna:pä:ss"), 200},
		"any_case":       {"bAsIc  " + base64.StdEncoding.EncodeToString([]byte("anna:pä:ss")), 200},
		"none":           {"", 401},
		"wrong":          {basic("anna:pass"), 401},
		"latin_1":        {basic("anna:p\xe4:ss"), 401},
		"other_name":     {basic("Anna:pä:ss"), 401},
		"no_password":    {basic("anna:"), 401},
		"no_colon":       {basic("anna"), 401},
		"no_base64":      {"Basic anna:pä:ss", 401},
		"other_scheme":   {"Bearer " + base64.StdEncoding.EncodeToString([]byte("anna:pä:ss")), 401},
		"hash_is_no_key": {basic("anna:" + hashOf(t, "pä:ss")), 401},
	} {
		resp := ask(t, serve, "192.0.2.1", c.authorization)
		if resp.Status != c.want {
			t.Errorf("%s: status %d, want %d", name, resp.Status, c.want)
		}
		challenge := resp.Fields.Get("WWW-Authenticate")
		if want := `Basic realm="previewd", charset="UTF-8"`; (resp.Status == 401) != (challenge == want) {
			t.Errorf("%s: status %d and WWW-Authenticate %q", name, resp.Status, challenge)
		}
	}
	if got := failed.String(); strings.Count(got, Wrong) != 5 || strings.Contains(got, Slowed) {
		t.Errorf("failed tries: %q", got) // what names no pair is none
	}
}

// TestWrongPasswordsAreSlowed: a client has a few tries and then one in a while; others are not slowed by it, nor is who
// has been verified, and the same wrong pair again is no try.
func TestWrongPasswordsAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve, failed := guarded(t, ok)
		if got := ask(t, serve, "192.0.2.1", basic("anna:pä:ss")).Status; got != 200 {
			t.Fatalf("status %d", got)
		}
		try := func(from, password string) int { return ask(t, serve, from, basic("anna:"+password)).Status }
		for i := range burst {
			if got := try("192.0.2.1", strings.Repeat("x", i+1)); got != 401 {
				t.Errorf("try %d: status %d", i+1, got)
			}
		}
		resp := ask(t, serve, "192.0.2.1", basic("bob:y"))
		if resp.Status != 429 || resp.Fields.Get("Retry-After") != "2" || !strings.Contains(resp.Failure().Message, "192.0.2.1") {
			t.Errorf("after %d tries: %d, %v", burst, resp.Status, resp.Fields)
		}
		for range 100 {
			if got := try("192.0.2.1", strings.Repeat("x", burst)); got != 401 {
				t.Fatalf("the same pair again: status %d", got)
			}
		}
		for _, c := range []struct {
			from, password string
			want           int
		}{{"192.0.2.1", "pä:ss", 200}, {"192.0.2.2", "z", 401}, {"2001:db8::1", "z", 401}} {
			if got := try(c.from, c.password); got != c.want {
				t.Errorf("%s with %s: status %d, want %d", c.from, c.password, got, c.want)
			}
		}
		time.Sleep(pace)
		if got := []int{try("192.0.2.1", "a"), try("192.0.2.1", "b")}; got[0] != 401 || got[1] != 429 {
			t.Errorf("after %v: statuses %v", pace, got)
		}
		if got, want := failed.String(), strings.Repeat(Wrong+" ", burst)+"slowed wrong wrong wrong slowed"; got != want {
			t.Errorf("told of %q, want %q", got, want)
		}
	})
}

// TestOnePageIsOneTry: a page asks for all its files at once, before the pair is known.
func TestOnePageIsOneTry(t *testing.T) {
	serve, failed := guarded(t, ok)
	for _, c := range []struct {
		pair string
		want int
	}{{"anna:pä:ss", 200}, {"anna:wrong", 401}} {
		var group sync.WaitGroup
		for range 3 * burst {
			group.Go(func() {
				if got := ask(t, serve, "192.0.2.1", basic(c.pair)).Status; got != c.want {
					t.Errorf("%s: status %d, want %d", c.pair, got, c.want)
				}
			})
		}
		group.Wait()
	}
	if got := failed.String(); got != Wrong {
		t.Errorf("told of %q", got)
	}
}

// TestTriesAreBounded: neither the table of clients nor the number of those that wait grows without end.
func TestTriesAreBounded(t *testing.T) {
	var tr tries
	now := time.Unix(1e9, 0)
	for i := range 3 * maxClients {
		from := prefixOf(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		if wait, wrong := tr.begin(from, digest{1}, now); wait > 0 || wrong {
			t.Fatalf("client %d: %v, %v", i, wait, wrong)
		}
	}
	if n := len(tr.clients); n > maxClients {
		t.Errorf("%d clients, at most %d", n, maxClients)
	}
	a, b := prefixOf(netip.MustParseAddr("2001:db8:1:2::3")), prefixOf(netip.MustParseAddr("2001:db8:1:2:4::"))
	if a != b || a == prefixOf(netip.MustParseAddr("2001:db8:1:3::")) {
		t.Error("a customer's network is not one client")
	}
}

// TestUnknownNamesTakeAsLong: a password is compared with a hash of the same cost, and no password fits it.
func TestUnknownNamesTakeAsLong(t *testing.T) {
	list, err := parseFile("a:$2y$06" + sample[6:] + "\nb:" + sample)
	if err != nil {
		t.Fatal(err)
	}
	u, err := newUsers(list)
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := bcrypt.Cost([]byte(u.decoy)); err != nil || cost != 6 || !isBcrypt(u.decoy) {
		t.Errorf("decoy %q: cost %d, %v", u.decoy, cost, err)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(u.decoy), nil); err != bcrypt.ErrMismatchedHashAndPassword {
		t.Errorf("decoy: %v", err)
	}
}

// TestNothingIsKeptForOthers: what is behind a password may be kept by the browser only.
func TestNothingIsKeptForOthers(t *testing.T) {
	for value, want := range map[string]string{
		"no-cache": "no-cache", "public, max-age=31536000, immutable": "private, max-age=31536000, immutable",
		"max-age=1, Public": "max-age=1, private", "publicity=1": "publicity=1",
	} {
		shared := message.Fields{{Name: "Content-type", Value: "a/b"}, {Name: "Cache-Control", Value: value}}
		serve, _ := guarded(t, func(context.Context, *message.Request) message.Response {
			return message.Response{Status: 200, Fields: shared}
		})
		resp := ask(t, serve, "192.0.2.1", basic("anna:pä:ss"))
		if got := resp.Fields.Get("Cache-Control"); got != want {
			t.Errorf("%q became %q, want %q", value, got, want)
		}
		if shared[1].Value != value {
			t.Errorf("the handler's own fields were changed to %q", shared[1].Value)
		}
	}
}

// TestTheFileIsReadAgain: a new file counts, what was remembered does not, and a broken one is told of once and changes
// nothing.
func TestTheFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "htpasswd")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("anna:" + hashOf(t, "one"))
	synctest.Test(t, func(t *testing.T) {
		keeper, err := Open([]string{"root:" + hashOf(t, "r")}, file)
		if err != nil {
			t.Fatal(err)
		}
		var told counted
		ctx, stop := context.WithCancel(t.Context())
		go keeper.Watch(ctx, func(users int) { told.add("replaced") }, func(err error) { told.add(err.Error()) })
		serve := NewGuard(keeper, func(string) {}).Handler(ok)
		statuses := func() (list [3]int) {
			for i, pair := range []string{"anna:one", "anna:two", "root:r"} {
				list[i] = ask(t, serve, "192.0.2.1", basic(pair)).Status
			}
			return list
		}
		step := func(text string, want [3]int, words string) {
			t.Helper()
			if text != "" {
				write(text)
			}
			time.Sleep(3 * pollInterval)
			if got := statuses(); got != want || told.String() != words {
				t.Errorf("statuses %v, want %v; told of %q, want %q", got, want, told.String(), words)
			}
			told.kinds = nil
		}
		step("", [3]int{200, 401, 200}, "")
		step("anna:"+hashOf(t, "two"), [3]int{401, 200, 200}, "replaced")
		complaint := `AUTH_FILE "` + file + `": line 1: user "anna": no hash, or one of an unknown kind; it must be bcrypt (htpasswd -B); the previous users are kept`
		step("anna:two", [3]int{401, 200, 200}, complaint)
		if err := keeper.Err(); err == nil || err.Error() != complaint {
			t.Errorf("Err: %v", err)
		}
		step("", [3]int{401, 200, 200}, "")
		step("anna:"+hashOf(t, "one"), [3]int{200, 401, 200}, "replaced")
		if err := keeper.Err(); err != nil {
			t.Errorf("Err: %v", err)
		}
		stop()
		synctest.Wait()
	})
}

func TestWhatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(file, []byte("anna:"+sample), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		list []string
		file string
		want string
	}{
		"missing":    {nil, filepath.Join(dir, "none"), `AUTH_FILE "` + dir + `/none": no such file or directory`},
		"twice":      {[]string{"anna:" + sample}, file, `user "anna" is both in AUTH and in AUTH_FILE`},
		"plain":      {[]string{"bob:" + sample, "eve:secret"}, "", `AUTH: entry 2: user "eve": no hash, or one of an unknown kind; it must be bcrypt (htpasswd -B)`},
		"twice_auth": {[]string{"bob:" + sample, "bob:" + sample}, "", `user "bob" is both in AUTH and in AUTH_FILE`},
	} {
		_, err := Open(c.list, c.file)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
