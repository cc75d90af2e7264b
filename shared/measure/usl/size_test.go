package usl

import (
	"math"
	"strings"
	"testing"
)

var sizes = []Size{{"nano", 1, 5.2}, {"micro", 2.5, 13}, {"small", 5, 26}, {"medium", 10, 52}}

func TestPaying(t *testing.T) {
	tests := []struct {
		name  string
		curve Curve
		least float64
		want  string
	}{
		{"linear", Curve{Lambda: 10}, 0.9, "medium"},
		{"a ceiling", Curve{Lambda: 10, Sigma: 1}, 0.1, "nano"},
		// X is 10, 20, 30, 40: the steps yield 2/3, 1/2 and 1/3.
		{"Amdahl, asked for 60 %", Curve{Lambda: 10, Sigma: 1.0 / 6}, 0.6, "micro"},
		{"Amdahl, asked for 40 %", Curve{Lambda: 10, Sigma: 1.0 / 6}, 0.4, "small"},
		{"Amdahl, asked for 30 %", Curve{Lambda: 10, Sigma: 1.0 / 6}, 0.3, "medium"},
		{"a peak before the last", Curve{Lambda: 10, Kappa: 0.03}, 0, "small"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.curve.Paying(sizes, test.least)
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != test.want {
				steps, _ := test.curve.Steps(sizes)
				t.Errorf("%s, want %s: %+v", got.Name, test.want, steps)
			}
		})
	}
}

func TestSteps(t *testing.T) {
	steps, err := Curve{Lambda: 10, Sigma: 1.0 / 6}.Steps(sizes)
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 3 || steps[1].From.Name != "micro" || steps[1].To.Name != "small" {
		t.Fatalf("%+v", steps)
	}
	// From 20 to 30 for twice the price.
	near(t, "yield of a doubling", steps[1].Yield, 0.5, 1e-12)
	steps, err = Curve{Lambda: 10, Kappa: 1}.Steps(sizes)
	if err != nil {
		t.Fatal(err)
	}
	if steps[2].Yield >= 0 {
		t.Errorf("a step behind the peak yields %v, want less than 0", steps[2].Yield)
	}
	if steps, err := (Curve{Lambda: 1}).Steps(sizes[:1]); err != nil || len(steps) != 0 {
		t.Errorf("of one size: %v, %v, want no steps", steps, err)
	}
}

func TestBadSizes(t *testing.T) {
	tests := []struct {
		name  string
		sizes []Size
		want  string
	}{
		{"none", nil, "no sizes"},
		{"below 1", []Size{{"a", 0.5, 1}}, "size a"},
		{"free", []Size{{"a", 1, 0}}, "size a"},
		{"NaN", []Size{{"a", math.NaN(), 1}}, "size a"},
		{"not dearer", []Size{{"a", 1, 1}, {"b", 2, 1}}, "price 1 is not more than 1 of a"},
		{"endless price", []Size{{"a", 1, math.Inf(1)}}, "size a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := (Curve{Lambda: 1}).Paying(test.sizes, 0.5); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}
