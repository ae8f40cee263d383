package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lad.internal/followup/internal/localstack/stack/stacktest"
)

func TestDevWritesTracesIntoTheFileThatItIsGiven(t *testing.T) {
	t.Parallel()
	dir := stacktest.TempDir(t)
	// A relative name is one of this process's folder, wherever the functions run.
	d := startDev(t, launch{args: []string{"--trace-file", "spans.jsonl"}, workDir: dir})
	user := d.user(0)
	user.Await(t, user.Book(t, time.Now(), nil), "executed")
	names := map[string]bool{}
	for deadline := time.Now().Add(stacktest.Patience); !names["execute task"]; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the file holds the spans %v", names)
		}
		text, err := os.ReadFile(filepath.Join(dir, "spans.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) { // without one that is being written
			var span struct{ Name string }
			if err := json.Unmarshal(line, &span); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			names[span.Name] = true
		}
	}
	if !names["schedule event"] || !names["start-call"] {
		t.Errorf("the file holds the spans %v", names)
	}
}
