package tcsetup_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/testcontainers/testcontainers-go"

	"bytebites.example/workshop/shared/testbed/tcsetup"
)

// childEnv makes the test binary print what a process sees, in JSON, and run no test.
const childEnv = "TCSETUP_CHILD"

// seen is what a process sees after tcsetup has configured it.
type seen struct {
	Config   testcontainers.TestcontainersConfig
	Override string
	Home     string
	Ignored  string
}

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	err := json.NewEncoder(os.Stdout).Encode(seen{
		testcontainers.ReadConfig(), os.Getenv("TESTCONTAINERS_HOST_OVERRIDE"), os.Getenv("HOME"), os.Getenv("PGHOSTADDR"),
	})
	if err != nil {
		os.Exit(1)
	}
}

func child(t *testing.T, env ...string) seen {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"=1"), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var s seen
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

func TestUsersSettingsAreIgnored(t *testing.T) {
	home := t.TempDir()
	properties := "tc.host=tcp://192.0.2.1:2375\ndocker.host=tcp://192.0.2.1:2375\nhub.image.name.prefix=registry.example/mirror\n" +
		"ryuk.disabled=false\nprovider=podman\nsession.id=not a name\n"
	if err := os.WriteFile(filepath.Join(home, ".testcontainers.properties"), []byte(properties), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := child(t)
	hostile := child(t, "HOME="+home, "USERPROFILE="+home, "TESTCONTAINERS_HOST_OVERRIDE=192.0.2.1", "TESTCONTAINERS_RYUK_DISABLED=false",
		"TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX=registry.example", "TESTCONTAINERS_PROVIDER=nonsense", "TESTCONTAINERS_SESSION_ID=not a name",
		"TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE=/none", "RYUK_VERBOSE=true", "PGHOSTADDR=192.0.2.1")
	if hostile.Home != home {
		t.Errorf("HOME is %q, want %q", hostile.Home, home)
	}
	if hostile.Ignored != "" {
		t.Errorf("PGHOSTADDR is still %q", hostile.Ignored)
	}
	if hostile.Override != tcsetup.Host || !hostile.Config.RyukDisabled {
		t.Errorf("host override %q, Ryuk disabled %t", hostile.Override, hostile.Config.RyukDisabled)
	}
	plain.Config.Config.SessionID, hostile.Config.Config.SessionID = "", "" // differs in every process
	if hostile.Config != plain.Config {
		t.Errorf("the configuration is\n%+v, want\n%+v", hostile.Config, plain.Config)
	}
}

func TestUse(t *testing.T) {
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"} {
		t.Setenv(name, "1") // restores it
	}
	if err := tcsetup.Use("tcp://127.0.0.1:2376"); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("DOCKER_HOST") != "tcp://127.0.0.1:2376" || os.Getenv("DOCKER_TLS_VERIFY") != "1" {
		t.Errorf("DOCKER_HOST=%s, DOCKER_TLS_VERIFY=%s", os.Getenv("DOCKER_HOST"), os.Getenv("DOCKER_TLS_VERIFY"))
	}
	if err := tcsetup.Use("unix:///var/run/docker.sock"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"} {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s=%s is set for a socket", name, value)
		}
	}
}
