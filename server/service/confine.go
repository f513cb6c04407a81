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
	served := c.Directory
	if from != nil {
		served = "" // what is served is in the store
	}
	log.Info(confine.Process(confine.Options{
		Directory: served,
		Files:     append(from.reads(), c.TLSCert, c.TLSKey, c.TLSPasswordFile, c.AuthFile),
		State:     []string{c.TLSStateDir},
		Store:     from.directory(),
		Connect:   append(from.ports(), upstreams.ports()...),
		ReadAll:   c.Symlinks == string(tree.SymlinksFollow),
		Scripts:   c.CGI,
	}).String())
}
