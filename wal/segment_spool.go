package wal

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// spool is a file without a name: a segment is written to it while it grows, so
// that it does not sit in memory, and a killed process leaves nothing behind.
type spool struct {
	file *os.File
	w    *bufio.Writer
	size int64
}

const spoolBuffer = 64 << 10

func newSpool(dir string) (*spool, error) {
	f, err := unlinkedFile(dir)
	if err != nil {
		return nil, fmt.Errorf("make a spool file for a segment: %w", err)
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, spoolBuffer)}, nil
}

// unlinkedFile makes a file without a name in the folder; "" is the system's for temporary files.
func unlinkedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "pgrecall-segment-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.size += int64(n)
	if err != nil {
		err = fmt.Errorf("write the spool file of a segment: %w", err)
	}
	return n, err
}

// reader returns all that was written. It can be read again from its start with Seek.
func (s *spool) reader() (*io.SectionReader, error) {
	if err := s.w.Flush(); err != nil {
		return nil, fmt.Errorf("write the spool file of a segment: %w", err)
	}
	return io.NewSectionReader(s.file, 0, s.size), nil
}

func (s *spool) close() error { return s.file.Close() }
