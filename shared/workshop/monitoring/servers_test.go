package monitoring_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"bytebites.example/workshop/shared/progress"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/images"
	_ "bytebites.example/workshop/shared/testbed/tcsetup"
	"bytebites.example/workshop/shared/workshop/monitoring"
)

// TestMain waits for a core of the machine, because TestRules starts a container.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(hostlock.TestsOnCore(m.Run))
}

// promtoolTimeout bounds a run of promtool. It takes about a second.
const promtoolTimeout = time.Minute

// promtool runs a shell script in the image of Prometheus, in a folder with these files.
func promtool(t *testing.T, script string, files map[string]string) (code int, output string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the image of Prometheus")
	}
	eng, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = eng.Close() }()
	have, err := images.Ensure(t.Context(), eng, progress.Stderr(), images.Prometheus)
	if err != nil {
		t.Fatal(err)
	}
	var copied []testcontainers.ContainerFile
	for name, text := range files {
		copied = append(copied, testcontainers.ContainerFile{Reader: strings.NewReader(text), ContainerFilePath: "/rules/" + name, FileMode: 0o644})
	}
	c, err := testcontainers.Run(t.Context(), string(have[images.Prometheus]),
		testcontainers.WithLabels(hostlock.Owner()),
		testcontainers.WithEntrypoint("/bin/sh", "-c", "cd /rules && "+script),
		testcontainers.WithFiles(copied...),
		testcontainers.WithWaitStrategy(wait.ForExit().WithExitTimeout(promtoolTimeout)),
	)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := c.Logs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(logs)
	if err != nil {
		t.Fatal(err)
	}
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	return state.ExitCode, string(text)
}

// TestRules lets promtool read the configuration and the query of every panel, and run the cases of all alerts. Then one
// alert is broken, and the cases must notice it.
func TestRules(t *testing.T) {
	alerts := read(t, fromRoot(t, alertsFile))
	broken := strings.Replace(alerts, "> 0.9\n", "> 9\n", 1)
	if broken == alerts {
		t.Fatalf("%s has no bound to break", alertsFile)
	}
	code, output := promtool(t, `
		promtool check config prometheus.yml && promtool check rules panels.yml && promtool test rules alerts_test.yml || exit 1
		cp -r /rules /tmp/broken && cd /tmp/broken && cp broken.yml alerts.yml && ! promtool test rules alerts_test.yml`,
		map[string]string{
			"prometheus.yml": read(t, fromRoot(t, scrapeFile)), "alerts.yml": alerts, "broken.yml": broken,
			"panels.yml": monitoring.RuleFile(), "alerts_test.yml": read(t, unitTests),
		})
	if code != 0 {
		t.Errorf("promtool ended with %d:\n%s", code, output)
	}
	if want := fmt.Sprintf("%d rules found", len(monitoring.Panels())); !strings.Contains(output, want) {
		t.Errorf("promtool does not report %q:\n%s", want, output)
	}
}
