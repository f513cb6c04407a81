// Package coding chooses and makes content codings: gzip, zstd and br (RFC 9110, section 8.4).
package coding
