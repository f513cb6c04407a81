package config

import (
	"reflect"
	"strings"
)

// field is one setting, as the tags of Config describe it.
type field struct {
	name     string // of the struct's field
	index    int    // in the struct
	kind     reflect.Type
	variable string
	def      string // in the syntax of the variable; empty if there is none
	shown    string // the default as tables print it
	option   string // long name without dashes; "port" is the positional argument; empty if there is none
	short    string // one letter
	metavar  string
	oneof    []string // the only values; nil if it is no enumeration
	positive bool     // zero is refused
	bare     string   // what the option means without a value; empty if it needs one
	repeated bool     // each time the option is given adds a line
	secret   bool     // messages do not show the value
	doc      string
}

// The settings given without a name, in any order: [directory] [port]. A number is a port.
const (
	positional = "port"
	// PositionalDirectory is how messages call the directory that is given so.
	PositionalDirectory = "directory"
)

// fields lists the settings in the order of Config.
func fields() []field {
	var list []field
	config := reflect.TypeFor[Config]()
	for i := range config.NumField() {
		sf := config.Field(i)
		variable := sf.Tag.Get("env")
		if variable == "" {
			continue
		}
		f := field{
			name:     sf.Name,
			index:    i,
			kind:     sf.Type,
			variable: variable,
			def:      sf.Tag.Get("envDefault"),
			shown:    sf.Tag.Get("shown"),
			option:   sf.Tag.Get("option"),
			short:    sf.Tag.Get("short"),
			metavar:  sf.Tag.Get("metavar"),
			positive: sf.Tag.Get("positive") == "true",
			bare:     sf.Tag.Get("bare"),
			repeated: sf.Tag.Get("repeated") == "true",
			secret:   sf.Tag.Get("secret") == "true",
			doc:      sf.Tag.Get("doc"),
		}
		if f.shown == "" {
			f.shown = f.def
		}
		if words := sf.Tag.Get("oneof"); words != "" {
			f.oneof = strings.Split(words, ",")
		}
		list = append(list, f)
	}
	return list
}

// spelling is how the table and the messages show the option: `-b, --bind`, `[port]`, or nothing.
func (f field) spelling() string {
	switch {
	case f.option == "":
		return ""
	case f.option == positional:
		return "[" + positional + "]"
	case f.short != "":
		return "-" + f.short + ", --" + f.option
	}
	return "--" + f.option
}
