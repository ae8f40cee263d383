package stack

import (
	"bytes"
	"testing"
)

func TestLinesOfTwoFunctionsDoNotMix(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	shared := &sharedWriter{w: &log}
	a, b := &output{to: shared}, &output{to: shared}
	for _, step := range []struct {
		o    *output
		text string
	}{{a, `{"a":`}, {b, "{\"b\":1}\n{\"b\":"}, {a, "1}\n"}, {b, "2}\n"}, {a, "cut off"}} {
		if n, err := step.o.Write([]byte(step.text)); n != len(step.text) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", step.text, n, err)
		}
	}
	if err := a.end(); err != nil {
		t.Fatal(err)
	}
	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	if got, want := log.String(), "{\"b\":1}\n{\"a\":1}\n{\"b\":2}\ncut off\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheReasonOfAFailedStartIsItsSentenceOrItsLastLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, printed, want string }{
		{"a function says why", `{"event":"x"}` + "\n" + `{"event":"start_failed","error":"SETTING is missing"}` + "\n", "SETTING is missing"},
		{"something below it crashes", "panic: no\n\ngoroutine 1\n", "panic: no\n\ngoroutine 1"},
		{"only the end counts", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "2\n3\n4\n5\n6\n7\n8\n9"},
		{"silence", "", "it printed nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := &output{to: &bytes.Buffer{}}
			if _, err := o.Write([]byte(c.printed)); err != nil {
				t.Fatal(err)
			}
			if got := o.reason(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
