// Package voiceagent asks LAD's voice agent to start one call, and says what is
// known about that call afterwards.
//
// The voice agent does not deduplicate, so a request sent twice is a lead called
// twice. Everything here serves one promise: a [Client.StartCall] sends at most
// one POST, and its [Outcome] claims that no call was started only when that is
// proven.
//
// A call takes two steps, in this order:
//
//	creds, err := client.Authorize(ctx) // all that can fail without dialling
//	// … commit the claim …
//	result := client.StartCall(ctx, creds, call)
//
// The package refuses to retry, to follow redirects, to use a proxy, to reuse a
// connection, to speak HTTP/2 (whose transport retries by itself), and to send
// credentials in clear to another machine. It knows nothing of bookings' states:
// what an outcome means for a row is decided elsewhere.
package voiceagent
