package seed

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestLineEndsChangeNoKey(t *testing.T) {
	t.Parallel()
	hashed := func(content string) string {
		var written strings.Builder
		if err := hashFiles(&written, fstest.MapFS{"sql/1.sql": {Data: []byte(content)}}); err != nil {
			t.Fatal(err)
		}
		return written.String()
	}
	if hashed("SELECT 1;\nSELECT 2;\n") != hashed("SELECT 1;\r\nSELECT 2;\r\n") {
		t.Error("the key depends on line ends")
	}
	if hashed("SELECT 1;\n") == hashed("SELECT 2;\n") {
		t.Error("the key does not depend on the content")
	}
}
