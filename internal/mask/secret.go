package mask

import (
	"encoding/base64"
	"regexp"
	"strings"
)

var (
	// A JSON Web Token (RFC 7519): its first part is base64url of `{"…`. The rest is
	// optional, so that a token cut short is still taken out.
	jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}`)

	// API keys and access tokens of Google, and PEM private keys.
	wellKnown = regexp.MustCompile(`AIza[0-9A-Za-z_-]{30,}|ya29\.[0-9A-Za-z._-]+|` +
		`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)

	// The credentials of RFC 6750 and RFC 7617, wherever they stand.
	scheme = regexp.MustCompile(`(?i)\b(bearer|basic)([ \t]+|%20|\+)([A-Za-z0-9._~+/=%-]+)`)

	// The password in a URL. Database URLs are often written with raw '/' and '@' in
	// the password; for those everything up to the last '@' goes.
	databaseURL = regexp.MustCompile(`(?i)\b((?:postgres(?:ql)?|mysql|redis|rediss|amqps?|mongodb(?:\+srv)?)://[^\s:/@"']*:)[^\s"']*@`)
	userinfo    = regexp.MustCompile(`(://[^\s:/?#@"']*:)[^\s/?#@"']+@`)

	// net/url's complaint about such a URL repeats the start of the password.
	urlPort = regexp.MustCompile(`(invalid port )"[^"\n]*"( after host)`)

	// name=value, name: value, "name":"value" (also escaped inside another string),
	// name:[value] as http.Header prints. Groups: name, separator, value.
	named = regexp.MustCompile(`(?i)(` +
		`(?:password|passwd|pwd|secret|token|api[_-]?key|private[_-]?key|authorization|credentials?)[a-z0-9_-]*` +
		`)(\\*["']?[ \t]*(?:=>|:|=|%3D|%3A)[ \t]*)(` +
		`\\+"[^"\\\n]*(?:\\+")?` +
		`|"(?:[^"\\\n]|\\.)*"?` +
		`|'(?:[^'\\\n]|\\.)*'?` +
		`|\[[^\]\n]*\]?` +
		`|(?:(?:bearer|basic|digest)[ \t]+)?[^\s&"']+` +
		`)`)

	plainWord = regexp.MustCompile(`^[A-Za-z]{1,15}[.,;:)]?$`)
)

func maskSecrets(s string) string {
	s = jwt.ReplaceAllLiteralString(s, Redacted)
	s = wellKnown.ReplaceAllLiteralString(s, Redacted)
	s = databaseURL.ReplaceAllString(s, "${1}"+Redacted+"@")
	s = userinfo.ReplaceAllString(s, "${1}"+Redacted+"@")
	s = urlPort.ReplaceAllString(s, `${1}"`+Redacted+`"${2}`)
	s = replaceGroups(named, s, func(g []string) string {
		name, separator, value := g[1], g[2], g[3]
		if isProse(name, separator, value) {
			return g[0]
		}
		opening, closing := quotes(value)
		return name + separator + opening + Redacted + closing
	})
	return replaceGroups(scheme, s, func(g []string) string {
		if !isCredential(g[1], g[3]) {
			return g[0]
		}
		return g[1] + g[2] + Redacted
	})
}

// isProse keeps "idtoken: audience does not match" readable: after "token:" a
// plain word is far more often the text of an error than a token.
func isProse(name, separator, value string) bool {
	return hasPrefixFold(name, "token") &&
		strings.TrimSpace(separator) == ":" &&
		plainWord.MatchString(value)
}

// quotes returns the quotes around a value, so that what was JSON stays JSON.
func quotes(value string) (opening, closing string) {
	i := strings.IndexAny(value, `"'`)
	if i < 0 || strings.Trim(value[:i], `\`) != "" {
		return "", ""
	}
	quote := value[:i+1]
	if len(value) > len(quote) && strings.HasSuffix(value, quote) {
		return quote, quote
	}
	return quote, ""
}

// isCredential tells "Basic dXNlcjpwYXNz" from "basic authentication" and
// "Bearer s3cret" from "bearer token missing".
func isCredential(scheme, value string) bool {
	if strings.EqualFold(scheme, "basic") {
		decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
		return err == nil && strings.Contains(string(decoded), ":")
	}
	switch strings.ToLower(strings.TrimRight(value, ".")) {
	case "token", "tokens", "auth", "authentication", "authorization", "scheme", "credentials", "realm=", "error=":
		return false
	}
	return true
}

// replaceGroups is regexp.ReplaceAllStringFunc with the submatches.
func replaceGroups(re *regexp.Regexp, s string, replace func(groups []string) string) string {
	matches := re.FindAllStringSubmatchIndex(s, -1)
	if matches == nil {
		return s
	}
	var b strings.Builder
	end := 0
	for _, m := range matches {
		groups := make([]string, len(m)/2)
		for i := range groups {
			if m[2*i] >= 0 {
				groups[i] = s[m[2*i]:m[2*i+1]]
			}
		}
		b.WriteString(s[end:m[0]])
		b.WriteString(replace(groups))
		end = m[1]
	}
	b.WriteString(s[end:])
	return b.String()
}

// Parts of field names, in lower case and without separators.
var (
	phoneNames  = []string{"phone", "tonumber", "fromnumber", "msisdn", "mobile"}
	secretNames = []string{
		"password", "passwd", "secret", "token", "apikey", "privatekey", "authorization",
		"credential", "cookie", "databaseurl", "dsn",
	}
)

var separators = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

// IsPhoneName tells whether a field of this name holds a phone number: to_number,
// lead.phone, X-Phone-Number. Case and separators do not matter.
func IsPhoneName(name string) bool { return nameContains(name, phoneNames) }

// IsSecretName tells whether a field of this name holds a secret: api_key,
// X-Internal-Service-Secret, Authorization. Case and separators do not matter.
func IsSecretName(name string) bool { return nameContains(name, secretNames) }

func nameContains(name string, parts []string) bool {
	name = separators.Replace(strings.ToLower(name))
	for _, part := range parts {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
