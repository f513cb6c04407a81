package config

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// arguments is the command line after parsing.
type arguments struct {
	flags    *pflag.FlagSet
	names    []string // long options in the order of the contract, for messages
	command  Command
	url      string           // that healthcheck is to ask for
	open     bool             // --open
	json     bool             // --json
	isWord   bool             // the command is the word version, which takes nothing but --json
	given    map[string]value // by variable
	problems problems
}

// parseArguments reads `[options] [directory] [port]`, or a subcommand and what it takes. pflag knows the syntax of options;
// what argparse does beyond it is done here: a unique prefix of a long option stands for it, an option's
// argument may not look like an option, and a negative number is no option.
func parseArguments(args []string) *arguments {
	a := &arguments{flags: pflag.NewFlagSet("previewd", pflag.ContinueOnError), given: map[string]value{}}
	a.define()
	var operands []string
	for len(args) > 0 {
		if args[0] == "--" {
			operands = append(operands, args[1:]...)
			break
		}
		if !looksLikeOption(args[0]) {
			operands = append(operands, args[0])
			args = args[1:]
			continue
		}
		args = args[a.option(args):]
	}
	a.operands(operands)
	if a.json && a.command == ShowVersion {
		a.command = ShowVersionJSON
	} else if a.json {
		a.problem("--json is for previewd version only")
	}
	return a
}

// optionsAlone are the options that have no variable.
var optionsAlone = []string{"help", "version", "json", "open"}

// define tells pflag the options: those of Config, and those that have no variable.
func (a *arguments) define() {
	a.names = slices.Clone(optionsAlone)
	a.flags.BoolP("help", "h", false, "")
	for _, name := range optionsAlone[1:] {
		a.flags.Bool(name, false, "")
	}
	for _, f := range fields() {
		if f.option == "" || f.option == positional {
			continue
		}
		a.names = append(a.names, f.option)
		if f.kind.Kind() == reflect.Bool {
			a.flags.BoolP(f.option, f.short, false, "")
			continue
		}
		a.flags.StringP(f.option, f.short, "", "")
		a.flags.Lookup(f.option).NoOptDefVal = f.bare
	}
}

// negative is argparse's _negative_number_matcher.
var negative = regexp.MustCompile(`^-\d+$|^-\d*\.\d+$`)

// looksLikeOption mirrors argparse's _parse_optional: `-` alone and negative numbers are operands.
func looksLikeOption(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && !negative.MatchString(arg)
}

// option reads the option at the front of args and returns how many arguments it took.
func (a *arguments) option(args []string) (taken int) {
	arg := args[0]
	if long, ok := strings.CutPrefix(arg, "--"); ok {
		name, text, assigned := strings.Cut(long, "=")
		matches := a.matching(name)
		if len(matches) == 0 {
			return a.unrecognized(args)
		}
		if len(matches) > 1 {
			a.problem("ambiguous option: %s could match --%s", printable("--"+name), strings.Join(matches, ", --"))
			return 1 + a.following(args)
		}
		arg = "--" + matches[0]
		if assigned {
			arg += "=" + text
		}
	}
	// To pflag the argument in -b= is "=", to argparse it is empty.
	if flag := a.flags.ShorthandLookup(arg[1:2]); flag != nil && arg[2:] == "=" {
		arg = "--" + flag.Name + "="
	}
	// pflag skips -test.anything without a word, for the sake of go test.
	if strings.HasPrefix(arg, "-test.") {
		return a.unrecognized(args)
	}

	// pflag stops at the first error and would take anything as an option's argument. So it is given one
	// argument, and a second only where it asks for one and there is one to give.
	taken = 1
	err := a.flags.ParseAll([]string{arg}, a.set)
	var missing *pflag.ValueRequiredError
	if errors.As(err, &missing) && a.following(args) == 1 {
		taken = 2
		err = a.flags.ParseAll([]string{arg, args[1]}, a.set)
	}
	switch {
	case errors.As(err, &missing):
		flag := missing.GetFlag()
		a.problem("argument %s: expected one argument", strings.TrimPrefix("-"+flag.Shorthand+"/--"+flag.Name, "-/"))
	case err != nil:
		return a.unrecognized(args)
	}
	return taken + a.secondArgument(args[taken:])
}

