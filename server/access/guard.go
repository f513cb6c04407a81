package access

import (
	"context"
	"encoding/base64"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/previewd/previewd/server/message"
)

// The kinds of what Guard.Failed is told: a closed set.
const (
	Wrong  = "wrong"  // a name or password that is wrong
	Slowed = "slowed" // a try of a client that had used all of its own
	Busy   = "busy"   // a try while too many wait
)

// maxWaiting is how many tries wait for a processor. Each takes 50 ms of one at the usual cost.
const maxWaiting = 64

// Guard lets those pass who know a name and its password (RFC 7617). A pair that was right is remembered; one that is
// new costs bcrypt's time, which is why few are tried at once, and each client has few tries.
type Guard struct {
	keeper *Keeper
	failed func(kind string)

	tries   tries
	flights singleflight.Group // a page asks for all its files at once, with the same pair
	gate    message.Gate
	waiting atomic.Int32
}

// NewGuard returns a Guard of those that keeper has. failed is told of each try that failed, with its kind.
func NewGuard(keeper *Keeper, failed func(kind string)) *Guard {
	return &Guard{keeper: keeper, failed: failed, gate: message.NewGate(max(1, runtime.GOMAXPROCS(0)/2))}
}

// Handler answers with 401 unless the request has a name and its password, then by next.
func (g *Guard) Handler(next message.Handler) message.Handler {
	return func(ctx context.Context, r *message.Request) message.Response {
		if refusal := g.check(r); refusal != nil {
			return *refusal
		}
		return private(next(ctx, r))
	}
}

// check returns the answer to a request that may not pass, nil for one that may.
func (g *Guard) check(r *message.Request) *message.Response {
	name, password, ok := credentials(r.Fields.Get("Authorization"))
	if !ok {
		return unauthorized()
	}
	users := g.keeper.current.Load()
	d := users.digest(name, password)
	if users.remembered(name, d) {
		return nil
	}
	from := prefixOf(r.Client)
	refusal, _, _ := g.flights.Do(from.String()+string(d[:]), func() (any, error) {
		if users.remembered(name, d) { // since a moment
			return (*message.Response)(nil), nil
		}
		wait, wrong := g.tries.begin(from, d, time.Now())
		switch {
		case wrong:
			return unauthorized(), nil
		case wait > 0:
			g.failed(Slowed)
			return retry(429, "Too many wrong passwords from "+r.Client.String(), wait), nil
		case g.waiting.Add(1) > maxWaiting:
			g.waiting.Add(-1)
			g.tries.end(from, digest{}, true)
			g.failed(Busy)
			return retry(503, "Too many passwords to check", time.Second), nil
		}
		g.gate.Enter()
		right := users.verify(name, password, d)
		g.gate.Leave()
		g.waiting.Add(-1)
		g.tries.end(from, d, right)
		if !right {
			g.failed(Wrong)
			return unauthorized(), nil
		}
		return (*message.Response)(nil), nil
	})
	return refusal.(*message.Response)
}

// credentials reads name and password of an Authorization field in the Basic scheme.
func credentials(value string) (name, password string, ok bool) {
	scheme, encoded, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(decoded), ":")
}

// unauthorized has a browser ask for a name and a password, and send them in UTF-8 (RFC 7617, section 2.1).
func unauthorized() *message.Response {
	resp := (&message.Failure{Status: 401}).Response()
	resp.Fields = message.Fields{{Name: "WWW-Authenticate", Value: `Basic realm="previewd", charset="UTF-8"`}}
	return &resp
}

func retry(status int, text string, wait time.Duration) *message.Response {
	resp := (&message.Failure{Status: status, Message: text}).Response()
	seconds := int((wait + time.Second - 1) / time.Second)
	resp.Fields = message.Fields{{Name: "Retry-After", Value: strconv.Itoa(seconds)}}
	return &resp
}

// private has caches that several people share keep nothing: Cache-Control: public would allow it in spite of the
// password (RFC 9111, section 3.5).
func private(resp message.Response) message.Response {
	for i, f := range resp.Fields {
		if !strings.EqualFold(f.Name, "Cache-Control") || !strings.Contains(strings.ToLower(f.Value), "public") {
			continue
		}
		directives := strings.Split(f.Value, ",")
		for j, directive := range directives {
			if strings.EqualFold(strings.TrimSpace(directive), "public") {
				directives[j] = strings.Replace(strings.ToLower(directive), "public", "private", 1)
			}
		}
		resp.Fields = append(message.Fields(nil), resp.Fields...) // they may be the cache's
		resp.Fields[i].Value = strings.Join(directives, ",")
	}
	return resp
}
