package settings

import (
	"errors"
	"fmt"
)

// Problems collects what is wrong with a configuration, so that whoever sets it
// up sees everything at once. Its zero value is ready for use.
type Problems struct{ errs []error }

// Add notes a problem with the environment variable name. The sentence, which
// follows the name, says what is wrong and what to do. It never quotes a text that
// was set: a wrong URL may have a password in it, and people paste the wrong thing.
func (p *Problems) Add(name, sentence string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s %s", name, fmt.Sprintf(sentence, args...)))
}

// Unless is Add if ok is false.
func (p *Problems) Unless(ok bool, name, sentence string, args ...any) {
	if !ok {
		p.Add(name, sentence, args...)
	}
}

// Join takes over errors that are complete sentences already, nil ones left out.
func (p *Problems) Join(errs ...error) {
	for _, err := range errs {
		if err != nil {
			p.errs = append(p.errs, err)
		}
	}
}

// Err is nil without problems, and otherwise has one sentence a line.
func (p *Problems) Err() error { return errors.Join(p.errs...) }
