//go:build !linux

package confine

// Process does nothing: there is no Landlock here.
func Process(o Options) Report {
	return Report{Options: o, Why: "there is Landlock only on Linux"}
}
