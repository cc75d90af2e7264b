package simulate

import "time"

// Point is an hour of the day, and the load at that hour in requests a second.
type Point [2]float64

// Curve returns the load that the points give, with straight lines between them. The points are
// sorted by hour.
func Curve(points ...Point) func(time.Duration) float64 {
	return func(since time.Duration) float64 {
		hour := since.Hours()
		for i := 1; i < len(points); i++ {
			if a, b := points[i-1], points[i]; hour < b[0] {
				return a[1] + (b[1]-a[1])*max(0, hour-a[0])/(b[0]-a[0])
			}
		}
		return points[len(points)-1][1]
	}
}

// DinnerDay is a day of ByteBites: low at night, a little at noon, a rise until 17:00, a plateau until
// 19:00 and a fall. It begins with 5 replicas of 100 requests a second each. Ten replicas are at 56 %
// on the plateau.
func DinnerDay() Scene {
	return Scene{
		Begin: time.Date(2026, time.May, 7, 0, 0, 0, 0, time.UTC), Length: 24 * time.Hour, Every: 30 * time.Second,
		Load: Curve(Point{0, 80}, Point{6, 80}, Point{9, 150}, Point{12, 200}, Point{14, 150}, Point{15.5, 150},
			Point{17, 560}, Point{19, 560}, Point{21, 150}, Point{23, 80}),
		Capacity: 100, Running: 5, StartTime: 2 * time.Minute, Noise: 0.03, Seed: 19,
	}
}
