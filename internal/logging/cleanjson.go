package logging

import (
	"encoding/json"
	"fmt"

	"lad.internal/followup/internal/mask"
)

// jsonCleaner copies one JSON value from dec to dst and masks it on the way: every
// text, every name, whole values behind names of secrets.
type jsonCleaner struct {
	*cleaner
	dec *json.Decoder
	dst []byte
	err error
}

// value copies the next value; name is that of the field it belongs to.
func (w *jsonCleaner) value(name string) error {
	token, err := w.dec.Token()
	if err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	switch t := token.(type) {
	case json.Delim:
		return w.composite(t, name)
	case string:
		w.dst = appendString(w.dst, w.named(name, t))
	case json.Number:
		if literal := t.String(); mask.IsPhoneName(name) || isPhoneLiteral(literal) {
			w.dst = appendString(w.dst, mask.Phone(literal))
		} else {
			w.dst = append(w.dst, literal...)
		}
	case bool:
		w.dst = fmt.Appendf(w.dst, "%t", t)
	default:
		w.dst = append(w.dst, "null"...)
	}
	return nil
}

// composite copies an object or, with the array's own name for each element, an
// array.
func (w *jsonCleaner) composite(opening json.Delim, name string) error {
	w.dst = append(w.dst, byte(opening))
	for first := true; w.dec.More(); first = false {
		if !first {
			w.dst = append(w.dst, ',')
		}
		if opening == '{' {
			field, err := w.dec.Token()
			if err != nil {
				return fmt.Errorf("read JSON: %w", err)
			}
			name, _ = field.(string)
			w.dst = append(appendString(w.dst, w.text(name)), ':')
		}
		if err := w.member(name); err != nil {
			return err
		}
	}
	if _, err := w.dec.Token(); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	w.dst = append(w.dst, byte(opening)+2) // '{'+2 is '}', '['+2 is ']'
	return nil
}

func (w *jsonCleaner) member(name string) error {
	if !mask.IsSecretName(name) {
		return w.value(name)
	}
	var skipped json.RawMessage
	if err := w.dec.Decode(&skipped); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	w.dst = appendString(w.dst, mask.Redacted)
	return nil
}
