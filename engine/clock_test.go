package engine

import (
	"errors"
	"testing"
	"time"
)

// nowForTest is the moment that relative times count from in tests.
func nowForTest() time.Time { return time.Date(2024, 12, 24, 15, 0, 0, 0, time.UTC) }

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2024-12-24 14:30:00":               "2024-12-24T13:30:00Z",
		"2024-12-24 14:30":                  "2024-12-24T13:30:00Z",
		"2024-12-24":                        "2024-12-23T23:00:00Z",
		"2024-12-24 14:30:00.123456":        "2024-12-24T13:30:00.123456Z",
		"2024-12-24 14:30:00+00":            "2024-12-24T14:30:00Z",
		"2024-12-24 14:30:00.5+00":          "2024-12-24T14:30:00.5Z",
		"2024-12-24 14:30:00 +0530":         "2024-12-24T09:00:00Z",
		"2024-12-24 14:30:00-08:00":         "2024-12-24T22:30:00Z",
		"2024-12-24T14:30:00Z":              "2024-12-24T14:30:00Z",
		"2024-12-24T14:30:00.25-02:00":      "2024-12-24T16:30:00.25Z",
		"2024-12-24 14:30:00 UTC":           "2024-12-24T14:30:00Z",
		"2024-12-24 14:30:00 Asia/Tokyo":    "2024-12-24T05:30:00Z",
		"10m ago":                           "2024-12-24T14:50:00Z",
		"1h30m ago":                         "2024-12-24T13:30:00Z",
		"2 days ago":                        "2024-12-22T15:00:00Z",
		"90 seconds ago":                    "2024-12-24T14:58:30Z",
		"now":                               "2024-12-24T15:00:00Z",
		"2024-10-27 01:59:59":               "2024-10-26T23:59:59Z", // just before the repeated hour
		"2024-10-27 03:00:00":               "2024-10-27T02:00:00Z", // just after it
		"2024-10-27 02:30:00+02":            "2024-10-27T00:30:00Z",
		"2024-03-31 03:00:00":               "2024-03-31T01:00:00Z", // just after the skipped hour
		"2024-12-24 14:30:00 Europe/Berlin": "2024-12-24T13:30:00Z",
	} {
		got, err := ParseTime(text, nowForTest(), berlin)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if s := got.UTC().Format(time.RFC3339Nano); s != want {
			t.Errorf("%q: %s, want %s", text, s, want)
		}
	}
	for _, text := range []string{
		"", "yesterday", "2024-13-01", "2024-12-24 25:00:00", "24.12.2024", "10 ago", "5 lightyears ago", "14:30",
		"2024-10-27 02:30:00", "2024-10-27 02:00:00", // shown twice
		"2024-03-31 02:00:00", "2024-03-31 02:59:59.9", // skipped
		"2024-12-24 14:30:00 CET", "2024-12-24 14:30:00 Mars/Olympus", "2024-12-24 14:30:00+99",
	} {
		if got, err := ParseTime(text, nowForTest(), berlin); !errors.Is(err, ErrUsage) {
			t.Errorf("%q: %v, %v; want ErrUsage", text, got, err)
		}
	}
}

func TestTwoTargetsAreRefused(t *testing.T) {
	if _, err := ParseTarget(TargetFlags{LSN: "0/1", Mark: "x"}, nowForTest(), time.UTC); !errors.Is(err, ErrUsage) {
		t.Errorf("got %v", err)
	}
	got, err := ParseTarget(TargetFlags{}, nowForTest(), time.UTC)
	if err != nil || got != (Target{}) {
		t.Errorf("none: %v, %v", got, err)
	}
}
