package httpjson_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"lad.internal/followup/internal/httpjson"
)

func TestAProblemIsJSONWithTheHeadersOfItsStatus(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		problem httpjson.Problem
		header  string
		want    string
	}{
		{httpjson.Problem{Status: 405, Code: "method_not_allowed", Message: "send a POST"}, "Allow", "POST"},
		{httpjson.Problem{Status: 401, Code: "unauthenticated", Message: "no token"}, "Www-Authenticate", "Bearer"},
		{httpjson.Problem{Status: 403, Code: "forbidden", Message: "no"}, "Www-Authenticate", ""},
	} {
		w := httptest.NewRecorder()
		tc.problem.Write(w)
		want := `{"error":{"code":"` + tc.problem.Code + `","message":"` + tc.problem.Message + `"}}` + "\n"
		if w.Code != tc.problem.Status || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" || w.Header().Get(tc.header) != tc.want {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	}
}

func TestAnAnswerHasItsLength(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	httpjson.Write(w, http.StatusOK, map[string]string{"result": "ü"})
	if got := w.Header().Get("Content-Length"); got != "16" || w.Body.Len() != 16 {
		t.Errorf("length %s of %q", got, w.Body)
	}
}

func TestWhatCannotBeWrittenAsJSONIsAnError(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	httpjson.Write(w, http.StatusOK, func() {})
	if w.Code != 500 || w.Body.String() != `{"error":{"code":"internal","message":"the answer could not be written"}}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
