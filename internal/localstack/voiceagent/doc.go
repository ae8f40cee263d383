// Package voiceagent is a stand-in for LAD's voice agent, for the local stack and
// for tests.
//
// It speaks two contracts on one server: that of LAD's backend
// (/api/voice-agent/calls/…) and that of the voice service behind it (/calls/…).
// A call is accepted before it is dispatched; its job says later what became of
// it. The stand-in holds the backend's contract more strictly than LAD does (an
// unknown field is a 400), keeps a book of every call, and can be told to
// misbehave. It does not deduplicate unless told to, since LAD does not.
//
// Its control endpoint has no authentication and its book lives in memory: it is
// a local tool and nothing else.
package voiceagent
