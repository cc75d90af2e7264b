package stack

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

func TestEngineSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the engine is in a virtual machine")
	}
	path := filepath.Join(t.TempDir(), "engine.sock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	group := os.Getgid()
	if group == 0 { // root may give it to any group
		group = 4711
		if err := os.Chown(path, -1, group); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, host string
		rootless   bool
		want       socket
	}{
		{"socket", "unix://" + path, false, socket{path, strconv.Itoa(group)}},
		{"rootless", "unix://" + path, true, socket{path, "0"}},
		{"socket that is gone", "unix://" + path + "x", false, socket{path + "x", "0"}},
		{"another machine", "tcp://192.0.2.1:2376", false, socket{"/var/run/docker.sock", "0"}},
		{"unknown", "", false, socket{"/var/run/docker.sock", "0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := engineSocket(tt.host, tt.rootless); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
