package conditional

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

const most = "9223372036854775807" // of int64

func TestParseRange(t *testing.T) {
	flood := func(n int) string { return "bytes=" + strings.Repeat("0-0,", n) }
	for _, c := range []struct {
		name, value string
		size        int64
		want        []Range
		selection   Selection
	}{
		{"14.1.2_first_and_last", "bytes=0-4", 10, []Range{{0, 5}}, Partial},
		{"14.1.2_one_byte", "bytes=9-9", 10, []Range{{9, 1}}, Partial},
		{"14.1.2_open_end", "bytes=3-", 10, []Range{{3, 7}}, Partial},
		{"14.1.2_whole", "bytes=0-", 10, []Range{{0, 10}}, Partial},
		{"14.1.2_last_beyond_the_end", "bytes=5-99", 10, []Range{{5, 5}}, Partial},
		{"14.1.2_suffix", "bytes=-3", 10, []Range{{7, 3}}, Partial},
		{"14.1.2_suffix_longer_than_all", "bytes=-11", 10, []Range{{0, 10}}, Partial},
		{"14.1.2_first_at_the_end", "bytes=10-", 10, nil, Unsatisfiable},
		{"14.1.2_first_beyond_the_end", "bytes=10-20", 10, nil, Unsatisfiable},
		{"14.1.2_suffix_of_nothing", "bytes=-0", 10, nil, Unsatisfiable},
		{"14.1.2_one_of_two_satisfiable", "bytes=10-,1-2", 10, []Range{{1, 2}}, Partial},
		{"14.1.2_none_of_two_satisfiable", "bytes=10-,-0", 10, nil, Unsatisfiable},
		{"14.1.1_last_below_first", "bytes=5-4", 10, nil, Whole},
		{"14.1.1_last_below_first_beyond_the_end", "bytes=50-40", 10, nil, Whole},
		{"14.1.1_one_invalid_among_valid", "bytes=0-1,5-4", 10, nil, Whole},
		{"14.1_unit_ignores_case", "ByTes=0-1", 10, []Range{{0, 2}}, Partial},
		{"14.1_unit_of_another_kind", "lines=0-1", 10, nil, Whole},
		{"14.1_blank_before_the_equals_sign", "bytes =0-1", 10, nil, Whole},
		{"14.1.1_no_set", "bytes", 10, nil, Whole},
		{"14.1.1_empty_set", "bytes=", 10, nil, Whole},
		{"14.1.1_set_of_empty_members", "bytes=, ,", 10, nil, Whole},
		{"5.6.1_empty_members", "bytes=,0-1 ,\t, 5-6,", 10, []Range{{0, 2}, {5, 2}}, Partial},
		{"14.1.1_lone_hyphen", "bytes=-", 10, nil, Whole},
		{"14.1.1_no_hyphen", "bytes=5", 10, nil, Whole},
		{"14.1.1_two_hyphens", "bytes=1-2-3", 10, nil, Whole},
		{"14.1.1_negative", "bytes=--1", 10, nil, Whole},
		{"14.1.1_sign", "bytes=+1-2", 10, nil, Whole},
		{"14.1.1_blank_within", "bytes=1 - 2", 10, nil, Whole},
		{"14.1.1_letters", "bytes=a-b", 10, nil, Whole},
		{"14.1.1_hexadecimal", "bytes=0x1-2", 10, nil, Whole},
		{"14.1.1_repeated_field_combined", "bytes=0-1, bytes=2-3", 10, nil, Whole},
		{"14.1.2_largest_last", "bytes=1-" + most, 10, []Range{{1, 9}}, Partial},
		{"14.1.2_last_beyond_64_bits", "bytes=1-9" + most, 10, []Range{{1, 9}}, Partial},
		{"14.1.2_first_beyond_64_bits", "bytes=9" + most + "-", 10, nil, Unsatisfiable},
		{"14.1.2_suffix_beyond_64_bits", "bytes=-9" + most, 10, []Range{{0, 10}}, Partial},
		{"14.1.1_last_below_first_beyond_64_bits", "bytes=9" + most + "-8" + most, 10, nil, Whole},
		{"14.1.2_both_beyond_64_bits", "bytes=8" + most + "-9" + most, 10, nil, Unsatisfiable},
		{"14.1.2_leading_zeros", "bytes=0001-" + strings.Repeat("0", 40) + "2", 10, []Range{{1, 2}}, Partial},
		{"14.2_empty_file", "bytes=0-", 0, nil, Whole},
		{"14.2_empty_file_suffix", "bytes=-5", 0, nil, Whole},

		{"15.3.7.2_order_of_the_request", "bytes=5-6,0-1", 10, []Range{{5, 2}, {0, 2}}, Partial},
		{"15.3.7.2_overlapping", "bytes=0-5,3-8", 10, []Range{{0, 9}}, Partial},
		{"15.3.7.2_touching", "bytes=0-4,5-9", 10, []Range{{0, 10}}, Partial},
		{"15.3.7.2_a_gap_stays", "bytes=0-4,6-9", 10, []Range{{0, 5}, {6, 4}}, Partial},
		{"15.3.7.2_within_another", "bytes=2-3,0-9", 10, []Range{{0, 10}}, Partial},
		{"15.3.7.2_the_same", "bytes=2-3,2-3,2-3", 10, []Range{{2, 2}}, Partial},
		{"15.3.7.2_bridged_later", "bytes=7-8,0-1,2-6", 10, []Range{{0, 9}}, Partial},
		{"15.3.7.2_stands_where_the_first_stood", "bytes=8-9,2-3,0-0,4-5", 10, []Range{{8, 2}, {2, 4}, {0, 1}}, Partial},
		{"15.3.7.2_suffix_overlaps", "bytes=0-0,-10", 10, []Range{{0, 10}}, Partial},
		{"17.15_the_most_ranges", flood(maxRanges), 10, []Range{{0, 1}}, Partial},
		{"17.15_more_than_the_most_ranges", flood(maxRanges + 1), 10, nil, Whole},
		{"17.15_empty_members_do_not_count", "bytes=" + strings.Repeat(",", 60000) + "1-1", 10, []Range{{1, 1}}, Partial},
		{"17.15_unsatisfiable_ranges_count", "bytes=" + strings.Repeat("99-,", maxRanges+1), 10, nil, Whole},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, selection := ParseRange(c.value, c.size)
			if selection != c.selection || !slices.Equal(got, c.want) {
				t.Errorf("ParseRange(%.60q, %d) = %v, %v, want %v, %v", c.value, c.size, got, selection, c.want, c.selection)
			}
		})
	}
}

