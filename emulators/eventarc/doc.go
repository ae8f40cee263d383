// Package eventarc stands in for Pub/Sub and the Eventarc trigger of the function ScheduleFollowUp,
// and for the Cloud Scheduler job that ticks its sweep.
//
// Messages travel over the wire: the real Pub/Sub client publishes to, and pulls from, the fake
// server of cloud.google.com/go/pubsub/v2/pstest. Each message is then POSTed to the function as
// Eventarc does it (https://cloud.google.com/eventarc/docs/cloudevents), until the function
// acknowledges it: at least once, in no order, with exponential backoff.
//
// The backoff is the bus's own. pstest redelivers a nacked message at once, whatever the
// subscription's retry policy, and forgets it ten minutes after it was published; so the bus keeps a
// failed message's lease until it is delivered or its retention has passed. The function cannot tell
// the difference.
//
// Faults that the service only shows now and then (duplicates, overtaking, lost answers) and one
// that it never shows (loss) can be switched on with Options.Chaos, repeatably.
//
// The package signs no tokens, keeps nothing across a restart, and is for one topic with one trigger.
package eventarc
