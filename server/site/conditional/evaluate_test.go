package conditional

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/previewd/previewd/server/message"
)

const (
	date   = "Sun, 06 Nov 1994 08:49:37 GMT"
	before = "Sun, 06 Nov 1994 08:49:36 GMT"
	after  = "Sun, 06 Nov 1994 08:49:38 GMT"
	future = "Fri, 31 Dec 9999 23:59:59 GMT"
)

var (
	modified = time.Unix(784111777, 0)
	now      = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	strong   = Validators{ETag: `"a"`, Modified: modified}
	weak     = Validators{ETag: `W/"a"`, Modified: modified}
	undated  = Validators{ETag: `"a"`}
	untagged = Validators{Modified: modified}
)

// parse reads field lines.
func parse(text string) (f message.Fields) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ":")
		f = append(f, message.Field{Name: name, Value: trim(value)})
	}
	return f
}

func TestEvaluate(t *testing.T) {
	for _, c := range []struct {
		name, method, fields string
		v                    Validators
		want                 Outcome
	}{
		{"13_no_precondition", "GET", "Host: a\nAccept: */*", strong, Proceed},
		{"13_names_ignore_case", "GET", `IF-NONE-MATCH: "a"`, strong, NotModified},
		{"13_other_names_of_that_length", "GET", "If-Natch: \"x\"\nX-Nothing-But: \"a\"\nIf-Modified-Sinch: " + date, strong, Proceed},

		{"13.1.1_match", "GET", `If-Match: "a"`, strong, Proceed},
		{"13.1.1_no_match", "GET", `If-Match: "b"`, strong, PreconditionFailed},
		{"13.1.1_head", "HEAD", `If-Match: "b"`, strong, PreconditionFailed},
		{"13.1.1_list", "GET", `If-Match: "x", "y" ,"a"`, strong, Proceed},
		{"13.1.1_star", "GET", "If-Match: *", strong, Proceed},
		{"13.1.1_star_without_etag", "GET", "If-Match: *", untagged, Proceed},
		{"13.1.1_tag_without_etag", "GET", `If-Match: "a"`, untagged, PreconditionFailed},
		{"13.1.1_strong_comparison_weak_request", "GET", `If-Match: W/"a"`, strong, PreconditionFailed},
		{"13.1.1_strong_comparison_both_weak", "GET", `If-Match: W/"a"`, weak, PreconditionFailed},
		{"13.1.1_strong_comparison_weak_answer", "GET", `If-Match: "a"`, weak, PreconditionFailed},
		{"13.1.1_empty_list_is_false", "GET", "If-Match:", strong, PreconditionFailed},
		{"13.1.1_malformed_is_false", "GET", "If-Match: a", strong, PreconditionFailed},

		{"13.1.2_match", "GET", `If-None-Match: "a"`, strong, NotModified},
		{"13.1.2_match_head", "HEAD", `If-None-Match: "a"`, strong, NotModified},
		{"13.1.2_match_other_method", "PUT", `If-None-Match: "a"`, strong, PreconditionFailed},
		{"13.1.2_no_match", "GET", `If-None-Match: "b"`, strong, Proceed},
		{"13.1.2_list", "GET", `If-None-Match: "x",,W/"y" , "a"`, strong, NotModified},
		{"13.1.2_comma_in_tag", "GET", `If-None-Match: "x,y", "a"`, strong, NotModified},
		{"13.1.2_comma_in_tag_is_no_separator", "GET", `If-None-Match: "x, "a", y"`, strong, Proceed},
		{"13.1.2_star", "GET", "If-None-Match: *", strong, NotModified},
		{"13.1.2_star_without_validators", "GET", "If-None-Match: *", Validators{}, NotModified},
		{"13.1.2_star_other_method", "PUT", "If-None-Match: *", strong, PreconditionFailed},
		{"13.1.2_star_is_no_member", "GET", `If-None-Match: "x", *`, strong, Proceed},
		{"13.1.2_star_with_members", "GET", `If-None-Match: *, "a"`, strong, Proceed},
		{"13.1.2_weak_comparison", "GET", `If-None-Match: W/"a"`, strong, NotModified},
		{"13.1.2_weak_comparison_weak_answer", "GET", `If-None-Match: "a"`, weak, NotModified},
		{"13.1.2_weak_comparison_both_weak", "GET", `If-None-Match: W/"a"`, weak, NotModified},
		{"13.1.2_without_etag", "GET", `If-None-Match: "a"`, untagged, Proceed},
		{"13.1.2_empty_list", "GET", "If-None-Match:", strong, Proceed},

		{"8.8.3_w_is_case_sensitive", "GET", `If-None-Match: w/"a"`, strong, Proceed},
		{"8.8.3_unquoted", "GET", "If-None-Match: a", Validators{ETag: "a"}, Proceed},
		{"8.8.3_not_closed", "GET", `If-None-Match: "a`, strong, Proceed},
		{"8.8.3_blank_in_tag", "GET", `If-None-Match: "a b"`, Validators{ETag: `"a b"`}, Proceed},
		{"8.8.3_bytes_beyond_ascii", "GET", "If-None-Match: \"\xe9\"", Validators{ETag: "\"\xe9\""}, NotModified},
		{"8.8.3_empty_tag", "GET", `If-None-Match: ""`, Validators{ETag: `""`}, NotModified},
		{"8.8.3_no_escapes", "GET", `If-None-Match: "a\"`, Validators{ETag: `"a\"`}, NotModified},

		{"5.6.1_malformed_member_ends_the_list", "GET", `If-None-Match: x, "a"`, strong, Proceed},
		{"5.6.1_members_before_the_malformed_count", "GET", `If-None-Match: "a", x`, strong, NotModified},
		{"5.6.1_no_comma_is_malformed", "GET", `If-None-Match: "a""b"`, strong, Proceed},
		{"5.6.1_empty_members", "GET", `If-None-Match: ,, "a",`, strong, NotModified},
		{"5.3_list_over_lines", "GET", "If-None-Match: \"x\"\nHost: a\nif-none-match: \"a\"", strong, NotModified},
		{"5.3_list_over_lines_strong", "GET", "If-Match: \"x\"\nIf-Match: \"a\"", strong, Proceed},
		{"5.3_malformed_line_ends_the_list", "GET", "If-None-Match: \"x\nIf-None-Match: \"a\"", strong, Proceed},
		{"5.3_star_on_a_line_of_a_list", "GET", "If-None-Match: *\nIf-None-Match: \"x\"", strong, Proceed},

		{"13.1.3_same", "GET", "If-Modified-Since: " + date, strong, NotModified},
		{"13.1.3_head", "HEAD", "If-Modified-Since: " + date, strong, NotModified},
		{"13.1.3_other_method", "PUT", "If-Modified-Since: " + date, strong, Proceed},
		{"13.1.3_earlier", "GET", "If-Modified-Since: " + before, strong, Proceed},
		{"13.1.3_later", "GET", "If-Modified-Since: " + after, strong, NotModified},
		{"13.1.3_in_the_future", "GET", "If-Modified-Since: " + future, strong, NotModified},
		{"13.1.3_no_date", "GET", "If-Modified-Since: yesterday", strong, Proceed},
		{"13.1.3_no_last_modified", "GET", "If-Modified-Since: " + date, undated, Proceed},
		{"13.1.3_rfc850", "GET", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", strong, NotModified},
		{"13.1.3_asctime", "GET", "If-Modified-Since: Sun Nov  6 08:49:37 1994", strong, NotModified},
		{"13.1.3_as_http.server_reads_mail", "GET", "If-Modified-Since: 6 Nov 94 8.49.37 GMT; length=14", strong, NotModified},
		{"13.1.3_as_http.server_the_first_counts", "GET", "If-Modified-Since: " + date + "\nIf-Modified-Since: " + before, strong, NotModified},
		{"13.1.3_as_http.server_the_first_counts_if_bad", "GET", "If-Modified-Since: x\nIf-Modified-Since: " + date, strong, Proceed},
		{"13.1.3_ignored_with_if_none_match", "GET", "If-Modified-Since: " + date + "\nIf-None-Match: \"b\"", strong, Proceed},
		{"13.1.3_ignored_with_empty_if_none_match", "GET", "If-Modified-Since: " + date + "\nIf-None-Match:", strong, Proceed},

		{"13.1.4_same", "GET", "If-Unmodified-Since: " + date, strong, Proceed},
		{"13.1.4_earlier", "GET", "If-Unmodified-Since: " + before, strong, PreconditionFailed},
		{"13.1.4_other_method", "PUT", "If-Unmodified-Since: " + before, strong, PreconditionFailed},
		{"13.1.4_later", "GET", "If-Unmodified-Since: " + after, strong, Proceed},
		{"13.1.4_no_date", "GET", "If-Unmodified-Since: yesterday", strong, Proceed},
		{"13.1.4_mail_is_no_http_date", "GET", "If-Unmodified-Since: 6 Nov 1993 8.49 GMT", strong, Proceed},
		{"13.1.4_list_of_dates", "GET", "If-Unmodified-Since: " + before + ", " + before, strong, Proceed},
		{"13.1.4_repeated", "GET", "If-Unmodified-Since: " + before + "\nIf-Unmodified-Since: " + before, strong, Proceed},
		{"13.1.4_no_last_modified", "GET", "If-Unmodified-Since: " + before, undated, Proceed},
		{"13.1.4_rfc850", "GET", "If-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT", strong, PreconditionFailed},
		{"13.1.4_asctime", "GET", "If-Unmodified-Since: Sun Nov  6 08:49:36 1994", strong, PreconditionFailed},
		{"13.1.4_ignored_with_if_match", "GET", "If-Unmodified-Since: " + before + "\nIf-Match: \"a\"", strong, Proceed},

		{"13.2.1_options", "OPTIONS", `If-Match: "b"`, strong, Proceed},
		{"13.2.1_connect", "CONNECT", `If-Match: "b"`, strong, Proceed},
		{"13.2.1_trace", "TRACE", `If-None-Match: "a"`, strong, Proceed},

		{"13.2.2_if_match_before_if_none_match", "GET", "If-None-Match: \"a\"\nIf-Match: \"b\"", strong, PreconditionFailed},
		{"13.2.2_both_matches", "GET", "If-None-Match: \"a\"\nIf-Match: \"a\"", strong, NotModified},
		{"13.2.2_if_unmodified_since_before_if_none_match", "GET", "If-None-Match: \"a\"\nIf-Unmodified-Since: " + before, strong, PreconditionFailed},
		{"13.2.2_if_unmodified_since_before_if_modified_since", "GET", "If-Modified-Since: " + date + "\nIf-Unmodified-Since: " + before, strong, PreconditionFailed},
		{"13.2.2_if_match_then_if_modified_since", "GET", "If-Modified-Since: " + date + "\nIf-Match: \"a\"", strong, NotModified},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Evaluate(c.method, parse(c.fields), c.v, now); got != c.want {
				t.Errorf("Evaluate(%s, %q, %+v) = %v, want %v", c.method, c.fields, c.v, got, c.want)
			}
		})
	}
}