func TestRangeApplies(t *testing.T) {
	const field = "Range: bytes=0-1\n"
	young := Validators{Modified: now.Add(-time.Second + 1)}
	for _, c := range []struct {
		name, method, fields string
		v                    Validators
		want                 bool
	}{
		{"14.2_get", "GET", field, strong, true},
		{"14.2_head", "HEAD", field, strong, false},
		{"14.2_other_method", "POST", field, strong, false},
		{"14.2_no_range", "GET", "Ranges: bytes=0-1", strong, false},
		{"14.2_without_validators", "GET", field, Validators{}, true},
		{"5.3_repeated_range", "GET", field + "range: bytes=2-3", strong, false},
		{"13.1.5_same_tag", "GET", field + `If-Range: "a"`, strong, true},
		{"13.1.5_same_tag_first", "GET", "if-range: \"a\"\n" + field, strong, true},
		{"13.1.5_another_tag", "GET", field + `If-Range: "b"`, strong, false},
		{"13.1.5_strong_comparison_weak_request", "GET", field + `If-Range: W/"a"`, strong, false},
		{"13.1.5_strong_comparison_weak_answer", "GET", field + `If-Range: "a"`, weak, false},
		{"13.1.5_strong_comparison_both_weak", "GET", field + `If-Range: W/"a"`, weak, false},
		{"13.1.5_tag_without_etag", "GET", field + `If-Range: "a"`, untagged, false},
		{"13.1.5_no_list_of_tags", "GET", field + `If-Range: "a", "b"`, strong, false},
		{"13.1.5_no_star", "GET", field + "If-Range: *", strong, false},
		{"13.1.5_malformed_tag", "GET", field + `If-Range: "a`, strong, false},
		{"13.1.5_empty", "GET", field + "If-Range:", strong, false},
		{"13.1.5_repeated", "GET", field + "If-Range: \"a\"\nIf-Range: \"a\"", strong, false},
		{"13.1.5_same_date", "GET", field + "If-Range: " + date, strong, true},
		{"13.1.5_same_date_without_etag", "GET", field + "If-Range: " + date, untagged, true},
		{"13.1.5_same_date_rfc850", "GET", field + "If-Range: Sunday, 06-Nov-94 08:49:37 GMT", strong, true},
		{"13.1.5_earlier_date", "GET", field + "If-Range: " + before, strong, false},
		{"13.1.5_later_date_is_not_exact", "GET", field + "If-Range: " + after, strong, false},
		{"13.1.5_no_last_modified", "GET", field + "If-Range: " + date, undated, false},
		{"13.1.5_mail_is_no_http_date", "GET", field + "If-Range: 6 Nov 1994 08:49:37", strong, false},
		{"8.8.2.2_the_second_is_over", "GET", field + "If-Range: " + now.Add(-time.Second).Format(IMFFixdate), Validators{Modified: now.Add(-time.Second)}, true},
		{"8.8.2.2_the_second_is_not_over", "GET", field + "If-Range: " + young.Modified.Format(IMFFixdate), young, false},
		{"8.8.2.2_in_the_future", "GET", field + "If-Range: " + future, Validators{Modified: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, got := RangeApplies(c.method, parse(c.fields), c.v, now)
			if got != c.want || got && value != "bytes=0-1" {
				t.Errorf("RangeApplies(%s, %q, %+v) = %q, %v, want %v", c.method, c.fields, c.v, value, got, c.want)
			}
		})
	}
}

