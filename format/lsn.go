package format

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the write-ahead log of a source: a count of bytes since
// the cluster was made, as PostgreSQL's type pg_lsn. Zero is no position.
type LSN uint64

// ParseLSN reads the text form of pg_lsn: two hexadecimal numbers of one to
// eight digits each, of either case, with a slash between them (PostgreSQL:
// src/backend/utils/adt/pg_lsn.c).
func ParseLSN(s string) (LSN, error) {
	high, low, found := strings.Cut(s, "/")
	if !found {
		return 0, fmt.Errorf("not an LSN: %q has no slash (an LSN looks like 16/B374D848)", s)
	}
	h, err := parseHex32(high)
	if err != nil {
		return 0, fmt.Errorf("not an LSN: %q: %w", s, err)
	}
	l, err := parseHex32(low)
	if err != nil {
		return 0, fmt.Errorf("not an LSN: %q: %w", s, err)
	}
	return LSN(h)<<32 | LSN(l), nil
}

// parseHex32 reads one to eight hexadecimal digits and nothing else.
func parseHex32(s string) (uint32, error) {
	if len(s) == 0 || len(s) > 8 {
		return 0, fmt.Errorf("want 1 to 8 hexadecimal digits, not %d", len(s))
	}
	for i := 0; i < len(s); i++ {
		if !isHex(s[i]) {
			return 0, fmt.Errorf("%q is no hexadecimal digit", s[i])
		}
	}
	n, err := strconv.ParseUint(s, 16, 32)
	return uint32(n), err
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// String gives the form PostgreSQL prints: "16/B374D848".
func (l LSN) String() string {
	return string(l.append(nil))
}

func (l LSN) append(dst []byte) []byte {
	return fmt.Appendf(dst, "%X/%X", uint32(l>>32), uint32(l))
}

// MarshalText gives the same form as String; it is the form in JSON.
func (l LSN) MarshalText() ([]byte, error) { return l.append(nil), nil }

// UnmarshalText reads what ParseLSN reads.
func (l *LSN) UnmarshalText(text []byte) error {
	v, err := ParseLSN(string(text))
	if err != nil {
		return err
	}
	*l = v
	return nil
}
