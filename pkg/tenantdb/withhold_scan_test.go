package tenantdb

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestAValueThatCannotBeReadIsNotQuoted(t *testing.T) {
	t.Parallel()
	cause := errors.New(`strconv.ParseInt: parsing "Zebulon": invalid syntax`)
	err := withhold(fmt.Errorf("read booking: %w", pgx.ScanArgError{ColumnIndex: 3, FieldName: "attempts", Err: cause}))
	if text := err.Error(); strings.Contains(text, "Zebulon") || !strings.Contains(text, "read booking: ") || !strings.Contains(text, "attempts") || !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if other := errors.New("Zebulon is no business of PostgreSQL's"); !errors.Is(withhold(other), other) || withhold(other).Error() != other.Error() {
		t.Error("another error was changed")
	}
}
