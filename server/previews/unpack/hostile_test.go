package unpack_test

import (
	"errors"
	"testing"

	"github.com/previewd/previewd/server/previews/unpack"
)

// isRefused fails the test unless an error is a refusal with a reason.
func isRefused(t *testing.T, err error, reason string) {
	t.Helper()
	var refused *unpack.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("the error is %v, want a refusal: %s", err, reason)
	}
	if refused.Reason != reason {
		t.Errorf("the reason is\n%s\nwant\n%s", refused.Reason, reason)
	}
}
