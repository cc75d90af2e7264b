package hostlock

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestAlive(t *testing.T) {
	here := identity{host: "kitchen 1", boot: "b1", namespace: "pid:[1]"}
	ours := Labels{LabelWorkshop: "1", LabelPID: "42", LabelStart: "1000", LabelBoot: "b1", LabelNamespace: "pid:[1]", LabelHost: "kitchen 1"}
	running := func(start string) func(int) (string, error) {
		return func(int) (string, error) { return start, nil }
	}
	fails := func(err error) func(int) (string, error) {
		return func(int) (string, error) { return "", err }
	}
	for name, c := range map[string]struct {
		change    map[string]string
		startTime func(int) (string, error)
		want      bool
	}{
		"running":                      {nil, running("1000"), true},
		"ended":                        {nil, fails(fmt.Errorf("read: %w", fs.ErrNotExist)), false},
		"id given to another process":  {nil, running("2000"), false},
		"start time cannot be read":    {nil, fails(errors.New("permission denied")), true},
		"before a restart":             {map[string]string{LabelBoot: "b0"}, running("1000"), false},
		"restart in another container": {map[string]string{LabelBoot: "b0", LabelNamespace: "pid:[9]"}, running("1000"), false},
		"another machine":              {map[string]string{LabelHost: "bakery 2", LabelBoot: "b0"}, fails(fs.ErrNotExist), true},
		"another container":            {map[string]string{LabelNamespace: "pid:[9]"}, fails(fs.ErrNotExist), true},
		"unknown machine":              {map[string]string{LabelHost: ""}, fails(fs.ErrNotExist), true},
		"unknown start":                {map[string]string{LabelStart: ""}, fails(fs.ErrNotExist), true},
		"unknown boot":                 {map[string]string{LabelBoot: ""}, fails(fs.ErrNotExist), true},
		"malformed id":                 {map[string]string{LabelPID: "-1"}, fails(fs.ErrNotExist), true},
		"not ours":                     {map[string]string{LabelWorkshop: ""}, fails(fs.ErrNotExist), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := alive(ours.Merge(c.change), here, c.startTime); got != c.want {
				t.Errorf("alive is %v, want %v", got, c.want)
			}
		})
	}
}

func TestSlots(t *testing.T) {
	for cores, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 16: 8} {
		if got := slots(cores); got != want {
			t.Errorf("%d cores have %d slots, want %d", cores, got, want)
		}
	}
}
