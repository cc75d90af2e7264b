// Package measure finds out what a variant of the service can take: the rate at which
// it saturates, the highest rate that still meets the service level objective, and what
// a rush beyond that feels like. And it compares two variants, by rounds in pairs. It
// knows nothing of containers or labs: it is given a function that attacks, and whether
// the quotas were in force.
//
// Terms:
//
//	goodput            right answers a second, within the attack's window
//	saturation goodput the highest goodput of any level of a ramp that went on until the
//	                   service was overloaded
//	overloaded         goodput below 90 % of the offered rate
//	SLO                the service level objective: 99 % right answers and a 95th
//	                   percentile of latency under 200 ms
//	SLO capacity       the highest rate tried that met the SLO, below the lowest that
//	                   did not
//	knee               between those two rates
//	round              one attack, at one rate, on one variant
//	pair               a round of the variant before and one of the variant after
package measure
