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

// announce says where the server listens, and what is special: in text with http.server's own lines on standard output,
// and for a terminal the rest of start behind them.
func announce(setup Setup, main listeners, admin net.Addr, authority string) {
	c, log := setup.Config, setup.Log
	var lines, urls []string
	for _, l := range main {
		line, url := l.start()
		lines, urls = append(lines, line), append(urls, url)
	}
	s := newStart(c, main, admin, authority, interfaceAddresses())
	switch {
	case log.Format() == accesslog.JSON:
		log.Info(strings.Join(lines, " "), s.fields(setup, urls, "http://"+admin.String()+"/")...)
	case setup.Terminal:
		fmt.Fprintln(setup.Stdout, strings.Join(lines, "\n"))
		s.print(setup.Stdout)
	default:
		fmt.Fprintln(setup.Stdout, strings.Join(lines, "\n"))
		log.Info("admin port", zap.String("url", "http://"+admin.String()+"/"))
	}
	if c.Open {
		if err := openBrowser(setup.Environ, s.addresses[0]); err != nil {
			log.Warn("--open: no browser was opened", zap.Error(err))
		}
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

// fields are what a record has of a start. urls are those that http.server's lines have.
func (s start) fields(setup Setup, urls []string, admin string) []zap.Field {
	list := []zap.Field{zap.Strings("urls", urls), zap.Strings("addresses", s.addresses), zap.String("admin_url", admin),
		zap.String("directory", s.directory), zap.String("version", setup.Build.Version)}
	if setup.Build.Revision != "" {
		list = append(list, zap.String("revision", setup.Build.Revision))
	}
	if s.authority != "" {
		list = append(list, zap.String("ca_sha256", s.authority))
	}
	var special []string
	for _, n := range s.special {
		special = append(special, n.name+": "+n.text)
	}
	if special != nil {
		list = append(list, zap.Strings("special", special))
	}
	return list
}