func TestContentRange(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"14.4_part", ContentRange(Range{0, 500}, 1234), "bytes 0-499/1234"},
		{"14.4_last_byte", ContentRange(Range{1233, 1}, 1234), "bytes 1233-1233/1234"},
		{"15.5.17_unsatisfied", Unsatisfied(1234), "bytes */1234"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

// send writes parts of content as the callback of Multipart.Write.
func send(content string) func(w io.Writer, offset, length int64) error {
	return func(w io.Writer, offset, length int64) error {
		_, err := io.WriteString(w, content[offset:offset+length])
		return err
	}
}

func TestMultipart(t *testing.T) {
	const content = "0123456789"
	ranges := []Range{{8, 2}, {0, 1}}
	for _, c := range []struct{ name, contentType, want string }{
		{"14.6_parts", "text/plain",
			"--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89" +
				"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--B--\r\n"},
		{"15.3.7.2_no_content_type", "",
			"--B\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--B\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--B--\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMultipart(ranges, 10, c.contentType, "B")
			var out strings.Builder
			if err := m.Write(&out, send(content)); err != nil || out.String() != c.want {
				t.Errorf("got %q, %v, want %q", &out, err, c.want)
			}
			if m.Len() != int64(len(c.want)) {
				t.Errorf("Len is %d, want %d", m.Len(), len(c.want))
			}
			if got := m.ContentType(); got != "multipart/byteranges; boundary=B" {
				t.Errorf("ContentType is %q", got)
			}
		})
	}
}

