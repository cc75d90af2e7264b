// Package measure measures the capacity of a variant of the service. It finds the rate at
// which the variant saturates, and the highest rate that meets the service level objective.
// It measures a rush beyond saturation. It also compares two variants, by rounds in pairs.
// It uses no container and no lab: the caller passes a function that attacks, and one that
// checks the quotas.
//
// Terms:
//
//	goodput            right answers a second, within the attack's window
//	saturation goodput the highest goodput of all levels of a ramp that reached overload
//	overloaded         goodput below 90 % of the offered rate
//	SLO                the service level objective: 99 % right answers and a 95th
//	                   percentile of latency under 200 ms
//	SLO capacity       the highest tried rate that met the SLO and is below all tried
//	                   rates that missed it
//	knee               the range from the SLO capacity to the lowest rate that missed the
//	                   SLO
//	round              one attack, at one rate, on one variant
//	pair               a round of the variant before and one of the variant after
package measure
