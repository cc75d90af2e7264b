package instance

import (
	"strings"
	"testing"
)

func TestPricesThatAreWrong(t *testing.T) {
	right := string(pricesFile)
	if _, err := parsePrices([]byte(right)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"no date":       {`"date": "`, `"date": "on `},
		"no source":     {`"source": "`, `"sauce": "`},
		"negative":      {`"b1.nano": `, `"b1.nano": -`},
		"type missing":  {`"b1.nano"`, `"b1.pico"`},
		"type too many": {`"b1.nano"`, `"b1.pico": 1, "b1.nano"`},
		"no JSON":       {`{`, `[`},
	} {
		text := strings.Replace(right, change[0], change[1], 1)
		if text == right {
			t.Fatalf("%s: %q is not in the file", name, change[0])
		}
		if p, err := parsePrices([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "read prices.json: ") {
			t.Errorf("%s: %+v, error %v", name, p, err)
		}
	}
}
