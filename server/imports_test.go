package server

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImportsGoOneWay holds the house rule: which of our packages a package may import.
func TestImportsGoOneWay(t *testing.T) {
	const module = "github.com/previewd/previewd"
	allowed := map[string]string{
		"":                        "config metrics server server/accesslog server/message server/service",
		"config":                  "",
		"metrics":                 "server/message",
		"server":                  "server/http1 server/http2 server/message server/secure server/tcp",
		"server/accesslog":        "server/message",
		"server/certs":            "",
		"server/certs/devca":      "",
		"server/cgi":              "server/message",
		"server/http1":            "server/message server/tcp",
		"server/http2":            "server/message server/tcp",
		"server/message":          "",
		"server/origin":           "server/message",
		"server/secure":           "server/http1 server/http2 server/message",
		"server/service":          "config metrics server server/accesslog server/certs server/certs/devca server/cgi server/message server/origin server/site",
		"server/tcp":              "",
		"server/site":             "server/message server/site/cache server/site/coding server/site/conditional",
		"server/site/cache":       "",
		"server/site/coding":      "server/message",
		"server/site/conditional": "server/message",
	}
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
			ours, found := strings.CutPrefix(imported, module+"/")
			if found && !strings.Contains(" "+may+" ", " "+ours+" ") {
				t.Errorf("%q imports %q, allowed are %q", name, ours, may)
			}
		}
	}
}
