package compare

import "strings"

// units are the units that can be converted, by quantity, with their size in the first of them.
var units = []map[string]float64{
	{"s": 1, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9, "min": 60},
	{"B": 1, "bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
	{"1": 1, "%": 1e-2},
}

// factor returns the factor that converts a value from one unit to another. Of a rate only the first
// part converts: "MB/s" becomes "kB/s", and the time must be the same.
func factor(from, to string) (float64, bool) {
	if from == to {
		return 1, true
	}
	count, per, rate := strings.Cut(from, "/")
	countTo, perTo, rateTo := strings.Cut(to, "/")
	if rate != rateTo || per != perTo {
		return 0, false
	}
	for _, quantity := range units {
		a, okA := quantity[count]
		b, okB := quantity[countTo]
		if okA && okB {
			return a / b, true
		}
	}
	return 0, false
}
