package eventarc

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Fate is what happens to one try of one message. The zero value is a try without faults.
type Fate struct {
	// Drop loses the message for good, untried. Pub/Sub does not do this; a publisher that dies
	// between its COMMIT and its publish does.
	Drop bool
	// Delay holds the try back, so that later messages overtake it.
	Delay time.Duration
	// Duplicates is how many more copies are posted at the same time.
	Duplicates int
	// LoseAnswer posts the message and then forgets the answer, so that it comes again.
	LoseAnswer bool
}

// Shares are the probabilities, 0 to 1, of the faults of a try. The faults are independent of each
// other, but a dropped message has no other.
type Shares struct {
	Drop, Duplicate, Delay, LoseAnswer float64
	// MaxDelay bounds the delays, which are spread evenly.
	MaxDelay time.Duration
}

// Seeded decides fates by the shares. A fate depends on the seed, the message id and the attempt
// alone, so neither timing nor the order of delivery changes it.
func Seeded(seed uint64, shares Shares) func(messageID string, attempt int) Fate {
	return func(messageID string, attempt int) Fate {
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%s/%d", messageID, attempt) // a hash never fails to write
		dice := rand.New(rand.NewPCG(seed, h.Sum64()))
		// All are thrown, so that changing one share does not change another fault's messages.
		drop, duplicate := dice.Float64() < shares.Drop, dice.Float64() < shares.Duplicate
		delay, answer, part := dice.Float64() < shares.Delay, dice.Float64() < shares.LoseAnswer, dice.Float64()
		fate := Fate{LoseAnswer: answer}
		if drop {
			return Fate{Drop: true}
		}
		if duplicate {
			fate.Duplicates = 1
		}
		if delay {
			fate.Delay = time.Duration(part * float64(shares.MaxDelay))
		}
		return fate
	}
}
