package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"
)

// digest stands for a name and a password: it is keyed with what only this process knows, so that nothing is learnt
// from it or from how long it takes to compare.
type digest [sha256.Size]byte

// users are all who may ask, as they were read once. They do not change but for what they remember.
type users struct {
	key    [sha256.Size]byte // of the digests
	byName map[string]*user
	// decoy is a hash that no password has. Who names nobody waits as long as who names somebody.
	decoy string
}

type user struct {
	hash string
	// verified is the digest of the pair that was right last: bcrypt takes 50 ms, and a page has many files.
	verified atomic.Pointer[digest]
}

// newUsers makes a table of entries. A name may be there once.
func newUsers(entries []entry) (*users, error) {
	u := &users{byName: make(map[string]*user, len(entries))}
	_, _ = rand.Read(u.key[:]) // never fails: crypto/rand
	cost := bcrypt.MinCost
	for _, e := range entries {
		if u.byName[e.name] != nil {
			return nil, fmt.Errorf("user %q is both in AUTH and in AUTH_FILE", e.name)
		}
		u.byName[e.name] = &user{hash: e.hash}
		cost = max(cost, e.cost)
	}
	u.decoy = fmt.Sprintf("$2y$%02d$......................%031d", cost, 0)
	return u, nil
}

// digest returns the digest of a pair. A name has no colon (RFC 7617, section 2).
func (u *users) digest(name, password string) (d digest) {
	mac := hmac.New(sha256.New, u.key[:])
	_, _ = mac.Write([]byte(name + ":" + password)) // never fails: hash.Hash
	mac.Sum(d[:0])
	return d
}

// remembered says whether this pair has been verified.
func (u *users) remembered(name string, d digest) bool {
	found := u.byName[name]
	if found == nil {
		return false
	}
	verified := found.verified.Load()
	return verified != nil && hmac.Equal(verified[:], d[:])
}

// verify checks a password, which takes as long for a name that there is not, and remembers the pair if it is right.
func (u *users) verify(name, password string, d digest) bool {
	found, hash := u.byName[name], u.decoy
	if found != nil {
		hash = found.hash
	}
	right := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	if found == nil || !right {
		return false
	}
	found.verified.Store(&d)
	return true
}
