package oracle

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// dice makes the workload's values. Every value is its text form, as a parameter of unknown type takes it; nil is NULL.
type dice struct{ *rand.Rand }

// newDice returns the dice of one goroutine of the run with this seed.
func newDice(seed, stream uint64) dice { return dice{rand.New(rand.NewPCG(seed, stream))} }

// chance is true n times of 100.
func (d dice) chance(n int) bool { return d.IntN(100) < n }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// maybe is v, or NULL 15 times of 100.
func (d dice) maybe(v string) any {
	if d.chance(15) {
		return nil
	}
	return v
}

func (d dice) number(n int) string { return fmt.Sprint(d.IntN(n)) }

// word is a short text; many of them are what COPY's text form, arrays and composites must escape.
func (d dice) word() string {
	return pick(d, "", " ", "plain", `\N`, `\.`, "tab\there", "line\nbreak", "return\r\n", `back\slash`, `\u`, `\\u0041`, `"quoted"`, "it's",
		"a,b", "{x}", "(y)", "NULL", "null", "ünïcödé", "日本語", "🙂", "\b\f\v", "\x01\x7f", "end\\", "a\tb\\tc\nd\\ne", "word"+d.number(1000))
}

// text is a NULL, a word, or some of them.
func (d dice) text() any {
	var b strings.Builder
	for range d.IntN(4) {
		b.WriteString(d.word())
	}
	return d.maybe(b.String())
}

// long is a text of n bytes that hardly compresses, with something to escape in it.
func (d dice) long(n int) string {
	b := make([]byte, n/2)
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return d.word() + hex.EncodeToString(b)
}

// story is NULL, short, or long enough to be stored out of line.
func (d dice) story() any {
	if d.chance(60) {
		return d.text()
	}
	return d.maybe(d.long(2100 + d.IntN(6000)))
}

func (d dice) bytes(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return `\x` + hex.EncodeToString(b)
}

func (d dice) picture() any {
	if d.chance(70) {
		return d.maybe(d.bytes(d.IntN(9)))
	}
	return d.bytes(2500 + d.IntN(3000))
}

func (d dice) float() any {
	return d.maybe(pick(d, "0", "-0", "NaN", "Infinity", "-Infinity", "1e-310", "4.9e-324", "1.7976931348623157e308", "0.1", "-123.456",
		fmt.Sprint(d.NormFloat64()*1e6), fmt.Sprint(d.Float64())))
}

func (d dice) float4() any {
	return d.maybe(pick(d, "-0", "NaN", "-Infinity", "1e-45", "3.4028235e38", "0.1", fmt.Sprint(d.Float32())))
}

func (d dice) numeric() any {
	return d.maybe(pick(d, "0", "0.000", "NaN", "Infinity", "-Infinity", "1e40", "-0.00000000000000000001", "12345678901234567890.123456789",
		fmt.Sprintf("%d.%0*d", d.IntN(1000), 1+d.IntN(8), d.IntN(10))))
}

func (d dice) timestamp() any {
	return d.maybe(pick(d, "infinity", "-infinity", "0044-03-15 12:00:00 BC", "4713-11-25 00:00:00 BC", "294276-12-30 23:59:59.999999",
		"1999-12-31 23:59:59.999999", fmt.Sprintf("2024-03-31 0%d:%02d:%02d.%06d", d.IntN(5), d.IntN(60), d.IntN(60), d.IntN(1e6))))
}

func (d dice) date() any {
	return d.maybe(pick(d, "infinity", "-infinity", "0001-01-01 BC", "5874897-12-31", "2024-02-29"))
}

func (d dice) interval() any {
	return d.maybe(pick(d, "0", "1 year -2 mons 3 days -04:05:06.789", "-178000000 years", "00:00:00.000001", "1 day", "P1Y2M"))
}

// quoted is a word as an element of an array or composite.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (d dice) array() any {
	var items []string
	for range d.IntN(4) {
		items = append(items, pick(d, quoted(d.word()), "NULL"))
	}
	return d.maybe("{" + strings.Join(items, ",") + "}")
}

