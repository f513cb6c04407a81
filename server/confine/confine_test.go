package confine

import "testing"

// TestReport is the line for the log.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		report Report
		want   string
	}{
		{Report{Why: "this kernel has no Landlock (Linux 5.13)"}, "no kernel confinement: this kernel has no Landlock (Linux 5.13)"},
		{Report{ABI: 7, Read: []string{"/srv"}},
			"kernel confinement (Landlock 7): reads /srv, writes nothing, starts no programs, listens on no other port, connects nowhere"},
		{Report{ABI: 4, Read: []string{"/etc/tls", "/srv", "/users"}, Write: []string{"/state"}, Options: Options{Connect: []uint16{3000, 443}}},
			"kernel confinement (Landlock 4): reads /etc/tls, /srv and /users, writes /state, starts no programs, listens on no other port, connects to 3000, 443 and 53"},
		{Report{ABI: 3, Options: Options{ReadAll: true}},
			"kernel confinement (Landlock 3): reads all files (SYMLINKS=follow), writes nothing, starts no programs, ports are free before Linux 6.7"},
		{Report{ABI: 7, Options: Options{Scripts: true}},
			"kernel confinement (Landlock 7): listens on no other port, else free, as CGI scripts are confined with the server"},
	} {
		if got := c.report.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
