package coding

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/previewd/previewd/server/message"
)

// accept reads lines of Accept-Encoding.
func accept(lines ...string) Accepted {
	f := message.Fields{{Name: "Accept", Value: "gzip"}}
	for _, line := range lines {
		f = append(f, message.Field{Name: "accept-Encoding", Value: line})
	}
	return Accepts(f)
}

func TestAccepts(t *testing.T) {
	for _, c := range []struct {
		name                     string
		lines                    []string
		identity, gzip, zstd, br int
	}{
		{"12.5.3_absent", nil, unlisted, 0, 0, 0},
		{"12.5.3_empty", []string{""}, unlisted, 0, 0, 0},
		{"12.5.3_browser", []string{"gzip, deflate, br, zstd"}, unlisted, 1000, 1000, 1000},
		{"12.5.3_other_codings", []string{"compress, deflate"}, unlisted, 0, 0, 0},
		{"12.5.3_star", []string{"*"}, 1000, 1000, 1000, 1000},
		{"12.5.3_star_is_the_rest", []string{"br;q=0.5, *;q=0.1, gzip"}, 100, 1000, 100, 500},
		{"12.5.3_star_excludes", []string{"gzip, *;q=0"}, 0, 1000, 0, 0},
		{"12.5.3_star_excludes_but_identity", []string{"identity, *;q=0"}, 1000, 0, 0, 0},
		{"12.5.3_identity_excluded", []string{"gzip, identity;q=0"}, 0, 1000, 0, 0},
		{"12.5.3_identity_weighed", []string{"gzip;q=0.5, identity;q=0.8"}, 800, 500, 0, 0},
		{"12.5.3_coding_excluded", []string{"gzip;q=0, *"}, 1000, 0, 1000, 1000},
		{"8.4.1.3_x_gzip", []string{"x-gzip;q=0.5"}, unlisted, 500, 0, 0},
		{"8.4.1_codings_ignore_case", []string{"GZIP, Br;q=0.5, zStD"}, unlisted, 1000, 1000, 500},
		{"5.3_lines_combined", []string{"gzip;q=0.2", "br"}, unlisted, 200, 0, 1000},
		{"5.6.1_empty_members", []string{",, gzip ,\t,"}, unlisted, 1000, 0, 0},
		{"12.4.2_three_decimals", []string{"gzip;q=0.001, br;q=0.999, zstd;q=1.000"}, unlisted, 1, 1000, 999},
		{"12.4.2_decimals_may_be_missing", []string{"gzip;q=0., br;q=1., zstd;q=0"}, unlisted, 0, 0, 1000},
		{"12.4.2_one_decimal", []string{"gzip;q=0.5"}, unlisted, 500, 0, 0},
		{"12.4.2_q_ignores_case", []string{"gzip;Q=0.5"}, unlisted, 500, 0, 0},
		{"5.6.3_whitespace", []string{"\tgzip \t;\t q=0.5 ,br"}, unlisted, 500, 0, 1000},
		{"12.4.2_above_one", []string{"gzip;q=1.001, br"}, unlisted, 0, 0, 1000},
		{"12.4.2_two", []string{"gzip;q=2"}, unlisted, 0, 0, 0},
		{"12.4.2_four_decimals", []string{"gzip;q=0.1234"}, unlisted, 0, 0, 0},
		{"12.4.2_no_leading_zero", []string{"gzip;q=.5"}, unlisted, 0, 0, 0},
		{"12.4.2_negative", []string{"gzip;q=-1"}, unlisted, 0, 0, 0},
		{"12.4.2_no_value", []string{"gzip;q="}, unlisted, 0, 0, 0},
		{"12.4.2_no_weight", []string{"gzip;"}, unlisted, 0, 0, 0},
		{"12.4.2_blank_around_equals", []string{"gzip;q =0.5, br;q= 0.5"}, unlisted, 0, 0, 0},
		{"12.4.2_comma_for_a_point", []string{"gzip;q=0,5"}, unlisted, 0, 0, 0},
		{"12.4.2_another_parameter", []string{"gzip;level=9, br;q=1;x=2"}, unlisted, 0, 0, 0},
		{"12.5.3_malformed_is_ignored", []string{"gzip;q=x, gzip;q=0.3, br br"}, unlisted, 300, 0, 0},
		{"12.5.3_named_twice", []string{"gzip;q=0.3, gzip;q=0.7", "x-gzip;q=0.1"}, unlisted, 700, 0, 0},
		{"12.5.3_star_twice", []string{"*;q=0.3, *;q=0.7"}, 700, 700, 700, 700},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := accept(c.lines...)
			got := [count]int{a.Q(Identity), a.Q(Gzip), a.Q(Zstd), a.Q(Br)}
			if want := [count]int{c.identity, c.gzip, c.zstd, c.br}; got != want {
				t.Errorf("Accepts(%q) = %v, want %v (identity, gzip, zstd, br)", c.lines, got, want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		coding       Coding
		name, suffix string
	}{{Identity, "identity", ""}, {Gzip, "gzip", ".gz"}, {Zstd, "zstd", ".zst"}, {Br, "br", ".br"}} {
		if c.coding.String() != c.name || c.coding.Suffix() != c.suffix {
			t.Errorf("got %v and %q, want %s and %q", c.coding, c.coding.Suffix(), c.name, c.suffix)
		}
	}
}

func TestChoosingAllocatesNothing(t *testing.T) {
	f := message.Fields{{Name: "Host", Value: "a"}, {Name: "Accept-Encoding", Value: "gzip, deflate;q=0.5, br, zstd"}}
	if n := testing.AllocsPerRun(100, func() {
		if Accepts(f).Q(Br) != 1000 || !Compressible("text/html; charset=utf-8") || Compressed("text/css") || CompressedName("index.html") {
			t.Error("a wrong choice")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Laws: weights are 0 to 1000; it makes no difference in which order members stand, on how many lines, in
// which case, and with how much whitespace around them.
func FuzzAcceptEncoding(f *testing.F) {
	for _, seed := range []string{"", "gzip, deflate, br, zstd", "gzip;q=0.5, *;q=0", "identity;q=0 , x-gzip ; q=1.000", "br;q=1.5,,;q=", "*"} {
		f.Add(seed, uint64(1))
	}
	f.Fuzz(func(t *testing.T, value string, seed uint64) {
		want := accept(value)
		for c := range Coding(count) {
			if q := want.Q(c); q < 0 || q > 1000 {
				t.Fatalf("%q has the weight %d for %v", value, q, c)
			}
		}
		members := strings.Split(value, ",")
		random := rand.New(rand.NewPCG(seed, 0))
		random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		same := map[string]Accepted{
			"shuffled":   accept(strings.Join(members, ",")),
			"lines":      accept(members...),
			"upper_case": accept(upper(value)),
			"whitespace": accept("\t " + strings.Join(members, " \t, ,\t") + " "),
		}
		for how, got := range same {
			if got != want {
				t.Errorf("%q is %v, %s it is %v", value, want, how, got)
			}
		}
	})
}

// upper is strings.ToUpper for ASCII.
func upper(s string) string {
	return string(slices.Collect(func(yield func(byte) bool) {
		for i := range len(s) {
			c := s[i]
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			if !yield(c) {
				return
			}
		}
	}))
}

func BenchmarkAccepts(b *testing.B) {
	f := message.Fields{{Name: "Host", Value: "a"}, {Name: "Accept", Value: "*/*"}, {Name: "Accept-Encoding", Value: "gzip, deflate, br, zstd"}}
	b.ReportAllocs()
	for b.Loop() {
		if a := Accepts(f); a.Q(Br) != 1000 {
			b.Fatal(a)
		}
	}
}