func (d dice) composite() any {
	moods := quoted(`{ok,"very \"happy\", really",""}`)
	return d.maybe("(" + pick(d, quoted(d.word()), "") + "," + pick(d, d.number(100), "") + "," + pick(d, moods, "", "{}") + ")")
}

func (d dice) json() any {
	return d.maybe(pick(d, `{}`, `[]`, `null`, `"a\tb\\c\nd"`, `{"a": 1, "b": [true, null, 1.50, "ü\"x"], "a": 2}`, ` { "spaced" :  1 } `,
		`{"deep": {"er": [`+d.number(1000)+`, {"k": "v\\"}]}}`, `-0`, `1e400`))
}

func (d dice) uuid() any {
	return d.maybe(fmt.Sprintf("%08x-0000-4000-8000-%012x", d.Uint32(), d.Uint32()))
}

// A column is one that writers may set, with the values it takes.
type column struct {
	name  string
	value func(d dice) any
}

// accountColumns are the columns of app.accounts that may be set.
func accountColumns() []column {
	return []column{
		{"email", func(d dice) any { return d.word() + "@example.com" }},
		{"mood", func(d dice) any { return d.maybe(pick(d, "sad", "ok", `very "happy", really`, "")) }},
		{"balance", func(d dice) any { return d.maybe(pick(d, "NaN", "0", "-12.5", fmt.Sprint(d.IntN(1e6)))) }},
		{"exact", dice.numeric}, {"ratio", dice.float}, {"small", dice.float4},
		{"born", dice.timestamp}, {"seen", func(d dice) any {
			return d.maybe(pick(d, "infinity", "0044-03-15 12:00:00+02 BC", "2024-10-27 02:30:00.5+01"))
		}},
		{"day", dice.date}, {"lasted", dice.interval},
		{"clock", func(d dice) any { return d.maybe(pick(d, "00:00:00+15:59", "24:00:00-13", "12:34:56.789+02")) }},
		{"tags", dice.array}, {"grid", func(d dice) any { return d.maybe(pick(d, "{}", "[-1:0][5:6]={{1,2},{3,NULL}}", "{{1},{2}}")) }},
		{"settings", func(d dice) any {
			v := d.json()
			if v == "1e400" {
				return nil // as jsonb 401 digits long: nothing new
			}
			return v
		}},
		{"raw", dice.json}, {"avatar", dice.picture}, {"home", dice.composite},
		{"code", func(d dice) any { return d.maybe(d.word()) }},
		{"scores", func(d dice) any { return d.maybe(pick(d, "{}", "{1,NULL,NaN,0.00}", "[3:4]={1,2}")) }},
		{"span", func(d dice) any { return d.maybe(pick(d, "empty", "[1,5)", "(,3]", "(,)")) }},
		{"words", func(d dice) any { return d.maybe(pick(d, "empty", `["a b","c\\d"]`, `[,"z"")")`)) }},
		{"spans", func(d dice) any { return d.maybe(pick(d, "{}", "{[1,3),[5,9)}", "{(,)}")) }},
		{"price", func(d dice) any { return d.maybe(pick(d, "-0.01", "92233720368547758.07", d.number(1000))) }},
		{"host", func(d dice) any { return d.maybe(pick(d, "::1", "10.0.0.0/8", "192.168.1.1")) }},
		{"token", dice.uuid}, {"flags", func(d dice) any { return d.maybe(pick(d, "", "1", "010101")) }},
		{"padded", func(d dice) any { return d.maybe(pick(d, "", "ab", "  x")) }},
		{"box", func(d dice) any { return d.maybe(pick(d, "(1,1),(0,0)", "(1e300,NaN),(-0,-1)")) }},
		{"doc", func(d dice) any { return d.maybe(pick(d, "", "'it''s':1A 'b\\\\s':2,3B")) }},
		{"page", func(d dice) any { return d.maybe(pick(d, "<a>x\ty</a>", "<b/>")) }},
		{"note", dice.text}, {"story", dice.story}, {"picture", dice.picture},
	}
}
