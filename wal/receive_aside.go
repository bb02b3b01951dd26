package wal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// aside keeps messages of one transaction that has not ended, in order: in memory at first, and in a file without a
// name as soon as they are many. A message is kept as the id of its (sub)transaction, the length that follows, 32 bits
// each, its kind, and the rest.
type aside struct {
	dir  string
	buf  []byte
	file *os.File // nil: all is in buf
	size int64    // bytes in file
}

const (
	asideHeader = 4 + 4
	// asideBuffer is how many bytes a transaction may have in memory before they go into its file.
	asideBuffer = 256 << 10
)

// keep adds a message.
func (a *aside) keep(xid uint32, kind byte, rest []byte) error {
	a.buf = binary.BigEndian.AppendUint32(a.buf, xid)
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(1+len(rest)))
	a.buf = append(a.buf, kind)
	if len(rest) < asideBuffer {
		a.buf = append(a.buf, rest...)
		if len(a.buf) < asideBuffer {
			return nil
		}
		rest = nil
	}
	if err := a.flush(); err != nil {
		return err
	}
	return a.write(rest)
}

// flush moves what is in memory into the file.
func (a *aside) flush() error {
	if a.file == nil {
		var err error
		if a.file, err = unlinkedFile(a.dir); err != nil {
			return err
		}
	}
	err := a.write(a.buf)
	a.buf = a.buf[:0]
	return err
}

func (a *aside) write(b []byte) error {
	n, err := a.file.Write(b)
	a.size += int64(n)
	return err
}

// each calls fn with every message, valid until fn returns, and stops with fn's error.
func (a *aside) each(fn func(xid uint32, message []byte) error) error {
	var all io.Reader = bytes.NewReader(a.buf)
	if a.file != nil {
		all = io.MultiReader(io.NewSectionReader(a.file, 0, a.size), all)
	}
	r := bufio.NewReaderSize(all, asideBuffer)
	var header [asideHeader]byte
	var message []byte
	for {
		_, err := io.ReadFull(r, header[:])
		if err == io.EOF {
			return nil
		}
		if n := int(binary.BigEndian.Uint32(header[4:])); err == nil {
			if n > cap(message) || cap(message) > 16*max(n, asideBuffer) {
				message = make([]byte, max(n, asideBuffer))
			}
			message = message[:n]
			_, err = io.ReadFull(r, message)
		}
		if err != nil {
			return &sinkError{fmt.Errorf("read what was kept of a transaction under way: %w", err)}
		}
		if err := fn(binary.BigEndian.Uint32(header[:]), message); err != nil {
			return err
		}
	}
}

// release forgets all.
func (a *aside) release() {
	a.buf = nil
	if a.file != nil {
		a.file.Close()
		a.file, a.size = nil, 0
	}
}