// secondArgument takes the value of -H NAME VALUE: what has been taken as a header has no colon. It returns how many
// arguments that are.
func (a *arguments) secondArgument(rest []string) (taken int) {
	v := a.given["HEADERS"]
	last := v.text[strings.LastIndexByte(v.text, '\n')+1:]
	if last == "" || strings.Contains(last, ":") {
		return 0
	}
	if len(rest) == 0 || looksLikeOption(rest[0]) {
		a.problem("argument -H/--header: expected NAME VALUE or 'NAME: VALUE'")
		delete(a.given, "HEADERS")
		return 0
	}
	v.text += ": " + rest[0]
	a.given["HEADERS"] = v
	return 1
}

// matching lists the long options that name stands for: itself, or all that it is a prefix of.
func (a *arguments) matching(name string) []string {
	var matches []string
	for _, n := range a.names {
		if n == name {
			return []string{n}
		}
		if strings.HasPrefix(n, name) {
			matches = append(matches, n)
		}
	}
	return matches
}

// unrecognized reports the option at the front of args. The argument that follows may belong to it, so it is
// passed over: one mistake, one line.
func (a *arguments) unrecognized(args []string) (taken int) {
	hint := ""
	if name, text, _ := strings.Cut(args[0], "="); name == "--port" {
		if a.following(args) == 1 {
			text = args[1]
		}
		hint = strings.TrimSpace("; the port has no option name: previewd " + printable(text))
	}
	a.problem("unrecognized arguments: %s%s", printable(args[0]), hint)
	return 1 + a.following(args)
}

// following is 1 if the option at the front of args has no `=` and an argument comes after it, else 0.
func (a *arguments) following(args []string) int {
	if strings.Contains(args[0], "=") || len(args) < 2 || args[1] == "--" || looksLikeOption(args[1]) {
		return 0
	}
	return 1
}

// set takes an option that pflag has parsed. The last one wins, as in argparse.
func (a *arguments) set(flag *pflag.Flag, text string) error {
	if slices.Contains(optionsAlone, flag.Name) {
		if text != flag.NoOptDefVal {
			a.problem("argument --%s: ignored explicit argument %s", flag.Name, quote(text))
			return nil
		}
		a.open, a.json = a.open || flag.Name == "open", a.json || flag.Name == "json"
		// The first of help and version decides, as the first that argparse meets exits.
		if a.command == Serve {
			a.command = map[string]Command{"help": ShowHelp, "version": ShowVersion}[flag.Name]
		}
		return nil
	}
	for _, f := range fields() {
		if f.option == flag.Name {
			if before, given := a.given[f.variable]; given && f.repeated {
				text = before.text + "\n" + text
			}
			a.given[f.variable] = value{"--" + f.option, text, f.secret}
		}
	}
	return nil
}

// operands takes what is no option: the subcommand, healthcheck with its URL, the directory and the port.
func (a *arguments) operands(rest []string) {
	if len(rest) > 0 && rest[0] == "healthcheck" {
		rest = rest[1:]
		if a.command == Serve {
			a.command = Healthcheck
		}
		if len(rest) > 0 && strings.Contains(rest[0], "://") {
			a.healthcheckURL(rest[0])
			rest = rest[1:]
		}
	}
	if len(rest) > 0 && rest[0] == "version" && a.command == Serve {
		a.command = ShowVersion
		a.isWord = true
		if len(rest) > 1 {
			a.problem("unrecognized arguments: %s (previewd version takes only --json)", printable(rest[1]))
		}
		return
	}
	if len(rest) > 0 && rest[0] == "check" && a.command == Serve {
		rest = rest[1:]
		a.command = Check
	}
	for _, arg := range rest {
		variable, name := "DIRECTORY", PositionalDirectory
		if number.MatchString(arg) {
			variable, name = "PORT", positional
		}
		if before, given := a.given[variable]; given {
			a.problem("unrecognized arguments: %s (%s=%s was already given)", printable(arg), before.name, quote(before.text))
			continue
		}
		a.given[variable] = value{name: name, text: arg}
	}
}

// number is what an operand is that is meant as a port. A directory of such a name is ./8000, or given by -d.
var number = regexp.MustCompile(`^(\s*[-+]?\d[\d_.]*\s*)?$`)

// healthcheckURL takes the URL that healthcheck is to ask for.
func (a *arguments) healthcheckURL(text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		a.problem("healthcheck: %s must be a URL, such as http://example.com/", quote(text))
		return
	}
	a.url = text
}

func (a *arguments) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}