func TestHTTPDate(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        string // in RFC 3339, "" for none
	}{
		{"5.6.7_imf_fixdate", date, "1994-11-06T08:49:37Z"},
		{"5.6.7_rfc850", "Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"},
		{"5.6.7_asctime", "Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z"},
		{"5.6.7_asctime_two_digits", "Sun Nov 16 08:49:37 1994", "1994-11-16T08:49:37Z"},
		{"5.6.7_fifty_years_ahead", "Saturday, 21-Nov-76 12:00:00 GMT", "2076-11-21T12:00:00Z"},
		{"5.6.7_more_than_fifty_years_ahead", "Sunday, 21-Nov-76 12:00:01 GMT", "1976-11-21T12:00:01Z"},
		{"5.6.7_this_century", "Friday, 01-Jan-69 00:00:00 GMT", "2069-01-01T00:00:00Z"},
		{"5.6.7_a_fraction", "Sun, 06 Nov 1994 08:49:37.5 GMT", ""},
		{"5.6.7_another_zone", "Sun, 06 Nov 1994 08:49:37 UTC", ""},
		{"5.6.7_one_digit_day", "Sun, 6 Nov 1994 08:49:37 GMT", ""},
		{"5.6.7_no_such_day", "Mon, 31 Nov 1994 08:49:37 GMT", ""},
		{"5.6.7_a_tag", `"a"`, ""},
		{"5.6.7_nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			seconds, ok := parseHTTPDate(c.value, now)
			got := ""
			if ok {
				got = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
			}
			if got != c.want {
				t.Errorf("parseHTTPDate(%q) = %q, want %q", c.value, got, c.want)
			}
		})
	}
}

