package service

import (
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/previewd/previewd/config"
	"github.com/previewd/previewd/server/previews/registry"
	"github.com/previewd/previewd/server/previews/store"
	"github.com/previewd/previewd/server/previews/tags"
)

// repository is that of which each tag is a preview, with the store of their builds; nil where there is none.
type repository struct {
	client *registry.Client
	store  *store.Store
	setup  Setup
}

// openRepository opens the store, which is what is served then: setup gets it as its directory.
func openRepository(setup *Setup) (*repository, error) {
	c := setup.Config
	name := c.PreviewsRepository()
	if name == "" {
		return nil, nil
	}
	client, err := registry.New(registry.Options{
		Repository:  name,
		Insecure:    c.PreviewsInsecure,
		Credentials: credentials(setup.Environ),
		UserAgent:   setup.Profile.Server,
	})
	if err != nil {
		return nil, fmt.Errorf("PREVIEWS=%s: %w", name, err)
	}
	directory, err := storeDirectory(c)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(directory, int64(c.PreviewsSize))
	if err != nil {
		return nil, fmt.Errorf("PREVIEWS_STORE=%s: %w", directory, err)
	}
	if err := s.Discard(func(m store.Meta) bool { return m.Made != made(c) }); err != nil {
		_ = s.Close() // it only frees
		return nil, fmt.Errorf("PREVIEWS_STORE=%s: %w", directory, err)
	}
	setup.Config.Directory = directory
	return &repository{client: client, store: s, setup: *setup}, nil
}

// made are the settings that decide what a build has of its image.
func made(c config.Config) string { return fmt.Sprintf("%q %q", c.PreviewsPath, c.IndexPages) }

// storeDirectory is where builds are unpacked: what PREVIEWS_STORE says, or else below the user's cache.
func storeDirectory(c config.Config) (string, error) {
	if c.PreviewsStore != "" {
		return filepath.Abs(c.PreviewsStore)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("PREVIEWS_STORE has to be set: there is no directory for what programs keep of the user (%w)", err)
	}
	return filepath.Join(cache, "previewd", "previews"), nil
}

// credentials is the file in which Docker keeps those for registries; "" where it cannot be told.
func credentials(environ map[string]string) string {
	directory := environ["DOCKER_CONFIG"]
	if directory == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		directory = filepath.Join(home, ".docker")
	}
	return filepath.Join(directory, "config.json")
}

// options are those of the tags.
func (r *repository) options(count tags.Counters) *tags.Options {
	c, log := r.setup.Config, r.setup.Log
	of := func(tag string) []zap.Field {
		if tag == "" {
			return nil
		}
		return []zap.Field{zap.String("tag", tag)}
	}
	return &tags.Options{
		Repository: c.PreviewsRepository(),
		Registry:   r.client,
		Store:      r.store,
		Path:       c.PreviewsPath,
		IndexPages: c.IndexPages,
		Made:       made(c),
		Window:     int64(c.MemoryBudget) / 2, // an eighth of the memory limit, and two builds are unpacked at once
		Check:      c.PreviewsCheck,
		Count:      count,
		Info:       func(message, tag string) { log.Info(message, of(tag)...) },
		Warn:       func(message, tag string) { log.Warn(message, of(tag)...) },
	}
}

// close gives the store free.
func (r *repository) close() {
	if r != nil {
		_ = r.store.Close() // it only frees
	}
}

// reads are the files that are read again while the server runs.
func (r *repository) reads() []string {
	if r == nil {
		return nil
	}
	return []string{credentials(r.setup.Environ)}
}

// directory is that of the store, "" where there is none.
func (r *repository) directory() string {
	if r == nil {
		return ""
	}
	return r.setup.Config.Directory
}

// ports are those of the registry, and of the proxy to it.
func (r *repository) ports() []uint16 {
	if r == nil {
		return nil
	}
	return r.client.Ports()
}
