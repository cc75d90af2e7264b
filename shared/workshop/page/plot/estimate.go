package plot

// Estimate is a ratio with its interval. Of a count, which has no noise, all three are equal.
type Estimate struct {
	Name             string // tells estimates of one picture apart; may be empty for a single one
	Low, Value, High float64
}
