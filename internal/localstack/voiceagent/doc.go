// Package voiceagent is a stand-in for LAD's voice agent, for the local stack and
// for tests.
//
// It holds LAD's contract of POST …/calls/start-call more strictly than LAD does
// (an unknown field or a wrongly typed one is a 400), answers in LAD's shape, keeps
// a book of every call it "dialled", and can be told to misbehave. It does not
// deduplicate unless told to, since LAD does not.
//
// Its control endpoint has no authentication and its book lives in memory: it
// refuses to be anything but a local tool.
package voiceagent
