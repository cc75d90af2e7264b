package stack

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/images"
	"bytebites.example/workshop/shared/workshop/course"
)

// stackIn returns a stack in a clone with that .env. The variables are the user's environment.
func stackIn(t *testing.T, dotenv string, env ...string) *Stack {
	t.Helper()
	root := t.TempDir()
	text, err := os.ReadFile(filepath.Join("../../../..", composeFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{composeFile: string(text), envFileName: dotenv} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &Stack{Root: root, Course: course.Labs(), Env: env, Getenv: func(name string) string {
		for _, variable := range env {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value
			}
		}
		return ""
	}}
}

func (s *Stack) mustRead(t *testing.T) *envFile {
	t.Helper()
	file, err := s.readEnv()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// The shell's variables belong to other stacks and other programs.
func TestComposeSeesNoneOfTheUsersVariables(t *testing.T) {
	asked := regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(composeText(t), -1)
	if len(asked) < 20 {
		t.Fatalf("%s asks for only %d variables", composeFile, len(asked))
	}
	env := []string{"PATH=/bin", "HOME=/root", "DOCKER_CONFIG=/d"}
	kept := slices.Clone(env)
	for _, match := range asked {
		env = append(env, match[1]+"=theirs")
	}
	for _, name := range []string{
		"COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES", "COMPOSE_DISABLE_ENV_FILE", "COMPOSE_IGNORE_ORPHANS",
		"COMPOSE_API_VERSION", "DOCKER_API_VERSION", "DOCKER_DEFAULT_PLATFORM", "PGPASSWORD", "ALL_PROXY", "http_proxy", "HTTPS_PROXY",
	} {
		env = append(env, name+"=theirs")
	}
	s := stackIn(t, "", env...)
	got, err := s.environment()
	if err != nil {
		t.Fatal(err)
	}
	if want := append(kept, "COMPOSE_IGNORE_ORPHANS=false"); !slices.Equal(got, want) {
		t.Errorf("compose sees %q, want %q", got, want)
	}
	if names, err := s.overridden(s.mustRead(t)); err != nil || !slices.Contains(names, "SERVICE_PORT") || !slices.Contains(names, databasePassword) {
		t.Errorf("named as ignored are %q, %v", names, err)
	}
}

func TestProject(t *testing.T) {
	for _, tt := range []struct {
		dotenv string
		env    []string
		want   string
	}{
		{"", nil, defaultProject},
		{"", []string{"COMPOSE_PROJECT_NAME=theirs"}, defaultProject},
		{"COMPOSE_PROJECT_NAME=mine # a name\n", []string{"COMPOSE_PROJECT_NAME=theirs"}, "mine"},
		{"COMPOSE_PROJECT_NAME=mine\n", []string{StackEnv + "=another"}, "another"},
	} {
		s := stackIn(t, tt.dotenv, tt.env...)
		if got := s.project(s.mustRead(t)); got != tt.want {
			t.Errorf("%q, %v: project %s, want %s", tt.dotenv, tt.env, got, tt.want)
		}
	}
}

func TestWriteEnvMakesThePasswords(t *testing.T) {
	s := stackIn(t, databasePassword+"="+images.DatasetPassword+"\nSTAFF_TOKEN=mine\n", databasePassword+"=theirs", "STAFF_TOKEN=theirs")
	file, err := s.writeEnv(nil, stackCode{sharded: true}, engineSocket("", false))
	if err != nil {
		t.Fatal(err)
	}
	password := file.get(databasePassword)
	if len(password) != 2*secretBytes || file.get("STAFF_TOKEN") != "mine" || !strings.Contains(file.get("SHARD_DBS"), ":"+password+"@") {
		t.Errorf("the password is %q, the file\n%s", password, strings.Join(file.lines, "\n"))
	}
	again, err := s.writeEnv(nil, stackCode{}, engineSocket("", false))
	if err != nil || again.get(databasePassword) != password {
		t.Errorf("the next `up` changes the password: %q, %v", again.get(databasePassword), err)
	}
	if info, err := os.Stat(filepath.Join(s.Root, envFileName)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf(".env: %v, %v", info.Mode(), err)
	}
	s = stackIn(t, databasePassword+"=p@ss\n")
	if _, err := s.writeEnv(nil, stackCode{}, engineSocket("", false)); !isUnavailable(err, databasePassword+" in .env") {
		t.Errorf("a password that URLs cannot hold: %v", err)
	}
}

func isUnavailable(err error, problem string) bool {
	var unavailable *engine.Unavailable
	return errors.As(err, &unavailable) && strings.Contains(unavailable.Problem, problem) && unavailable.Remedy != ""
}

// taken listens at a port until the test ends, and returns the port.
func taken(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Every remedy for a port names one that is free.
func TestPortsFreeNamesAFreePort(t *testing.T) {
	everything := everyProfile(course.Labs())
	suggested := regexp.MustCompile(`set another port in \.env: ([A-Z]+_PORT)=(\d+)$`)
	for _, p := range publishedPorts(course.Labs()) {
		t.Run(p.variable, func(t *testing.T) {
			dotenv := ""
			for _, other := range publishedPorts(course.Labs()) { // the standard ports may be in use here
				dotenv += other.variable + "=" + taken(t) + "\n"
			}
			dotenv += p.variable + "=" + taken(t) + " # mine\n"
			s := stackIn(t, dotenv, p.variable+"=1")
			var others []string
			for _, other := range publishedPorts(course.Labs()) {
				if other.service != p.service {
					others = append(others, other.service)
				}
			}
			err := s.portsFree(t.Context(), s.mustRead(t), everything, others)
			var unavailable *engine.Unavailable
			if !errors.As(err, &unavailable) || !strings.Contains(unavailable.Problem, "is in use") {
				t.Fatalf("%v, want a port that is in use", err)
			}
			match := suggested.FindStringSubmatch(unavailable.Remedy)
			if match == nil {
				t.Fatalf("the remedy %q names no port", unavailable.Remedy)
			}
			if n, err := strconv.Atoi(match[2]); err != nil || n < 1024 || n > maxPort || listen(context.Background(), match[2]) != nil {
				t.Errorf("the remedy names port %s", match[2])
			}
		})
	}
}

func TestPortsFreeRejects(t *testing.T) {
	for dotenv, want := range map[string]string{
		"SERVICE_PORT=115672":                      "SERVICE_PORT=115672 is not a port number",
		"SERVICE_PORT=0":                           "SERVICE_PORT=0 is not a port number",
		"SERVICE_PORT=tcp://10.0.0.1:8080":         "is not a port number",
		"SERVICE_PORT=18080\nPPROF_PORT=\"18080\"": "SERVICE_PORT and PPROF_PORT are both 18080",
	} {
		s := stackIn(t, dotenv)
		if err := s.portsFree(t.Context(), s.mustRead(t), []string{baselineProfile}, []string{"mailsink"}); !isUnavailable(err, want) {
			t.Errorf("%q: %v, want %q", dotenv, err, want)
		}
	}
}

// With a umask of 077 the files of a clone are readable by their owner only.
func TestReadableByServers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of Unix")
	}
	s := stackIn(t, "")
	for _, name := range []string{deployDir + "/rabbitmq.conf", deployDir + "/consoles/page.html", "solutions/02-horizontal/nginx.conf"} {
		path := filepath.Join(s.Root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.readableByServers(stackCode{nginx: "./solutions/02-horizontal/nginx.conf", redis: "./none.conf"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(s.Root, deployDir, "consoles")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("a folder: %v, %v", info.Mode(), err)
	}
	for _, name := range []string{deployDir + "/rabbitmq.conf", deployDir + "/consoles/page.html", "solutions/02-horizontal/nginx.conf"} {
		if info, err := os.Stat(filepath.Join(s.Root, name)); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(s.Root, envFileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secrets: %v, %v", info.Mode(), err)
	}
}
