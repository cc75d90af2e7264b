package stack

import (
	"maps"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/userenv"
	"bytebites.example/workshop/shared/workshop/course"
)

// composeText returns docker-compose.yml without its comments.
func composeText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../..", composeFile))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAllString(string(text), "")
}

func TestComposeFileHasTheProfiles(t *testing.T) {
	named := make(map[string]bool)
	for _, list := range regexp.MustCompile(`profiles: \[(.*)\]`).FindAllStringSubmatch(composeText(t), -1) {
		for name := range strings.SplitSeq(list[1], ",") {
			named[strings.Trim(name, ` "`)] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(named)), slices.Sorted(slices.Values(everyProfile(course.Labs()))); !slices.Equal(got, want) {
		t.Errorf("%s has profiles %v, up knows %v", composeFile, got, want)
	}
}

// `up` must write every variable that docker-compose.yml asks for. A user who starts the stack by
// hand sets none of them.
func TestComposeFileAsksForWhatIsWritten(t *testing.T) {
	written := append(append(course.Labs().ImageVariables(), course.Labs().Secrets()...), "DEMO_EMAIL", "DEMO_PASSWORD", "REPLICA_ARGS", "NGINX_CONF", "REDIS_CONF",
		"USERDATA_HOST", "SHARD_DBS", "MOVE_TO", "ENGINE_SOCKET", "ENGINE_GROUP")
	for _, p := range publishedPorts(course.Labs()) {
		written = append(written, p.variable)
	}
	asked := make(map[string]bool)
	for _, match := range regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(composeText(t), -1) {
		asked[match[1]] = true
	}
	slices.Sort(written)
	if got := slices.Sorted(maps.Keys(asked)); !slices.Equal(got, written) {
		t.Errorf("%s asks for %v, written or known are %v", composeFile, got, written)
	}
}

func TestComposeFileHasTheServers(t *testing.T) {
	wanted := append(slices.Sorted(maps.Keys(clients())), moverService, "relay", "worker")
	for _, p := range publishedPorts(course.Labs()) {
		wanted = append(wanted, p.service)
	}
	_, services, _ := strings.Cut(composeText(t), "\nservices:\n")
	for _, name := range wanted {
		if !regexp.MustCompile(`(?m)^  ` + name + `:`).MatchString(services) {
			t.Errorf("%s has no service %s", composeFile, name)
		}
	}
	for url := range strings.SplitSeq(shardURLs("secret"), ",") {
		u, err := neturl.Parse(url)
		if err != nil || !slices.Contains(shardServers(), u.Hostname()) {
			t.Errorf("address of a shard %q: %v", url, err)
		}
	}
}

func TestComposeFilePublishesOnLoopback(t *testing.T) {
	// The ports are in the line of the key, or below it, one in each line.
	lists := regexp.MustCompile(`(?m)^ +ports:(.*(?:\n +- .*)*)`).FindAllStringSubmatch(composeText(t), -1)
	entry := regexp.MustCompile(`^127\.0\.0\.1:\$\{([A-Z_]+):-(\d+)\}:\d+$`)
	seen := 0
	for _, list := range lists {
		for _, quoted := range regexp.MustCompile(`"[^"]*"`).FindAllString(list[1], -1) {
			seen++
			match := entry.FindStringSubmatch(strings.Trim(quoted, `"`))
			if match == nil || !slices.ContainsFunc(publishedPorts(course.Labs()), func(p published) bool { return p.variable == match[1] && p.standard == match[2] }) {
				t.Errorf("%s publishes %s; want it on 127.0.0.1, at a port that up knows", composeFile, quoted)
			}
		}
	}
	if seen != len(publishedPorts(course.Labs())) {
		t.Errorf("%s publishes %d ports, up knows %d", composeFile, seen, len(publishedPorts(course.Labs())))
	}
}

// `up` makes every file readable that is mounted; see readableByServers.
func TestComposeFileMountsKnownFiles(t *testing.T) {
	mounts := regexp.MustCompile(`"([^"]*):/[^":]*:ro"`).FindAllStringSubmatch(composeText(t), -1)
	if len(mounts) < 5 {
		t.Fatalf("%s has only %d mounts", composeFile, len(mounts))
	}
	for _, mount := range mounts {
		source := mount[1]
		known := slices.ContainsFunc([]string{"./" + deployDir + "/", "${NGINX_CONF:", "${REDIS_CONF:", "${ENGINE_SOCKET:"},
			func(start string) bool { return strings.HasPrefix(source, start) })
		if !known {
			t.Errorf("%s mounts %s, which `up` does not make readable", composeFile, source)
		}
	}
}

// Each compose tool reads the file without an engine. It accepts every profile alone, and refuses
// the file without the secrets.
func TestComposeFileIsTaken(t *testing.T) {
	t.Parallel()
	here, known := userenv.Clean(os.Environ()), []string(nil)
	for _, key := range course.Labs().Secrets() {
		known = append(known, key+"=unused")
	}
	found := false
	for _, tool := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		config := func(env []string, words ...string) (string, error) {
			words = append(slices.Clone(tool[1:]), append([]string{"-f", composeFile}, words...)...)
			command := exec.CommandContext(t.Context(), tool[0], words...)
			// The developer's .env must not change the result.
			command.Dir, command.Env = "../../../..", append(append(slices.Clone(here), "COMPOSE_ENV_FILES="+os.DevNull), env...)
			said, err := command.CombinedOutput()
			return string(said), err
		}
		if err := exec.CommandContext(t.Context(), tool[0], append(tool[1:], "version")...).Run(); err != nil {
			continue // not installed, or docker without its plugin
		}
		found = true
		for _, name := range everyProfile(course.Labs()) {
			t.Run(strings.Join(tool, " ")+" "+name, func(t *testing.T) {
				t.Parallel()
				said, err := config(known, "--profile", name, "config")
				if err != nil {
					t.Errorf("%v\n%s", err, said)
				}
				// By this label `up` and `down` know their own containers.
				services, labels := strings.Count(said, "    cap_drop:"), strings.Count(said, stackLabel)
				if services == 0 || labels != services {
					t.Errorf("%d of %d services have the label %s", labels, services, stackLabel)
				}
			})
		}
		t.Run(strings.Join(tool, " ")+" with Grafana", func(t *testing.T) {
			t.Parallel()
			said, err := config(known, "-f", deployDir+"/grafana/docker-compose.yml", "--profile", "monitoring", "config")
			if err != nil || !strings.Contains(said, "grafana:") || !strings.Contains(said, "prometheus:") {
				t.Errorf("%v\n%s", err, said)
			}
			text, err := os.ReadFile(filepath.Join("../../../..", deployDir, "grafana", composeFile))
			if err != nil || !strings.Contains(string(text), `ports: ["127.0.0.1:`) {
				t.Errorf("Grafana is published for other machines: %v", err)
			}
		})
		t.Run(strings.Join(tool, " ")+" gives roles no secret of the API", func(t *testing.T) {
			t.Parallel()
			said, err := config(known, "--profile", "queue", "--profile", "sharding", "config")
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			_, services, _ := strings.Cut("\n"+said, "\nservices:\n")
			for _, name := range []string{"replica-1", "relay", "worker", moverService} {
				text := regexp.MustCompile(`(?m)^  ` + name + `:\n(?:(?:    .*)?\n)*`).FindString(services)
				for _, secret := range []string{"BYTEBITES_STAFF_TOKEN", "BYTEBITES_PAYMENT_SECRET", "BYTEBITES_DEMO_PASSWORD"} {
					if has := strings.Contains(text, secret); has != (name == "replica-1") {
						t.Errorf("service %s has %s: %t", name, secret, has)
					}
				}
				if !strings.Contains(text, "BYTEBITES_SHARD_DBS") {
					t.Errorf("service %s does not know the shards:\n%s", name, text)
				}
			}
		})
		t.Run(strings.Join(tool, " ")+" without secrets", func(t *testing.T) {
			t.Parallel()
			empty := strings.Split(strings.Join(course.Labs().Secrets(), "=\n")+"=", "\n")
			if said, err := config(empty, "config"); err == nil || !strings.Contains(said, "go tool workshop up") {
				t.Errorf("accepted, or refused without a remedy: %v\n%s", err, said)
			}
		})
	}
	if !found {
		t.Skip("needs docker compose or docker-compose")
	}
}
