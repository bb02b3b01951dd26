package engine

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// wallForms are the forms of a date with a time of day, without zone. Go accepts a fraction after the seconds of each.
var wallForms = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

var (
	offsetForm = regexp.MustCompile(`^(.*\d)\s*([+-])(\d{2})(?::?(\d{2}))?(?::?(\d{2}))?$`)
	zoneForm   = regexp.MustCompile(`^(.*\d)\s*([A-Za-z][A-Za-z0-9_+/-]*)$`)
	agoForm    = regexp.MustCompile(`^((?:\s*\d+(?:\.\d+)?\s*[a-z]+)+)\s+ago$`)
	agoTerm    = regexp.MustCompile(`(\d+(?:\.\d+)?)\s*([a-z]+)`)
)

// ParseTime reads a point in time as people and psql write it: "2024-12-24 14:30:00" in the zone local, or with
// a zone ("+00", "+02:00", "Z", "UTC", "Europe/Berlin"), RFC 3339, a bare date (its midnight), fractions of a
// second to the microsecond, "now", and spans like "10m ago", "1h30m ago" or "2 days ago", counted from now. A
// local time that daylight saving repeats or skips is an ErrUsage, as is anything else.
func ParseTime(text string, now time.Time, local *time.Location) (time.Time, error) {
	s := strings.TrimSpace(text)
	if s == "now" {
		return now, nil
	}
	if m := agoForm.FindStringSubmatch(s); m != nil {
		span, err := parseSpan(m[1])
		if err != nil {
			return time.Time{}, usagef("time %q: %w", text, err)
		}
		return now.Add(-span), nil
	}
	// The T of RFC 3339 may be a blank to people.
	if len(s) > 10 && (s[10] == 'T' || s[10] == 't') {
		s = s[:10] + " " + s[11:]
	}
	wall, zone, err := splitZone(s, local)
	if err != nil {
		return time.Time{}, usagef("time %q: %w", text, err)
	}
	for _, form := range wallForms {
		parsed, err := time.Parse(form, wall)
		if err != nil {
			continue
		}
		t, err := unique(parsed, zone)
		if err != nil {
			return time.Time{}, usagef("time %q: %w", text, err)
		}
		return t, nil
	}
	return time.Time{}, usagef("time %q: not understood; write it like 2024-12-24 14:30:00, 2024-12-24T14:30:00Z or \"10m ago\"", text)
}

// splitZone takes the zone off the end of s.
func splitZone(s string, local *time.Location) (string, *time.Location, error) {
	if len(s) <= 10 {
		return s, local, nil // a bare date: its last "-24" is no offset
	}
	if m := offsetForm.FindStringSubmatch(s); m != nil && len(m[1]) > 10 {
		h, _ := strconv.Atoi(m[3])
		min, _ := strconv.Atoi("0" + m[4])
		sec, _ := strconv.Atoi("0" + m[5])
		if h > 15 || min > 59 || sec > 59 {
			return "", nil, fmt.Errorf("no zone is %s%s away from UTC", m[2], s[len(m[1])+1:])
		}
		offset := h*3600 + min*60 + sec
		if m[2] == "-" {
			offset = -offset
		}
		return strings.TrimSpace(m[1]), time.FixedZone("", offset), nil
	}
	m := zoneForm.FindStringSubmatch(s)
	if m == nil {
		return s, local, nil
	}
	switch strings.ToUpper(m[2]) {
	case "Z", "UTC", "GMT":
		return m[1], time.UTC, nil
	}
	if !strings.Contains(m[2], "/") {
		// "CET" and its like name several zones of the world, and not their summer time.
		return "", nil, fmt.Errorf("zone %q is ambiguous; write an offset like +01 or a name like Europe/Berlin", m[2])
	}
	zone, err := time.LoadLocation(m[2])
	if err != nil {
		return "", nil, fmt.Errorf("zone %q is not known here; write an offset like +01", m[2])
	}
	return m[1], zone, nil
}

// unique returns the one instant at which clocks in zone show wall, and an error where there are none or two.
func unique(wall time.Time, zone *time.Location) (time.Time, error) {
	at := func(offset int) (time.Time, bool) {
		t := time.Unix(wall.Unix()-int64(offset), int64(wall.Nanosecond())).In(zone)
		_, got := t.Zone()
		return t, got == offset
	}
	guess := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	_, here := guess.Zone()
	offsets := []int{here}
	start, end := guess.ZoneBounds()
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		offsets = append(offsets, before)
	}
	if !end.IsZero() {
		_, after := end.Zone()
		offsets = append(offsets, after)
	}
	var found []time.Time
	for _, offset := range offsets {
		t, ok := at(offset)
		if ok && (len(found) == 0 || !found[0].Equal(t)) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return time.Time{}, fmt.Errorf("clocks in %s skip this time (daylight saving begins); write it with an offset, like +00", zone)
	case 1:
		return found[0], nil
	}
	return time.Time{}, fmt.Errorf("clocks in %s show this time twice (daylight saving ends); write it with an offset: %s or %s",
		zone, found[0].Format("2006-01-02 15:04:05.999999-07:00"), found[1].Format("2006-01-02 15:04:05.999999-07:00"))
}

// parseSpan reads "10m", "1h30m", "2 days" and their like; a day is 24 hours.
func parseSpan(s string) (time.Duration, error) {
	var total float64
	for _, m := range agoTerm.FindAllStringSubmatch(s, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		var unit time.Duration
		switch m[2] {
		case "s", "sec", "secs", "second", "seconds":
			unit = time.Second
		case "m", "min", "mins", "minute", "minutes":
			unit = time.Minute
		case "h", "hour", "hours":
			unit = time.Hour
		case "d", "day", "days":
			unit = 24 * time.Hour
		case "w", "week", "weeks":
			unit = 7 * 24 * time.Hour
		default:
			return 0, fmt.Errorf("unit %q: use s, m, h, d or w", m[2])
		}
		total += n * float64(unit)
	}
	if total > float64(1<<62) {
		return 0, fmt.Errorf("the span is too long")
	}
	return time.Duration(total), nil
}
