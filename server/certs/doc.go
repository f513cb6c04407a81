// Package certs has the certificate that a TLS listener shows: a chain and its key from files, as
// http.server's --tls-cert, --tls-key and --tls-password-file name them, kept up to date while the server
// runs. Package devca makes one where there is none.
package certs
