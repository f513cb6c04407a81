package coding

// Coding is a content coding.
type Coding uint8

// The codings. Identity is none.
const (
	Identity Coding = iota
	Gzip
	Zstd
	Br
	count = iota
)

// String returns the name in Accept-Encoding and Content-Encoding.
func (c Coding) String() string {
	return [count]string{"identity", "gzip", "zstd", "br"}[c]
}

// Suffix is what the name of a precompressed file ends in, "" for Identity.
func (c Coding) Suffix() string {
	return [count]string{"", ".gz", ".zst", ".br"}[c]
}
