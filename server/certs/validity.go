package certs

import (
	"crypto/x509"
	"fmt"
	"time"
)

// validity is what there is to tell of a certificate's validity (RFC 5280, section 4.1.2.5). It is comparable.
type validity struct {
	verdict verdict
	at      time.Time // the end of the validity, or its beginning
}

type verdict int

const (
	valid verdict = iota
	notYet
	soon
	expired
)

func judge(leaf *x509.Certificate, now time.Time) validity {
	switch {
	case now.After(leaf.NotAfter):
		return validity{expired, leaf.NotAfter}
	case now.Before(leaf.NotBefore):
		return validity{notYet, leaf.NotBefore}
	case now.After(leaf.NotAfter.Add(-expiresSoon)):
		return validity{soon, leaf.NotAfter}
	}
	return validity{}
}

// warning is the line for the operator, "" if there is nothing to warn of.
func (v validity) warning(file string) string {
	at := v.at.UTC().Format(time.RFC3339)
	switch v.verdict {
	case expired:
		return fmt.Sprintf("certificate %q expired at %s: clients will refuse it", file, at)
	case notYet:
		return fmt.Sprintf("certificate %q is not valid before %s: clients will refuse it", file, at)
	case soon:
		return fmt.Sprintf("certificate %q expires at %s", file, at)
	}
	return ""
}
