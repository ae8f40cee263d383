package schedule

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	m.Run()
	os.Exit(1) // a goroutine is left, say
}

func TestLeaving(t *testing.T) {} // want #3
