package execute

import "testing"

func TestOnce(t *testing.T) {}

func TestFailing(t *testing.T) { t.Error("two calls") } // want #3

func TestSkipped(t *testing.T) { t.Skip("not today") } // want #3

func TestSkippedInPart(t *testing.T) { // want #3
	t.Run("one", func(t *testing.T) {})
	t.Run("two", func(t *testing.T) { t.Skip("not today") })
}
