// Package majors brings PostgreSQL's programs of every supported major version to this machine, side by side.
//
// Two ways, neither of which touches what is installed. Debian's packages are fetched from the machine's own mirror
// into a folder of the cache and unpacked there, with the libraries they need, of whatever release; each program is wrapped so
// that it runs with those libraries and their own dynamic loader, without root and without chroot. They have everything: client
// programs, all contrib extensions, ICU, LLVM, lz4, zstd, headers and, as source packages, the regression tests. Majors
// that no release of Debian has come from npm: the server's programs alone.
package majors
