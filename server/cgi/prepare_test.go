package cgi

import (
	"context"
	"net/netip"
	"testing"
	"testing/fstest"
	"time"
)

func TestNobody(t *testing.T) {
	for name, c := range map[string]struct {
		passwd string
		want   User
	}{
		"debian":   {"root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\nalice:x:70000:70000::/:\n", User{65534, 65533}},
		"none":     {"root:x:0:0::/:\nalice:x:1000:1000::/:\nbob:x:999:1::/:\n", User{1001, 1001}},
		"rubbish":  {"\nnobody\nnobody:x:-1:2\nx:y:z\n", User{65534, 65534}},
		"the_last": {"root:x:0:0::/:\nmax:x:4294967294:1::/:\n", User{65534, 65534}},
	} {
		root := fstest.MapFS{"etc/passwd": {Data: []byte(c.passwd)}}
		if got := nobody(root); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got, want := nobody(fstest.MapFS{}), (User{65534, 65534}); got != want {
		t.Errorf("without a list of users: %v, want %v", got, want)
	}
}

func TestServerNameIsTheAddressWhereNobodyHasAName(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	cancel()
	if got := ServerName(ctx, netip.MustParseAddr("::ffff:192.0.2.1")); got != "192.0.2.1" {
		t.Errorf("got %q", got)
	}
	if got := ServerName(ctx, netip.MustParseAddr("::")); got == "" {
		t.Error("no name for all addresses")
	}
}
