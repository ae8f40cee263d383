package execute

import "lad.internal/followup/pkg/voiceagent"

// OpenCanary is what the function opens its canary with.
var OpenCanary = openCanary

// CanaryAgent is how the stub is reached.
func CanaryAgent(c CanaryConfig, of voiceagent.Config) voiceagent.Config { return c.agent(of) }
