// Package voiceagent asks LAD's voice agent to start one call, and says what is
// known about that call afterwards.
//
// The voice agent does not deduplicate, so a request sent twice is a lead called
// twice. Everything here serves one promise: a [Client.StartCall] sends at most
// one POST, and its outcome claims that no call was started only when that is
// proven.
//
// A call takes three steps, in this order:
//
//	creds, err := client.Authorize(ctx) // all that can fail without dialling
//	// … commit the claim …
//	result := client.StartCall(ctx, creds, call)
//	// … a little later, if the call was accepted …
//	job := client.Job(ctx, creds, call, result.JobID)
//
// The last one is needed because the voice service accepts a call before it dials:
// the job says later whether it did.
//
// The package does not retry, follow redirects, use a proxy, reuse a connection,
// speak HTTP/2 (whose transport retries by itself), or send credentials in clear
// to another machine. It knows nothing of bookings' states: what an outcome means
// for a row is decided by package followup.
package voiceagent
