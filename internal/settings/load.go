// Package settings reads configuration from the environment. It adds to
// go-envconfig what an operator needs when something is wrong: every problem at
// once, each one sentence that names the variable and says what to do, and no
// secret in any of them.
//
// Configuration structs live beside their users. settings knows none of them,
// and refuses to be a place to look settings up while a process runs.
package settings

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
)

// Load fills the struct that target points to, and the structs in it, by their
// env tags. White space around a value is dropped (secrets stored with a trailing
// newline are common and never meant), and a variable that is set but empty counts
// as not set. Required
// variables may carry a help tag, which completes the sentence "set it to …".
//
// A struct that has decoded without a problem and has a method Validate, which
// returns an error or a list of them, is then asked to validate itself, inner
// structs before outer ones.
func Load(ctx context.Context, env envconfig.Lookuper, target any) error {
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("load settings: want a pointer to a struct, got %T", target)
	}
	var problems Problems
	load(ctx, nonEmpty{env}, v.Elem(), &problems)
	return problems.Err()
}

func load(ctx context.Context, env envconfig.Lookuper, v reflect.Value, problems *Problems) {
	before := len(problems.errs)
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, leaf := field.Tag.Lookup("env")
		switch {
		case leaf:
			loadField(ctx, env, field, tag, v.Field(i), problems)
		case field.IsExported() && field.Type.Kind() == reflect.Struct:
			load(ctx, env, v.Field(i), problems)
		}
	}
	if len(problems.errs) == before {
		problems.Join(validate(v)...)
	}
}

// loadField decodes one field as a struct of its own, so that one bad variable
// does not hide the next and the error is known to be this variable's.
func loadField(ctx context.Context, env envconfig.Lookuper, field reflect.StructField, tag string, into reflect.Value, problems *Problems) {
	name, _, _ := strings.Cut(tag, ",")
	if !field.IsExported() || name == "" {
		problems.Join(fmt.Errorf("load settings: field %s has an env tag, but is not exported or names no variable", field.Name))
		return
	}
	if value, ok := env.Lookup(name); ok && isWhole(field.Type) && !wholeNumber.MatchString(value) {
		problems.Add(name, "cannot be read as a whole number: write it in decimal, without zeros in front")
		return
	}
	single := reflect.New(reflect.StructOf([]reflect.StructField{{Name: field.Name, Type: field.Type, Tag: field.Tag}}))
	err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: single.Interface(), Lookuper: env})
	switch {
	case err == nil:
		into.Set(single.Elem().Field(0))
	case errors.Is(err, envconfig.ErrMissingRequired):
		help := field.Tag.Get("help")
		if help == "" {
			problems.Add(name, "is missing: set it")
			return
		}
		problems.Add(name, "is missing: set it to %s", help)
	case describe(field.Type) == "":
		problems.Add(name, "cannot be read: %v", rootCause(err))
	default:
		problems.Add(name, "cannot be read as %s", describe(field.Type))
	}
}

func validate(v reflect.Value) []error {
	switch c := v.Addr().Interface().(type) { // has the methods of value receivers too
	case interface{ Validate() error }:
		return []error{c.Validate()}
	case interface{ Validate() []error }:
		return c.Validate()
	default:
		return nil
	}
}

// wholeNumber is the one way to write a number: go-envconfig takes those of Go's
// source code, where 010 is 8 and 0x10 is 16.
var wholeNumber = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)$`)

func isWhole(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 && t != reflect.TypeFor[time.Duration]()
}

// describe says what a value of this type looks like in the environment.
func describe(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration, as 90s or 24h"
	case t == reflect.TypeFor[time.Time]():
		return "a time of RFC 3339, as 2026-01-31T00:00:00Z"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case isWhole(t):
		return "a whole number"
	case t.Kind() == reflect.Float64:
		return "a number"
	default: // its own UnmarshalText says it, and quotes nothing
		return ""
	}
}

// rootCause drops the Go field names that go-envconfig puts before the cause.
func rootCause(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

// nonEmpty takes an empty variable for one that is not set: deployment tools
// write "" for a value they have not got.
type nonEmpty struct{ env envconfig.Lookuper }

func (n nonEmpty) Lookup(name string) (string, bool) {
	value, ok := n.env.Lookup(name)
	value = strings.TrimSpace(value)
	return value, ok && value != ""
}
