package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// maxTags bounds the file of tags, in bytes: 10,000 tags with names of the longest form are some 2 MiB.
const maxTags = 8 << 20

// Remember keeps which tag is which build, for Remembered of the next start: digests by any names. What was kept before is
// replaced as a whole.
func (s *Store) Remember(tags map[string]string) error {
	text, err := json.Marshal(tags)
	if err != nil {
		return err
	}
	if len(text) > maxTags {
		return fmt.Errorf("the tags have %s, at most %s are kept", size(int64(len(text))), size(maxTags))
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.makers.Add(1)
	staged := s.stage()
	s.mu.Unlock()
	defer s.makers.Done()
	c := claim{store: s}
	err = c.grow(context.Background(), roundUp(int64(len(text))))
	if err == nil {
		err = s.writeFile(staged, text)
	}
	if err == nil {
		err = s.root.Rename(staged, tagsFile)
	}
	if err == nil {
		err = syncDirectory(s.root, ".")
	} else if left := s.root.Remove(staged); !errors.Is(left, fs.ErrNotExist) {
		err = errors.Join(err, left)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.end()
	s.measure()
	return err
}

// Remembered returns what Remember kept last, nil if there is nothing, or nothing that can be read.
func (s *Store) Remembered() map[string]string {
	text, err := s.readFile(tagsFile, maxTags)
	if err != nil {
		return nil
	}
	var tags map[string]string
	if err := json.Unmarshal(text, &tags); err != nil {
		return nil
	}
	for _, digest := range tags {
		if _, err := fileName(buildsDirectory, digest); err != nil {
			return nil
		}
	}
	return tags
}
