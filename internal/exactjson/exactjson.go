// Package exactjson reads a JSON object so that there is only one way to read
// it: two programs that see the same body must not see two tenants in it.
//
// encoding/json takes the last of two equal names, takes tenantId, TENANTID and
// tenantid for one name, and replaces bytes that are no UTF-8. RFC 8259 (sections
// 4 and 8.1) leaves the first to the reader and forbids the last. This package
// refuses all three, and refuses to quote anything of what it reads in an error.
package exactjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Unmarshal reads one JSON object, and nothing beside it, into the struct that v
// points to. A field takes the value of exactly the name in its json tag; other
// names are ignored. A name that appears twice is refused, whether or not a field
// takes it; the objects within are not looked at. A null leaves a field as it is.
//
// An error says what is wrong and where, by the name of the field or by the
// offset, and quotes nothing of data.
func Unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	values, err := object(data)
	if err != nil {
		return err
	}
	into := reflect.ValueOf(v).Elem()
	for i := range into.NumField() {
		name, _, _ := strings.Cut(into.Type().Field(i).Tag.Get("json"), ",")
		value, ok := values[name]
		if !ok || name == "" {
			continue
		}
		err := json.Unmarshal(value, into.Field(i).Addr().Interface())
		var mismatch *json.UnmarshalTypeError
		switch {
		case errors.As(err, &mismatch):
			return fmt.Errorf("%s: cannot be %s", name, kind(value))
		case err != nil:
			return fmt.Errorf("%s: unreadable", name)
		}
	}
	return nil
}

// object is the object's values by name.
func object(data []byte) (map[string]json.RawMessage, error) {
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("syntax error at byte %d", syntax.Offset)
		}
		return nil, errors.New("unreadable")
	}
	dec := json.NewDecoder(bytes.NewReader(whole))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("want an object, got %s", kind(whole))
	}
	values := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errors.New("unreadable")
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("a name appears twice before byte %d", dec.InputOffset())
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("unreadable")
		}
		values[name] = value
	}
	return values, nil
}

// kind names the type of a JSON value.
func kind(value json.RawMessage) string {
	value = bytes.TrimLeft(value, " \t\r\n")
	switch {
	case len(value) == 0:
		return "nothing"
	case value[0] == '{':
		return "object"
	case value[0] == '[':
		return "array"
	case value[0] == '"':
		return "string"
	case value[0] == 't', value[0] == 'f':
		return "bool"
	case value[0] == 'n':
		return "null"
	default:
		return "number"
	}
}
