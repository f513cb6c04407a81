package service

import (
	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/server/accesslog"
	"github.com/previewd/previewd/server/confine"
	"github.com/previewd/previewd/server/site/tree"
)

// confineProcess has the kernel confine the process to what the settings need, and says what is in force. All that is
// opened once is open, and what is started once has been started.
func confineProcess(c config.Config, upstreams *upstreams, from *repository, log *accesslog.Log) {
	if c.KernelConfinement != "auto" {
		log.Info("no kernel confinement: KERNEL_CONFINEMENT=off")
		return
	}
	log.Info(confine.Process(confine.Options{
		Directory: c.Directory,
		Files:     append(from.reads(), c.TLSCert, c.TLSKey, c.TLSPasswordFile, c.AuthFile),
		State:     append(from.writes(), c.TLSStateDir),
		Connect:   append(from.ports(), upstreams.ports()...),
		ReadAll:   c.Symlinks == string(tree.SymlinksFollow),
		Scripts:   c.CGI,
	}).String())
}
