package httpjson

// ReadBodyWithin is ReadBody with another timeout.
var ReadBodyWithin = readBody
