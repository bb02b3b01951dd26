package majors

import (
	"slices"
	"testing"
)

func TestTheReportOfPgRegressIsReadInBothItsForms(t *testing.T) {
	for name, out := range map[string]string{
		"15": `============== running regression test queries        ==============
test tablespace                   ... ok         1311 ms
parallel group (2 tests):  char boolean
     boolean                      ... FAILED       90 ms
     char                         ... ok           64 ms
========================
 1 of 3 tests failed. 
`,
		"16": `# using postmaster on 127.0.0.1, port 5432
ok 1         - test_setup                                400 ms
# parallel group (2 tests):  char boolean
not ok 2     + boolean                                   132 ms
ok 3         + char                                       73 ms
1..3
# 1 of 3 tests failed.
`,
	} {
		got := readTests(out)
		if got.Run != 3 || !slices.Equal(got.Failed, []string{"boolean"}) {
			t.Errorf("%s: read %+v", name, got)
		}
	}
}

func TestTheMirrorIsDebiansOwnAndNotThatOfItsSecurityUpdates(t *testing.T) {
	got, err := mirrorOf(`'http://mirror.test/debian-security/dists/bookworm-security/InRelease' mirror.test_InRelease 0 
'https://tools.test/apt/dists/stable/InRelease' tools.test_InRelease 0 
'http://mirror.test/debian/dists/bookworm/InRelease' mirror.test_debian_InRelease 0 
`)
	if err != nil || got != "http://mirror.test/debian" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := mirrorOf(`'https://tools.test/apt/dists/stable/InRelease' tools.test_InRelease 0 `); err == nil {
		t.Errorf("got %q where there is none", got)
	}
}

func TestEverySupportedMajorCanBeHadAndTheNewestWithItsClients(t *testing.T) {
	for _, major := range Supported() {
		if suites()[major] == "" && npmVersions()[major] == "" {
			t.Errorf("PostgreSQL %d cannot be fetched", major)
		}
	}
	if all := WithDebian(); all[len(all)-1] != Newest {
		t.Errorf("the newest pg_dump is that of %v", all)
	}
}
