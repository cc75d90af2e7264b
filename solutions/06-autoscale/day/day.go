// Package day plays the policy of lab 06's solution on the day of the lab's gain, for the tour.
package day

import (
	"bytebites.example/workshop/labs/06-autoscale/simulate"
	"bytebites.example/workshop/solutions/06-autoscale"
)

// most is how many replicas are enough for the dinner, and run all day without a policy.
const most = 10

// Always plays the day with ten replicas from morning to morning.
func Always() simulate.Played {
	day := simulate.DinnerDay()
	day.Running = most
	return day.Play(simulate.Fixed(most))
}

// ByPolicy plays the same day with the policy of the solution.
func ByPolicy() simulate.Played { return simulate.DinnerDay().Play(scaling.Desired) }
