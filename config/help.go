package config

import (
	"fmt"
	"reflect"
	"strings"
	"text/tabwriter"
)

// Help is what --help prints: usage, and the table of options and variables with defaults and meanings.
func Help() string {
	var b strings.Builder
	b.WriteString(usage())
	b.WriteString(`
Serves a directory over HTTP, as python -m http.server does.

An option wins over its environment variable, a variable over the default. An
unambiguous beginning of a long option is enough: --dir for --directory.

Durations are written as 500ms, 30s or 2m, booleans as true or false, lists with
commas between their items (HEADERS: one on each line).

"previewd healthcheck" exits with 0 if the server on this machine is ready, else
with 1. Run it with the same BIND, ADMIN_BIND and ADMIN_PORT variables as the
server. With a URL it exits with 0 if a GET of that URL gets a status below 400.

"previewd check" prints the rules in the directory's _redirects and _headers
files, and what is wrong with them. It exits with 1 if a line has an error.

"previewd version" prints the version and the revision, with --json as JSON.

  -h, --help   show this text
  --version    show the version
  --open       open the site in a browser

`)
	var rows strings.Builder
	w := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENVIRONMENT VARIABLE\tOPTION\tDEFAULT")
	for _, f := range fields() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.variable, f.spelling(), f.shown)
	}
	w.Flush() // a strings.Builder takes everything
	// The meanings have a line of their own, so that the table fits a terminal.
	lines := strings.SplitAfter(rows.String(), "\n")
	b.WriteString(lines[0])
	for i, f := range fields() {
		b.WriteString(lines[i+1] + "    " + f.doc + "\n")
	}
	return b.String()
}

// usage is made in argparse's form, 84 columns wide.
func usage() string {
	const program = "usage: previewd"
	indent := strings.Repeat(" ", len(program))
	words := []string{"[-h]", "[--version]", "[--open]"}
	last := ""
	for _, f := range fields() {
		name := "--" + f.option
		if f.short != "" {
			name = "-" + f.short
		}
		switch {
		case f.option == "":
		case f.option == positional:
			last = "[" + PositionalDirectory + "] [" + positional + "]"
		case f.kind.Kind() == reflect.Bool:
			words = append(words, "["+name+"]")
		case f.bare != "":
			words = append(words, "["+name+"[="+f.metavar+"]]")
		default:
			words = append(words, "["+name+" "+f.metavar+"]")
		}
	}
	var b strings.Builder
	line := program
	for _, word := range append(words, last) {
		if len(line)+1+len(word) > 84 {
			b.WriteString(line + "\n")
			line = indent
		}
		line += " " + word
	}
	b.WriteString(line + "\n       previewd healthcheck [URL]\n       previewd check [directory]\n       previewd version [--json]\n")
	return b.String()
}

// MarkdownTable is the table of Help for README.md.
func MarkdownTable() string {
	var b strings.Builder
	b.WriteString("| variable | option | default | meaning |\n|---|---|---|---|\n")
	for _, f := range fields() {
		option := f.spelling()
		if strings.HasPrefix(option, "-") {
			option = "`" + strings.ReplaceAll(option, ", ", "`, `") + "`"
		}
		def := f.shown
		if f.shown == f.def {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.variable, option, def, strings.ReplaceAll(f.doc, "|", `\|`))
	}
	return b.String()
}
