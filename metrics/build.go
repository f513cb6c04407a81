package metrics

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
)

// Build says which program this is.
type Build struct{ Version, Revision string }

// NewBuild returns the version and the revision that the linker was told. Without a revision it is the one that the go
// command found in the directory that it built in, with "-modified" behind it if files had changed since. info is nil
// if there is none.
func NewBuild(version, revision string, info *debug.BuildInfo) Build {
	if revision != "" || info == nil {
		return Build{version, revision}
	}
	modified := ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = "-modified"
		}
	}
	if revision != "" {
		revision += modified
	}
	return Build{version, revision}
}

// JSON is what /version answers, an object with the labels of previewd_build_info.
func (b Build) JSON() string {
	text, err := json.Marshal(struct {
		Version   string `json:"version"`
		Revision  string `json:"revision"`
		GoVersion string `json:"goversion"`
	}{b.Version, b.Revision, runtime.Version()})
	if err != nil { // three strings
		panic(err)
	}
	return string(text)
}

// String is what --version prints behind the name of the program.
func (b Build) String() string {
	if b.Revision == "" {
		return b.Version
	}
	return b.Version + " (revision " + b.Revision + ")"
}