func TestMultipartEndsAtAnError(t *testing.T) {
	m := NewMultipart([]Range{{0, 1}, {2, 1}}, 3, "", "B")
	broken := errors.New("broken")
	var out bytes.Buffer
	if err := m.Write(&out, func(io.Writer, int64, int64) error { return broken }); err != broken {
		t.Errorf("got %v, want %v", err, broken)
	}
	if bytes.Contains(out.Bytes(), []byte("--B--")) {
		t.Errorf("what is broken has an end: %q", &out)
	}
	r, w := io.Pipe()
	_ = r.CloseWithError(broken)
	if err := m.Write(w, send("012")); err != broken {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestBoundary(t *testing.T) {
	a, b := NewBoundary(), NewBoundary()
	// 130 bits, and only what needs no quotes in a parameter (RFC 2046, section 5.1.1: at most 70).
	if a == b || !regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(a) {
		t.Errorf("got %q and %q", a, b)
	}
}

// plainSet is what net/http and RFC 9110 read alike: no signs, blanks only around members, no number beyond
// int64, no suffix of nothing.
var plainSet = func() *regexp.Regexp {
	const member, comma = `([0-9]{1,18}-[0-9]{0,18}|-0*[1-9][0-9]{0,16})`, `[ \t]*,[ \t,]*`
	return regexp.MustCompile(`^bytes=[ \t,]*(` + member + `(` + comma + member + `)*)?[ \t,]*$`)
}()

// Laws: it never panics; each range is within the representation; they are disjoint and not empty, so that
// there are never more bytes than the representation has; the multipart is as long as it says; it agrees
// with net/http on 200, 206 and 416 and what is in them, but for what is deliberately different.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{
		"bytes=0-4", "bytes=-3", "bytes=3-", "bytes=5-6,0-1", "bytes=0-5,3-8", "bytes=10-,-0", "bytes=5-4",
		"BYTES=0-1", "bytes=", "bytes= , 1-2", "bytes=+1-2", "bytes=1 - 2", "bytes=1-9" + most, "lines=1", "bytes=,-1,0-0",
	} {
		f.Add(seed, uint16(10))
		f.Add(seed, uint16(0))
	}
	f.Fuzz(func(t *testing.T, value string, n uint16) {
		content := strings.Repeat("0123456789abcdef", int(n)/16+1)[:n]
		size := int64(n)
		ranges, selection := ParseRange(value, size)
		if (selection == Partial) != (len(ranges) > 0) {
			t.Fatalf("%v with %v", selection, ranges)
		}
		covered := make([]bool, n)
		for _, r := range ranges {
			if r.Offset < 0 || r.Length < 1 || r.Offset >= size || r.Length > size-r.Offset {
				t.Fatalf("%v is not within %d bytes", r, n)
			}
			for i := range covered[r.Offset : r.Offset+r.Length] {
				if covered[r.Offset+int64(i)] {
					t.Fatalf("%v overlap", ranges)
				}
				covered[r.Offset+int64(i)] = true
			}
		}
		var content206 string
		contentType := ""
		switch {
		case len(ranges) == 1:
			content206 = content[ranges[0].Offset : ranges[0].Offset+ranges[0].Length]
		case len(ranges) > 1:
			m := NewMultipart(ranges, size, "text/plain", NewBoundary())
			var out strings.Builder
			if err := m.Write(&out, send(content)); err != nil || int64(out.Len()) != m.Len() {
				t.Fatalf("wrote %d bytes of %d, %v", out.Len(), m.Len(), err)
			}
			content206, contentType = out.String(), m.ContentType()
			if got := parts(t, contentType, content206); len(got) != len(ranges) {
				t.Fatalf("%d parts of %d", len(got), len(ranges))
			}
		}

		if !plainSet.MatchString(value) || strings.Count(value, "-") > maxRanges || n == 0 {
			return // net/http is laxer, or has another idea of numbers, no limit, or parts of nothing
		}
		theirs := serveContent("GET", message.Fields{{Name: "Range", Value: value}}, Validators{}, content)
		if ours := [...]int{Whole: 200, Partial: 206, Unsatisfiable: 416}[selection]; ours != theirs.Code {
			if ours == 206 && theirs.Code == 200 {
				return // overlapping ranges, which we coalesce, have more bytes than the file
			}
			if ours == 200 && anyReversed(value) {
				return // it refuses what is invalid, or does not look at a last beyond the end
			}
			t.Fatalf("%q of %d bytes is %d, net/http says %d", value, n, ours, theirs.Code)
		}
		if selection != Partial {
			return
		}
		their := parts(t, theirs.Header().Get("Content-Type"), theirs.Body.String())
		if their == nil {
			their = []string{theirs.Header().Get("Content-Range") + ": " + theirs.Body.String()}
		}
		our := parts(t, contentType, content206)
		if our == nil {
			our = []string{ContentRange(ranges[0], size) + ": " + content206}
		}
		if len(our) == len(their) && !slices.Equal(our, their) {
			t.Fatalf("%q of %d bytes is %q, net/http says %q", value, n, our, their)
		}
		if len(our) > len(their) {
			t.Fatalf("%q of %d bytes has %d parts, net/http's %d", value, n, len(our), len(their))
		}
	})
}

