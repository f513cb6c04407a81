package check

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// row is one line of the table of values.
type row struct{ key, value, meaning string }

// rows reads the table out of values.yaml: each key whose comment begins with two hyphens. What has no such
// comment has to be above or below one that has.
func rows(t *testing.T, node *yaml.Node, prefix string, covered bool) (list []row) {
	t.Helper()
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := prefix + key.Value
		meaning := ""
		for line := range strings.Lines(key.HeadComment) {
			if text, found := strings.CutPrefix(strings.TrimSpace(line), "# -- "); found {
				meaning = text
			}
		}
		if meaning != "" {
			var v any
			if err := value.Decode(&v); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, row{path, string(text), meaning})
		}
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 {
			below := rows(t, value, path+".", covered || meaning != "")
			list = append(list, below...)
			continue
		}
		if meaning == "" && !covered {
			t.Errorf("%s has no comment that begins with two hyphens", path)
		}
	}
	return list
}

// TestReadmeHasValues: the table in the chart's README is made of values.yaml.
func TestReadmeHasValues(t *testing.T) {
	const (
		readme = chart + "/README.md"
		begin  = "<!-- values:begin -->\n"
		end    = "<!-- values:end -->"
	)
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, r := range rows(t, defaults(t), "", false) {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", r.key, strings.ReplaceAll(r.value, "|", `\|`), strings.ReplaceAll(r.meaning, "|", `\|`))
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	old, after, found2 := strings.Cut(rest, end)
	if !found || !found2 {
		t.Fatalf("%s lacks the markers %q and %q", readme, begin, end)
	}
	if *update {
		if err := os.WriteFile(readme, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table.String() {
		t.Errorf("-update rewrites the table in %s; %s", readme, difference(table.String(), old))
	}
}

// TestSchemaHasValues: every key of values.yaml is in the schema, which has no other: so that none is refused
// that is there, and none is taken that does nothing.
func TestSchemaHasValues(t *testing.T) {
	text, err := os.ReadFile(chart + "/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	// What helm itself puts there, what is only taken where it is given, and the settings, which another test compares.
	given := map[string]bool{"global": true, "config": true, "probes.startup": true, "probes.liveness": true, "probes.readiness": true,
		"resources": true, "content.git.resources": true, "content.emptyDir.upload.resources": true}
	var compare func(prefix string, schema map[string]any, node *yaml.Node)
	compare = func(prefix string, schema map[string]any, node *yaml.Node) {
		properties, _ := schema["properties"].(map[string]any)
		if properties == nil || given[strings.TrimSuffix(prefix, ".")] {
			return
		}
		if schema["additionalProperties"] != false {
			t.Errorf("%s takes any key", prefix)
		}
		there := map[string]*yaml.Node{}
		for i := 0; node != nil && i+1 < len(node.Content); i += 2 {
			there[node.Content[i].Value] = node.Content[i+1]
			if properties[node.Content[i].Value] == nil {
				t.Errorf("the schema lacks %s%s", prefix, node.Content[i].Value)
			}
		}
		for key, below := range properties {
			if there[key] == nil && !given[prefix+key] {
				t.Errorf("values.yaml lacks %s%s", prefix, key)
			}
			compare(prefix+key+".", below.(map[string]any), there[key])
		}
	}
	compare("", schema["anyOf"].([]any)[1].(map[string]any), defaults(t))
}

// TestReadmeWaits: helm test asks once, so that it wants pods that are ready.
func TestReadmeWaits(t *testing.T) {
	text, err := os.ReadFile(chart + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(text), "\nhelm test demo\n")
	lines := strings.Split(before, "\n")
	if install := lines[len(lines)-1]; !found || !strings.Contains(install, " --wait ") {
		t.Errorf("before helm test stands %q", install)
	}
}
