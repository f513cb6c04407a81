package service

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/site/tree"
)

// announce says where the server listens: in text with http.server's own lines on standard output.
func announce(setup Setup, main listeners, admin net.Addr) {
	c, log := setup.Config, setup.Log
	var lines, urls []string
	for _, l := range main {
		line, url := l.start()
		lines, urls = append(lines, line), append(urls, url)
	}
	if log.Format() == accesslog.Text {
		fmt.Fprintln(setup.Stdout, strings.Join(lines, "\n"))
		log.Info("admin port", zap.String("url", "http://"+admin.String()+"/"))
	} else {
		log.Info(strings.Join(lines, " "), zap.Strings("urls", urls), zap.String("admin_url", "http://"+admin.String()+"/"),
			zap.String("directory", c.Directory), zap.String("version", setup.Build.Version))
	}
	if main[0].address().Addr().IsLoopback() || c.Hidden == string(tree.HiddenDeny) {
		return
	}
	for _, name := range []string{".git", ".env"} {
		if _, err := os.Lstat(filepath.Join(c.Directory, name)); err == nil {
			log.Warn(fmt.Sprintf("%s is served to everyone who reaches this port: HIDDEN=deny hides dot files", name))
		}
	}
}
