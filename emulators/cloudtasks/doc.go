// Package cloudtasks is a local Cloud Tasks: the v2 gRPC API, held in memory, that the real client
// library talks to unchanged and that pushes HTTP tasks over real HTTP with a signed OIDC token.
//
// It exists so that code written for Cloud Tasks meets, on a developer's machine and in tests, what
// it will meet in production, the unpleasant parts included: names that stay blocked after their
// task is gone, tasks given up on without a word, a queue that slows down after a 429, deliveries
// that come twice, workers cut off at the dispatch deadline. The comments of the v2 protocol buffers
// are its specification; conformance_test.go quotes the sentence behind each behaviour and proves it
// through the real client.
//
// # Where the specification leaves room
//
//   - Task ids are released after "up to 24 hours"; here after exactly 24 hours, the worst case.
//   - max_attempts and max_retry_duration: a limit that is switched off (-1 and 0) does not count. If
//     both are set, both must be spent; if neither is, the task lives until it is 31 days old.
//   - The size of the slow-down after 429 and 503 is not documented. Here the queue holds back for one
//     second, doubling with each such answer up to a minute, or for as long as Retry-After says if that
//     is longer; it then tries one task at a time, that far apart, until one of them gets a 2xx.
//   - Retry-After counts with every failed answer for the task itself, and with 429 and 503 for the queue.
//   - Redirects "may be followed"; here they are not, and a 3xx is a failed attempt like any other.
//   - A body without a Content-Type is sent as application/octet-stream. The proto comment says that
//     none is set; a worker that insists on a type then meets the least convenient one.
//   - min_backoff is truncated to whole seconds, except for the service's own default of 0.1 s.
//
// # What it refuses to do
//
// It keeps nothing on disk and checks no caller's identity. App Engine targets, OAuth tokens, IAM
// methods, batch methods and CMEK answer UNIMPLEMENTED. The slow ramp-up of an idle queue, the
// slow-down at a high rate of other errors, and the INACTIVE state after 30 idle days are not
// imitated: their size is not documented, and an invented one would teach the wrong thing.
package cloudtasks
