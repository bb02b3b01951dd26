package format

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	// lz4MaxInput is LZ4_MAX_INPUT_SIZE of the reference implementation; a longer
	// chunk is stored as it is.
	lz4MaxInput = 0x7E000000
	// keepBuffer bounds what a writer or reader keeps of a buffer that one huge row
	// made grow.
	keepBuffer = 64 << 20
)

// least is the least number of stored bytes that can stand for raw ones: what a
// lying header is held against before anything is allocated for it. A byte of LZ4
// extends a match by at most 255; a Zstandard block of 4 bytes makes at most
// 128 KiB (RFC 8878, RLE_Block).
func (c Compression) least(raw int) int {
	switch c {
	case LZ4:
		return raw / 256
	case Zstd:
		return raw / (32 << 10)
	default:
		return raw
	}
}

// encoder compresses the chunks of one writer, reusing what it needs for it.
type encoder struct {
	compression Compression
	lz4         lz4.Compressor
	zstd        *zstd.Encoder
}

func newEncoder(c Compression) (*encoder, error) {
	e := &encoder{compression: c}
	if c == Zstd {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil, fmt.Errorf("start zstd: %w", err)
		}
		e.zstd = z
	}
	return e, nil
}

// append appends the compressed form of raw to dst, or raw itself if that is not
// longer, and says which it did.
func (e *encoder) append(dst, raw []byte) ([]byte, Compression, error) {
	start := len(dst)
	switch {
	case e.compression == LZ4 && len(raw) > 0 && len(raw) <= lz4MaxInput:
		dst = grow(dst, lz4.CompressBlockBound(len(raw)))
		n, err := e.lz4.CompressBlock(raw, dst[start:cap(dst)])
		if err != nil {
			return nil, None, fmt.Errorf("compress with lz4: %w", err)
		}
		if n > 0 && n < len(raw) {
			return dst[:start+n], LZ4, nil
		}
	case e.compression == Zstd && len(raw) > 0:
		dst = e.zstd.EncodeAll(raw, dst)
		if len(dst)-start < len(raw) {
			return dst, Zstd, nil
		}
	}
	return append(dst[:start], raw...), None, nil
}

// grow gives dst with room for n bytes more.
func grow(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	bigger := make([]byte, len(dst), len(dst)+n)
	copy(bigger, dst)
	return bigger
}

// decoder decompresses chunks; it is safe for concurrent use.
type decoder struct {
	start sync.Once
	zstd  *zstd.Decoder
	err   error
}

var errLength = errors.New("it decompresses to another length")

// decode fills raw, whose length is the one the chunk's header tells.
func (d *decoder) decode(c Compression, raw, stored []byte) error {
	switch c {
	case LZ4:
		n, err := lz4.UncompressBlock(stored, raw)
		if err != nil {
			return fmt.Errorf("lz4: %w", err)
		}
		if n != len(raw) {
			return errLength
		}
	case Zstd:
		d.start.Do(func() {
			d.zstd, d.err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0),
				zstd.WithDecoderMaxMemory(MaxRaw), zstd.WithDecodeAllCapLimit(true))
		})
		if d.err != nil {
			return fmt.Errorf("start zstd: %w", d.err)
		}
		got, err := d.zstd.DecodeAll(stored, raw[:0:len(raw)])
		if err != nil {
			return fmt.Errorf("zstd: %w", err)
		}
		if len(got) != len(raw) {
			return errLength
		}
	default:
		copy(raw, stored)
	}
	return nil
}