// anyReversed says whether a member of a plainSet ends before it begins.
func anyReversed(set string) bool {
	for spec := range strings.FieldsFuncSeq(set[len("bytes="):], func(c rune) bool { return strings.ContainsRune(", \t", c) }) {
		first, last, _ := strings.Cut(spec, "-")
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA == nil && errB == nil && a > b {
			return true
		}
	}
	return false
}

// parts reads a multipart/byteranges: Content-Range and content of each part. It is nil for another type.
func parts(t *testing.T, contentType, content string) (list []string) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/byteranges" {
		return nil
	}
	r := multipart.NewReader(strings.NewReader(content), params["boundary"])
	for {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, part.Header.Get("Content-Range")+": "+string(b))
	}
}

// TestRangeDiffersFromNetHTTP names what is deliberately different from http.ServeContent.
func TestRangeDiffersFromNetHTTP(t *testing.T) {
	const content = "0123456789"
	for _, c := range []struct {
		why, method, fields string
		ours, theirs        int
	}{
		{"14.1_units_ignore_case", "GET", "Range: Bytes=0-1", 206, 416},
		{"14.1.2_a_suffix_of_nothing_is_not_satisfiable", "GET", "Range: bytes=-0", 416, 206},
		{"14.1.2_a_large_last_is_clamped", "GET", "Range: bytes=0-9" + most, 206, 416},
		{"14.1.2_a_large_suffix_is_all", "GET", "Range: bytes=-9" + most, 206, 416},
		{"14.1.1_an_invalid_set_is_ignored", "GET", "Range: bytes=5-4", 200, 416},
		{"14.1.1_an_invalid_set_is_ignored_beyond_the_end", "GET", "Range: bytes=0-,83-5", 200, 206},
		{"14.1.1_no_signs", "GET", "Range: bytes=+0-1", 200, 206},
		{"14.1.1_no_blanks_within", "GET", "Range: bytes=0 - 1", 200, 206},
		{"14.2_only_get", "HEAD", "Range: bytes=0-1", 200, 206},
		{"15.3.7.2_overlapping_ranges_are_one", "GET", "Range: bytes=0-8,1-9", 206, 200},
		{"5.3_a_repeated_range_is_ignored", "GET", "Range: bytes=0-1\nRange: bytes=0-1", 200, 206},
		{"13.1.5_an_empty_if_range_is_false", "GET", "Range: bytes=0-1\nIf-Range:", 200, 206},
		{"13.1.5_a_list_is_no_if_range", "GET", "Range: bytes=0-1\nIf-Range: \"a\", \"b\"", 200, 206},
	} {
		t.Run(c.why, func(t *testing.T) {
			f := parse(c.fields)
			ours := 200
			if value, ok := RangeApplies(c.method, f, strong, now); ok {
				_, selection := ParseRange(value, int64(len(content)))
				ours = [...]int{Whole: 200, Partial: 206, Unsatisfiable: 416}[selection]
			}
			theirs := serveContent(c.method, f, strong, content).Code
			if ours != c.ours || theirs != c.theirs {
				t.Errorf("we say %d, net/http %d, want %d and %d", ours, theirs, c.ours, c.theirs)
			}
		})
	}
}

func BenchmarkParseRange(b *testing.B) {
	many := "bytes=0-0"
	for i := 1; i < maxRanges; i++ {
		many += "," + strconv.Itoa(10*(maxRanges-i)) + "-" + strconv.Itoa(10*(maxRanges-i)+4)
	}
	for name, value := range map[string]string{"one": "bytes=100-199", "most": many, "commas": "bytes=" + strings.Repeat(",", 60000)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ParseRange(value, 1000)
			}
		})
	}
}

func ExampleMultipart() {
	const content = "0123456789"
	ranges, _ := ParseRange("bytes=0-1,-2", int64(len(content)))
	m := NewMultipart(ranges, int64(len(content)), "text/plain", "BOUNDARY")
	fmt.Println(m.ContentType(), m.Len())
	// Output: multipart/byteranges; boundary=BOUNDARY 160
}
