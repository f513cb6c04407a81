package service

import (
	"context"

	"github.com/previewd/previewd/server/accesslog"
)

// heedHangups looks at the files of the certificate again for each SIGHUP, as the hooks of programs that renew
// certificates expect, until ctx ends.
func heedHangups(ctx context.Context, hangups <-chan struct{}, https *https, log *accesslog.Log) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		if https == nil || https.again == nil {
			log.Info("SIGHUP: there are no certificate files to read again")
			continue
		}
		log.Info("SIGHUP: reading the certificate files again")
		select {
		case https.again <- struct{}{}:
		case <-ctx.Done():
		}
	}
}
