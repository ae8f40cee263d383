package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	isc = `ISC License

Copyright (c) 2026 Somebody

Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES
WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR
ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF
OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`
	wtfpl = `            DO WHAT THE FUCK YOU WANT TO PUBLIC LICENSE
                    Version 2, December 2004

 Copyright (C) 2004 Sam Hocevar <sam@hocevar.net>

 Everyone is permitted to copy and distribute verbatim or modified
 copies of this license document, and changing it is allowed as long
 as the name is changed.

            DO WHAT THE FUCK YOU WANT TO PUBLIC LICENSE
   TERMS AND CONDITIONS FOR COPYING, DISTRIBUTION AND MODIFICATION

  0. You just DO WHAT THE FUCK YOU WANT TO.
`
)

func TestAModuleIsJudgedByItsLicenceFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
		wrong string // in the error
	}{
		"an accepted one":           {files: map[string]string{"LICENSE.md": isc, "licence.go": "package x"}, want: []string{"ISC"}},
		"one in British spelling":   {files: map[string]string{"Licence": isc}, want: []string{"ISC"}},
		"one that is not accepted":  {files: map[string]string{"LICENSE": wtfpl}, wrong: "is not an accepted one"},
		"an accepted one and not":   {files: map[string]string{"LICENSE": isc, "COPYING": wtfpl}, wrong: "is not an accepted one"},
		"a text of somebody's own":  {files: map[string]string{"LICENSE": "You may use this on Sundays."}, wrong: "no licence that is known"},
		"nothing":                   {files: map[string]string{"README": isc}, wrong: "no licence file"},
		"an accepted one, and more": {files: map[string]string{"LICENSE": isc, "LICENSE-2": "all rights reserved"}, wrong: "LICENSE-2 is no licence"},
	} {
		m := module{Path: "example.com/m", Version: "v1.0.0", Dir: t.TempDir()}
		for file, text := range c.files {
			if err := os.WriteFile(filepath.Join(m.Dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := m.judge()
		switch {
		case c.wrong == "" && (err != nil || !slices.Equal(m.licences, c.want)):
			t.Errorf("%s: %v, %v, want %v", name, m.licences, err, c.want)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s: %v, want an error with %q", name, err, c.wrong)
		}
	}
}

func TestAReplacedModuleIsNotWhatGoModNames(t *testing.T) {
	t.Parallel()
	m := module{Path: "example.com/m", Replace: &struct{ Path, Version string }{Path: "../m"}}
	if err := m.judge(); err == nil || !strings.Contains(err.Error(), "../m") {
		t.Errorf("it is judged: %v", err)
	}
}
