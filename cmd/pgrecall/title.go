package main

import (
	"regexp"
	"strings"
	"unsafe"
)

// secrets are the passwords within connection strings: of a URI, and of keys like password and sslpassword.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?i)postgres(?:ql)?://[^:/?#@]*:(.*)@`),
	regexp.MustCompile(`(?i)password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]*)`),
}

// ownArguments returns a copy of the arguments, and overwrites the passwords in the originals. Those are the memory
// that ps and /proc show to everybody on this machine (the runtime does not copy them), for as long as stream runs.
func ownArguments(originals []string) []string {
	args := make([]string, len(originals))
	for i, original := range originals {
		args[i] = strings.Clone(original)
		if original == "" {
			continue
		}
		memory := unsafe.Slice(unsafe.StringData(original), len(original))
		for _, secret := range secrets {
			for _, m := range secret.FindAllStringSubmatchIndex(args[i], -1) {
				for at := m[2]; at < m[3]; at++ {
					memory[at] = '*'
				}
			}
		}
	}
	return args
}