// TestEvaluateBesideNetHTTP holds every combination of some values against http.ServeContent. Where the two
// differ on purpose, why names the reason.
func TestEvaluateBesideNetHTTP(t *testing.T) {
	tags := []string{"", "*", `"a"`, `"b"`, `W/"a"`, `"b", "a"`, `"x" , W/"a",`, "a", `"a`, `, "a"`, `"a", x`, `"b", *`, `"a""b"`, `"b""a"`}
	dates := []string{"", date, before, after, future, "x", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:36 1994"}
	why := func(f message.Fields) string {
		for _, name := range []string{"If-Match", "If-None-Match"} {
			switch f.Get(name) {
			case `"b", *`:
				return "* stands alone"
			case `"a""b"`, `"b""a"`:
				return "a comma is needed between members"
			}
		}
		return ""
	}
	differing := map[string]int{}
	compared := 0
	for _, method := range []string{"GET", "HEAD"} {
		for _, v := range []Validators{strong, weak, undated, untagged} {
			for _, match := range tags {
				for _, noneMatch := range tags {
					for _, d := range dates {
						var f message.Fields
						for _, field := range []message.Field{{Name: "If-Match", Value: match}, {Name: "If-None-Match", Value: noneMatch},
							{Name: "If-Unmodified-Since", Value: d}, {Name: "If-Modified-Since", Value: d}} {
							if field.Value != "" { // net/http takes an empty field for none
								f = append(f, field)
							}
						}
						if len(f) > 1 && f[len(f)-1].Value == d && len(match)%2 == 0 {
							f = append(f[:len(f)-2:len(f)-2], f[len(f)-1]) // without If-Unmodified-Since now and then
						}
						compared++
						got, want := Evaluate(method, f, v, now), serveContent(method, f, v, "").Code
						if status := [...]int{200, 304, 412}[got]; status != want {
							reason := why(f)
							if reason == "" {
								t.Fatalf("%s %q %+v: %d, net/http says %d", method, f, v, status, want)
							}
							differing[reason]++
						}
					}
				}
			}
		}
	}
	t.Logf("%d compared, differing: %v", compared, differing)
}

// serveContent answers with http.ServeContent.
func serveContent(method string, f message.Fields, v Validators, content string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	for _, field := range f {
		r.Header.Add(field.Name, field.Value)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "text/plain")
	if v.ETag != "" {
		w.Header().Set("ETag", v.ETag)
	}
	http.ServeContent(w, r, "", v.Modified, strings.NewReader(content))
	return w
}

// common are the requests that are frequent: of a browser that has nothing, has a tag, has tag and date.
var common = map[string]message.Fields{
	"none": parse("Host: localhost:8000\nUser-Agent: Mozilla/5.0\nAccept: */*\nAccept-Language: en\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\nConnection: keep-alive\nSec-Fetch-Dest: document\nRange-X: 1"),
	"tag":  parse("Host: localhost:8000\nAccept: */*\nAccept-Encoding: gzip, deflate, br, zstd\nIf-None-Match: \"a\""),
	"both": parse("Host: localhost:8000\nAccept: */*\nIf-None-Match: \"a\"\nIf-Modified-Since: " + date),
	"date": parse("Host: localhost:8000\nAccept: */*\nIf-Modified-Since: " + date),
}

func TestEvaluateAllocatesNothing(t *testing.T) {
	for name, f := range common {
		if n := testing.AllocsPerRun(100, func() {
			Evaluate("GET", f, strong, now)
			RangeApplies("GET", f, strong, now)
		}); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	for name, f := range common {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Evaluate("GET", f, strong, now)
			}
		})
	}
}
