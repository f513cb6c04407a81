package faultfs

import (
	"encoding/binary"
	"io/fs"
	"syscall"
)

// Requests of linux/fuse.h.
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opReadlink    = 5
	opOpen        = 14
	opRead        = 15
	opStatfs      = 17
	opRelease     = 18
	opInit        = 26
	opOpendir     = 27
	opReaddir     = 28
	opReleasedir  = 29
	opInterrupt   = 36
	opBatchForget = 42
)

const (
	inHeaderSize  = 40
	outHeaderSize = 16
	rootID        = 1
	// maxRequest is more than the largest request, of a write of 128 KiB.
	maxRequest = 1 << 18
)

var native = binary.NativeEndian

// request is struct fuse_in_header, and what follows it.
type request struct {
	op     uint32
	unique uint64
	node   uint64
	body   []byte
}

func parse(b []byte) request {
	return request{op: native.Uint32(b[4:]), unique: native.Uint64(b[8:]), node: native.Uint64(b[16:]), body: b[inHeaderSize:]}
}

// answer is struct fuse_out_header, and a body where errno is 0.
func answer(unique uint64, errno syscall.Errno, body []byte) []byte {
	if errno != 0 {
		body = nil
	}
	b := make([]byte, outHeaderSize, outHeaderSize+len(body))
	native.PutUint32(b, uint32(outHeaderSize+len(body)))
	native.PutUint32(b[4:], uint32(-int32(errno)))
	native.PutUint64(b[8:], unique)
	return append(b, body...)
}

// initAnswer is struct fuse_init_out of version 7.31, with nothing that is optional.
func initAnswer() []byte {
	b := make([]byte, 64)
	native.PutUint32(b, 7)
	native.PutUint32(b[4:], 31)
	native.PutUint32(b[8:], 128<<10)  // max_readahead
	native.PutUint16(b[16:], 512)     // max_background
	native.PutUint16(b[18:], 512)     // congestion_threshold
	native.PutUint32(b[20:], 128<<10) // max_write
	native.PutUint32(b[24:], 1)       // time_gran
	return b
}

// attributes is struct fuse_attr.
func (n *node) attributes() []byte {
	b := make([]byte, 88)
	native.PutUint64(b, n.id)
	native.PutUint64(b[8:], uint64(len(n.content)))
	native.PutUint64(b[16:], uint64(len(n.content)+511)/512)
	for i := range 3 { // atime, mtime, ctime
		native.PutUint64(b[24+8*i:], uint64(n.modified.Unix()))
		native.PutUint32(b[48+4*i:], uint32(n.modified.Nanosecond()))
	}
	native.PutUint32(b[60:], n.mode())
	native.PutUint32(b[64:], 1)
	native.PutUint32(b[80:], 4096)
	return b
}

func (n *node) mode() uint32 {
	if n.children != nil {
		return syscall.S_IFDIR | 0o755
	}
	return syscall.S_IFREG | 0o644
}

// entry is struct fuse_entry_out: nothing of it may be kept, so that every look is a request.
func (n *node) entry() []byte {
	b := make([]byte, 40)
	native.PutUint64(b, n.id)
	return append(b, n.attributes()...)
}

// direntry is struct fuse_dirent.
func direntry(id uint64, offset uint64, name string, mode fs.FileMode) []byte {
	b := make([]byte, 24+(len(name)+7)/8*8)
	native.PutUint64(b, id)
	native.PutUint64(b[8:], offset)
	native.PutUint32(b[16:], uint32(len(name)))
	kind := uint32(syscall.DT_REG)
	if mode.IsDir() {
		kind = syscall.DT_DIR
	}
	native.PutUint32(b[20:], kind)
	copy(b[24:], name)
	return b
}
