package postgres

import (
	"testing"
	"testing/fstest"
)

func TestLineEndsChangeNoKey(t *testing.T) {
	t.Parallel()
	key := func(content string) string { return keyOf(fstest.MapFS{"a/1.sql": {Data: []byte(content)}}) }
	if key("SELECT 1;\nSELECT 2;\n") != key("SELECT 1;\r\nSELECT 2;\r\n") {
		t.Error("the key depends on line ends")
	}
	if key("SELECT 1;\n") == key("SELECT 2;\n") {
		t.Error("the key does not depend on the content")
	}
}
