package instance

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

//go:embed prices.json
var pricesFile []byte

// Prices is the content of prices.json, the one place to edit a price.
type Prices struct {
	Date           string             `json:"date"`   // when the prices were taken, such as 2026-11-30
	Source         string             `json:"source"` // where they are from
	DollarsPerHour map[string]float64 `json:"dollars_per_hour"`
}

// CurrentPrices returns the prices of all types. The error names the first mistake in the file.
func CurrentPrices() (Prices, error) { return parsePrices(pricesFile) }

func parsePrices(text []byte) (Prices, error) {
	var p Prices
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return Prices{}, fmt.Errorf("read prices.json: %w", err)
	}
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil || p.Source == "" {
		return Prices{}, fmt.Errorf("read prices.json: date %q or source %q is missing or wrong", p.Date, p.Source)
	}
	for _, t := range sizes() {
		if p.DollarsPerHour[t.Name] <= 0 {
			return Prices{}, fmt.Errorf("read prices.json: %s has no price", t.Name)
		}
	}
	if known := len(sizes()); len(p.DollarsPerHour) != known {
		return Prices{}, fmt.Errorf("read prices.json: it has %d prices, and there are %d types", len(p.DollarsPerHour), known)
	}
	return p, nil
}

// microsOf returns a price in millionths of a dollar.
func microsOf(dollars float64) int64 {
	const micros = 1e6
	return int64(math.Round(dollars * micros))
}
