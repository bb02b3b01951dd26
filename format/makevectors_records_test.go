package format

import (
	"fmt"
	"hash/crc32"
	"time"
)

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// bytesVector adds a vector that is no object.
func (vs *vectorSet) bytesVector(name, kind string, data []byte, expect, comment string) {
	v := &vector{data: data}
	v.add("type", "%s", kind)
	v.add("comment", "%s", comment)
	v.add("expect", "%s", expect)
	if expect == "ok" && (kind == "lane" || kind == "transactions") {
		content, err := recordContent(v)
		if err != nil {
			vs.t.Fatalf("%s: %v", name, err)
		}
		for _, c := range content {
			v.add("content", "%s", c)
		}
	}
	vs.put(name, v)
}

func (vs *vectorSet) records() {
	lane, _ := sampleRecords(0)
	vs.bytesVector("lane", "lane", lane, "ok", "records of every operation")
	vs.bytesVector("lane-empty-rows", "lane", []byte("I\x00\x00\x00"), "ok", "a row without bytes")
	vs.bytesVector("lane-cut", "lane", lane[:len(lane)-1], "invalid", "the last record is cut short")
	for i, bad := range []struct{ data, comment string }{
		{"X\x00\x00", "an unknown operation"},
		{"I\x80\x00\x00\x00", "a number not in the shortest form"},
		{"I\x80\x80\x80\x80\x10\x00\x00", "a transaction ordinal of 2^32"},
		{"I\x00\x00\x05abc", "a row longer than what follows"},
		{"I\x00\x00\x03a\nb", "a row with a newline"},
		{"U\x00\x00Q\x00\x00", "an unknown kind of old row"},
		{"D\x00\x00\x00", "a delete without old row"},
		{"D\x00\x00O\x03a\nb", "an old row with a newline"},
		{"T\x00\x00\x02", "RestartSequences is 2"},
		{"I\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00", "a number beyond 64 bits"},
		{"I\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc", "a row of 2^64-1 bytes"},
	} {
		vs.bytesVector(fmt.Sprintf("lane-invalid-%02d", i+1), "lane", []byte(bad.data), "invalid", bad.comment)
	}
}

func (vs *vectorSet) transactions() {
	ts := AppendTransactions(nil, sampleTransactions())
	vs.bytesVector("transactions", "transactions", ts, "ok", "three transactions, one replicated from elsewhere")
	vs.bytesVector("transactions-none", "transactions", nil, "ok", "none")
	vs.bytesVector("transactions-cut", "transactions", ts[:len(ts)-1], "invalid", "the last one is cut short")
	vs.bytesVector("transactions-repeated", "transactions", append(ts, ts...), "invalid", "the same again: commit order goes back")
	for i, bad := range []struct{ data, comment string }{
		{"\x01\x10\x00\x00\x00\x00", "a commit record of no length"},
		{"\x01\x10\x08\x00\x02\x00", "unknown flags"},
		{"\x01\x10\x08\x00\x00\x01\x00\x00\x00\x00", "fewer tables than told"},
		{"\x01\x10\x08\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "2^64-1 tables"},
		{"\x81\x00\x10\x08\x00\x00\x00", "a number not in the shortest form"},
		{"\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00", "the end of the commit record is beyond 64 bits"},
		{"\x01\x10\x08\x00\x00\x01\x80\x80\x80\x80\x10\x00\x00\x00\x00", "a layout of 2^32"},
	} {
		vs.bytesVector(fmt.Sprintf("transactions-invalid-%02d", i+1), "transactions", []byte(bad.data), "invalid", bad.comment)
	}
}

func (vs *vectorSet) rows() {
	for i, r := range []struct{ row, comment string }{
		{"1\tplain\ttext", "no escapes"},
		{``, "one empty field, or no column"},
		{"\t\t", "three empty fields"},
		{`\N` + "\t" + `\N`, "nulls"},
		{`\u` + "\t" + `\\N` + "\t" + `\\u`, "an unchanged value, and texts that look like markers"},
		{`\b\t\n\v\f\r\\`, "every escape"},
		{"\x01\x7f\x80\xff\xc3\xa9", "bytes that need none"},
		{`a\`, "an escape cut short"},
		{`a\x41`, "an escape that COPY TO does not write"},
		{`a\N`, "a null within a field"},
		{"a\rb", "a control character unescaped"},
		{`\.`, "COPY's end of data"},
		{`\\.`, "a text that looks like COPY's end of data"},
	} {
		v := &vector{data: []byte(r.row)}
		v.add("type", "row")
		v.add("comment", "%s", r.comment)
		fields, hash := rowContent(v.data)
		for _, f := range fields {
			v.add("field", "%s", f)
		}
		v.add("content-hash", "%s", hash)
		vs.put(fmt.Sprintf("row-%02d", i+1), v)
	}
}

func (vs *vectorSet) texts() {
	good := SegmentName{From: 0x1600B37400, To: 0x1600B37660, MinTime: craftTime, MaxTime: craftTime.Add(time.Second), MinXID: 742, MaxXID: 750}.String()
	texts := map[string][][3]string{
		"segment-name": {
			{good, "ok", "times and ids"},
			{SegmentName{From: 1, To: 2, MinXID: 5<<32 + 741, MaxXID: 5<<32 + 741}.String(), "ok", "only replicated transactions"},
			{good + "-", "invalid", "a field more"},
			{good[1:], "invalid", "an LSN of 15 digits"},
			{"0000001600b37400" + good[16:], "invalid", "lower case"},
			{"0000001600B37660-0000001600B37660" + good[33:], "invalid", "it ends where it begins"},
			{good[:34] + "none" + good[57:], "invalid", "one time only"},
			{good[:34] + good[58:81] + "-" + good[34:57] + good[81:], "invalid", "the times are exchanged"},
			{good[:82] + "0742-750", "invalid", "a leading zero"},
			{good[:82] + "750-742", "invalid", "the ids are exchanged"},
			{"", "invalid", "nothing"},
		},
		"lsn": {
			{"16/B374D848", "ok", "as PostgreSQL prints it"}, {"0/0", "ok", "zero"}, {"FFFFFFFF/FFFFFFFF", "ok", "the greatest"},
			{"16B374D848", "invalid", "no slash"}, {"16/", "invalid", "one number"}, {"1/123456789", "invalid", "nine digits"},
			{"0x1/1", "invalid", "a prefix"}, {"+1/1", "invalid", "a sign"}, {"1/1/1", "invalid", "three numbers"}, {" 1/1", "invalid", "a space"},
			{"1/G", "invalid", "not hexadecimal"}, {"1_0/1", "invalid", "an underscore"},
		},
		"visibility": {
			{"740:750:740,745", "ok", "two in progress"}, {"740:740:", "ok", "none in progress"}, {"1:18446744073709551615:", "ok", "the greatest"},
			{"0:1:", "invalid", "xmin is 0"}, {"750:740:", "invalid", "xmax below xmin"}, {"740:750:739", "invalid", "below xmin"},
			{"740:750:750", "invalid", "not below xmax"}, {"740:750:745,745", "invalid", "twice"}, {"740:750:746,745", "invalid", "descending"},
			{"740:750", "invalid", "two fields"}, {"740:750:,", "invalid", "empty ids"}, {"740:750:0745", "invalid", "a leading zero"},
			{"740:18446744073709551616:", "invalid", "beyond 64 bits"}, {"", "invalid", "nothing"},
		},
	}
	for kind, list := range texts {
		for i, x := range list {
			vs.bytesVector(fmt.Sprintf("%s-%02d", kind, i+1), kind, []byte(x[0]), x[1], x[2])
		}
	}
}
