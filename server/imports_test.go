package server

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportsGoOneWay holds the house rule: which of our packages a package may import.
func TestImportsGoOneWay(t *testing.T) {
	const module = "github.com/previewd/previewd"
	allowed := map[string]string{
		"":                             "config metrics server server/accesslog server/message server/rules server/service",
		"config":                       "",
		"metrics":                      "server/message",
		"server":                       "server/budget server/http1 server/http2 server/message server/secure server/stack server/tcp",
		"server/access":                "server/message",
		"server/accesslog":             "server/message",
		"server/basepath":              "server/message",
		"server/budget":                "server/message",
		"server/certs":                 "",
		"server/certs/devca":           "",
		"server/cgi":                   "server/budget server/message",
		"server/confine":               "",
		"server/fields":                "server/message",
		"server/http1":                 "server/budget server/message server/tcp",
		"server/http2":                 "server/budget server/message server/stack server/tcp",
		"server/message":               "",
		"server/origin":                "server/message",
		"server/previews":              "server/budget server/message server/previews/tags server/site/listing server/site/tree",
		"server/previews/registrytest": "",
		"server/previews/tags":         "server/previews/registry server/previews/store server/previews/unpack",
		"server/previews/unpack":       "",
		"server/previews/store":        "",
		"server/publicenv":             "server/message",
		"server/reload":                "server/budget server/message server/site/conditional",
		"server/rules":                 "server/message",
		"server/secure":                "server/http1 server/http2 server/message",
		"server/service":               "config metrics server server/access server/accesslog server/basepath server/budget server/certs server/certs/devca server/cgi server/confine server/fields server/message server/origin server/previews server/previews/registry server/previews/store server/previews/tags server/publicenv server/reload server/rules server/site server/site/content server/site/tree server/tcp server/upstream",
		"server/stack":                 "",
		"server/tcp":                   "server/message",
		"server/tcp/tcptest":           "",
		"server/upstream":              "server/budget server/message server/origin",
		"server/site":                  "server/budget server/message server/site/archive server/site/cache server/site/coding server/site/conditional server/site/content server/site/fingerprint server/site/listing server/site/mediatype server/site/similar server/site/tree",
		"server/site/archive":          "server/message server/site/tree",
		"server/site/cache":            "",
		"server/site/coding":           "server/message",
		"server/site/conditional":      "server/message",
		"server/site/content":          "server/budget server/message server/site/cache server/site/coding server/site/tree",
		"server/site/fingerprint":      "",
		"server/site/listing":          "server/message server/site/tree",
		"server/site/mediatype":        "server/message server/site/coding",
		"server/site/similar":          "",
		"server/site/sitetest":         "server/message",
		"server/site/tree":             "",

		"server/site/sitetest/faultfs": "",

		"server/previews/registry": "",
	}
	// Of the site only tree knows the system, and cache, which takes memory from it.
	const system = " os syscall golang.org/x/sys/unix "
	knows := map[string]bool{"server/site/tree": true, "server/site/cache": true, "server/site/sitetest": true, "server/site/sitetest/faultfs": true}
	list, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{range .Imports}} {{.}}{{end}}`, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(list)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		name := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		may, known := allowed[name]
		if !known {
			t.Errorf("package %q is not in the table", name)
		}
		for _, imported := range strings.Fields(imports) {
			if strings.HasPrefix(name, "server/site") && !knows[name] && strings.Contains(system, " "+imported+" ") {
				t.Errorf("%q imports %q, which is for server/site/tree", name, imported)
			}
			ours, found := strings.CutPrefix(imported, module+"/")
			if found && !strings.Contains(" "+may+" ", " "+ours+" ") {
				t.Errorf("%q imports %q, allowed are %q", name, ours, may)
			}
		}
	}
}

// TestPackagesAreShort: a package has at most 2,600 lines without its tests.
func TestPackagesAreShort(t *testing.T) {
	list, err := exec.Command("go", "list", "-f", `{{$dir := .Dir}}{{.ImportPath}}{{range .GoFiles}} {{$dir}}/{{.}}{{end}}`, "github.com/previewd/previewd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(list)) {
		fields, lines := strings.Fields(line), 0
		for _, file := range fields[1:] {
			text, err := os.ReadFile(filepath.FromSlash(file))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(text, []byte("\n"))
		}
		if lines > 2600 {
			t.Errorf("%s has %d lines", fields[0], lines)
		}
	}
}
