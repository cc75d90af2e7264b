package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// finderIn describes a machine with that home and environment.
func finderIn(home string, env map[string]string) finder {
	return finder{goos: "linux", home: home, getenv: func(name string) string { return env[name] }}
}

// write writes a file and the folders above it.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// colimaID is the SHA-256 of "colima". The docker command names that context's folder so.
const colimaID = "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16"

func homeWithContext(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	write(t, filepath.Join(home, ".docker/config.json"), `{"currentContext": "colima"}`)
	write(t, filepath.Join(home, ".docker/contexts/meta", colimaID, "meta.json"), `{"Name":"colima","Endpoints":{"docker":{"Host":"tcp://10.0.0.2:2376"}}}`)
	write(t, filepath.Join(home, ".docker/contexts/tls", colimaID, "docker/ca.pem"), "ca")
	return home
}

func TestEndpoints(t *testing.T) {
	empty := t.TempDir()
	rootless := t.TempDir()
	write(t, filepath.Join(rootless, "docker.sock"), "")
	desktop := t.TempDir()
	write(t, filepath.Join(desktop, ".docker/run/docker.sock"), "")
	broken := t.TempDir()
	write(t, filepath.Join(broken, ".docker/config.json"), `{"currentContext"`)
	blank := t.TempDir()
	write(t, filepath.Join(blank, ".docker/config.json"), "")
	unreadable := t.TempDir()
	write(t, filepath.Join(unreadable, ".docker/config.json/folder"), "")
	for name, c := range map[string]struct {
		home string
		env  map[string]string
		want []string
	}{
		"default":              {empty, nil, []string{"unix:///var/run/docker.sock"}},
		"DOCKER_HOST":          {empty, map[string]string{"DOCKER_HOST": "tcp://h:1"}, []string{"tcp://h:1"}},
		"rootless":             {empty, map[string]string{"XDG_RUNTIME_DIR": rootless}, []string{"unix:///var/run/docker.sock", "unix://" + rootless + "/docker.sock"}},
		"desktop":              {desktop, nil, []string{"unix:///var/run/docker.sock", "unix://" + desktop + "/.docker/run/docker.sock"}},
		"current context":      {homeWithContext(t), nil, []string{"tcp://10.0.0.2:2376"}},
		"DOCKER_HOST wins":     {homeWithContext(t), map[string]string{"DOCKER_HOST": "tcp://h:1"}, []string{"tcp://h:1"}},
		"DOCKER_CONTEXT wins":  {homeWithContext(t), map[string]string{"DOCKER_CONTEXT": "default"}, []string{"unix:///var/run/docker.sock"}},
		"context is not there": {empty, map[string]string{"DOCKER_CONTEXT": "gone"}, nil},
		// So does the docker command.
		"config is not JSON":       {broken, nil, []string{"unix:///var/run/docker.sock"}},
		"config is empty":          {blank, nil, []string{"unix:///var/run/docker.sock"}},
		"config is unreadable":     {unreadable, nil, []string{"unix:///var/run/docker.sock"}},
		"DOCKER_CONFIG is missing": {empty, map[string]string{"DOCKER_CONFIG": filepath.Join(empty, "none")}, []string{"unix:///var/run/docker.sock"}},
		"DOCKER_CONFIG is empty":   {homeWithContext(t), map[string]string{"DOCKER_CONFIG": filepath.Join(blank, ".docker")}, []string{"unix:///var/run/docker.sock"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := finderIn(c.home, c.env).endpoints()
			if c.want == nil {
				var missing *Unavailable
				if !errors.As(err, &missing) || missing.Remedy == "" {
					t.Fatalf("the error is %v, want one with a remedy", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var hosts []string
			for _, e := range got {
				hosts = append(hosts, e.host)
			}
			if strings.Join(hosts, " ") != strings.Join(c.want, " ") {
				t.Errorf("the endpoints are %v, want %v", hosts, c.want)
			}
		})
	}
}

func TestContextBringsItsCertificates(t *testing.T) {
	home := homeWithContext(t)
	got, err := finderIn(home, nil).endpoints()
	if err != nil || len(got) != 1 {
		t.Fatalf("endpoints returns %v, %v", got, err)
	}
	if want := filepath.Join(home, ".docker/contexts/tls", colimaID, "docker/ca.pem"); got[0].ca != want || got[0].cert != "" {
		t.Errorf("the certificates are %+v", got[0])
	}
}

func TestConnectSaysWhatToDo(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no.sock")
	_, err := connect(t.Context(), finderIn("", map[string]string{"DOCKER_HOST": "unix://" + missing}))
	var unavailable *Unavailable
	if !errors.As(err, &unavailable) {
		t.Fatalf("the error is %v, want an Unavailable", err)
	}
	if unavailable.Remedy == "" || !strings.Contains(err.Error(), "to do: ") {
		t.Errorf("the error %q has no remedy", err)
	}
}

func TestNoPermissionIsToldFromNoEngine(t *testing.T) {
	f := finderIn("", map[string]string{"USER": "ada"})
	denied := unreachable(f, []error{&os.PathError{Op: "dial", Path: "docker.sock", Err: syscall.EACCES}})
	if !errors.Is(denied, fs.ErrPermission) || !strings.Contains(denied.Remedy, "usermod -aG docker ada") {
		t.Errorf("no permission: %v", denied)
	}
	gone := unreachable(f, []error{&os.PathError{Op: "dial", Path: "docker.sock", Err: syscall.ENOENT}})
	if strings.Contains(gone.Remedy, "usermod") || !strings.Contains(gone.Remedy, "install") {
		t.Errorf("no engine: %v", gone)
	}
}

func TestInstallRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		goos         string
		root, debian bool
		want         string
	}{
		"mac":             {"darwin", false, false, "colima"},
		"windows":         {"windows", false, false, "WSL 2"},
		"debian, root":    {"linux", true, true, "apt-get install docker.io"},
		"debian, no root": {"linux", false, true, "sudo apt-get install docker.io"},
		"fedora":          {"linux", true, false, "docs.docker.com/engine/install"},
	} {
		if got := installRemedy(c.goos, c.root, c.debian); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q does not say %q", name, got, c.want)
		}
	}
}

func TestIsDebian(t *testing.T) {
	for name, c := range map[string]struct {
		release string
		want    bool
	}{
		"debian": {"PRETTY_NAME=\"Debian GNU/Linux 13\"\nID=debian\n", true},
		"ubuntu": {"ID=ubuntu\nID_LIKE=debian\n", true},
		"mint":   {"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", true},
		"fedora": {"ID=fedora\nVARIANT_ID=debian\n", false},
		"none":   {"", false},
	} {
		if got := isDebian(c.release); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestConnectIsCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := connect(ctx, finderIn("", map[string]string{"DOCKER_HOST": "unix:///nowhere.sock"})); err == nil {
		t.Error("an engine answers that is not there")
	}
}

func TestConfigFindings(t *testing.T) {
	for name, c := range map[string]struct{ config, want string }{
		"none": {"", ""}, "empty": {" \n", ""}, "fine": {`{"auths": {}}`, ""}, "broken": {`{"auths"`, "is not JSON"}, "list": {"[]", "is not JSON"},
	} {
		home := t.TempDir()
		if c.config != "" {
			write(t, filepath.Join(home, ".docker/config.json"), c.config)
		}
		findings := finderIn(home, nil).configFindings()
		if c.want == "" && len(findings) > 0 || c.want != "" && (len(findings) != 1 || !strings.Contains(findings[0].Detail, c.want) || findings[0].Remedy == "") {
			t.Errorf("%s: %+v, want %q", name, findings, c.want)
		}
	}
}
