package followup

import "slices"

// Resembles reports whether a booking type is none of ours, and at most two
// letters from one that is: folow_up, follow-upp, sceduled call. For a report to
// people alone; nothing is called because of it.
func (r Rules) Resembles(bookingType string) bool {
	kind := Kind(bookingType)
	kinds := r.Kinds()
	return !slices.Contains(kinds, kind) && slices.ContainsFunc(kinds, func(of string) bool {
		return len(of) > 4 && distance(kind, of) <= 2
	})
}

// distance is how many letters have to be put in, taken out or changed to make one
// of the other (Levenshtein's distance, in bytes).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
