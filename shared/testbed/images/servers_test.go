package images_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/redis"
	"github.com/testcontainers/testcontainers-go/wait"

	"bytebites.example/workshop/shared/testbed/hostlock"
	"bytebites.example/workshop/shared/testbed/images"
)

const timeout = 10 * time.Second // of one request

// get returns the body of a page.
func get(ctx context.Context, url, user, password string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return string(body), err
}

func setAndGet(t *testing.T, url string) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(options)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Set(t.Context(), "dish", "ramen", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(t.Context(), "dish").Result(); err != nil || got != "ramen" {
		t.Fatalf("GET returns %q, %v", got, err)
	}
	return c
}

func TestRedisByTestcontainers(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Redis)
	c, err := redis.Run(t.Context(), string(ref),
		testcontainers.WithLabels(hostlock.Owner()),
		// The module's default of 10 s is short on a busy machine.
		testcontainers.WithWaitStrategy(wait.ForLog("* Ready to accept connections").WithStartupTimeout(time.Minute)),
	)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	url, err := c.ConnectionString(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	setAndGet(t, url)
	requireUser(t, eng, c.GetContainerID(), "999")
}

func TestRedisByDockerRun(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Redis)
	s := dockerRun(t, eng, ref, runOptions{
		command: []string{"redis-server", "--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"},
		ports:   []string{"6379"},
	})
	s.waitForLog("* Ready to accept connections", 1)
	c := setAndGet(t, "redis://"+s.address("6379"))
	got, err := c.ConfigGet(t.Context(), "maxmemory*").Result()
	if err != nil {
		t.Fatal(err)
	}
	if got["maxmemory"] != "8388608" || got["maxmemory-policy"] != "allkeys-lru" {
		t.Errorf("the command's options are not in force: %v", got)
	}
	requireUser(t, eng, s.id, "999")
	s.stop("")
}

func TestRedisKeepsProtectedModeThatWasAskedFor(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Redis)
	conf := writeFiles(t, map[string]string{"redis.conf": "protected-mode yes\n"})
	for name, command := range map[string][]string{
		"option": {"redis-server", "--protected-mode", "yes"},
		"file":   {"/conf/redis.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			s := dockerRun(t, eng, ref, runOptions{command: command, binds: []string{conf + ":/conf:ro"}, ports: []string{"6379"}})
			s.waitForLog("* Ready to accept connections", 1)
			c := goredis.NewClient(&goredis.Options{Addr: s.address("6379"), MaxRetries: -1})
			// The client sees the rejection or the closed connection after it.
			if err := c.Ping(t.Context()).Err(); err == nil {
				t.Error("a client from outside is served in protected mode")
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRabbitMQByDockerRun(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.RabbitMQ)
	s := dockerRun(t, eng, ref, runOptions{
		env:   []string{"RABBITMQ_DEFAULT_USER=chef", "RABBITMQ_DEFAULT_PASS=s3cret", "RABBITMQ_DEFAULT_VHOST=kitchen"},
		ports: []string{"5672", "15672", "15692"},
	})
	s.waitForLog("Server startup complete", 1)
	requireUser(t, eng, s.id, "999")

	connection, err := amqp.Dial("amqp://chef:s3cret@" + s.address("5672") + "/kitchen")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := connection.Close(); err != nil {
			t.Error(err)
		}
	}()
	channel, err := connection.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := channel.QueueDeclare("orders", true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}); err != nil {
		t.Fatal(err)
	}
	if err := channel.PublishWithContext(t.Context(), "", "orders", true, false, amqp.Publishing{Body: []byte("ramen")}); err != nil {
		t.Fatal(err)
	}
	deliveries, err := channel.ConsumeWithContext(t.Context(), "orders", "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-deliveries:
		if string(d.Body) != "ramen" {
			t.Errorf("the message is %q", d.Body)
		}
	case <-time.After(timeout):
		t.Error("the message does not arrive")
	}
	body, err := get(t.Context(), "http://"+s.address("15672")+"/api/overview", "chef", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	var overview struct {
		Version string `json:"rabbitmq_version"`
	}
	if err := json.Unmarshal([]byte(body), &overview); err != nil || !strings.HasPrefix(overview.Version, "4.") {
		t.Errorf("management says version %q, %v", overview.Version, err)
	}
	if body, err := get(t.Context(), "http://"+s.address("15692")+"/metrics", "", ""); err != nil || !strings.Contains(body, "rabbitmq_") {
		t.Errorf("no metrics: %v", err)
	}
}

func TestRabbitMQSharesNoCookie(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.RabbitMQ)
	s := dockerRun(t, eng, ref, runOptions{command: []string{"sh", "-c", "test ! -e /var/lib/rabbitmq/.erlang.cookie && test -x /usr/lib/rabbitmq/bin/rabbitmq-diagnostics && command -v rabbitmq-diagnostics"}})
	s.waitFor("the shell to end", func() error {
		if s.inspect().State.Running {
			return fmt.Errorf("it runs")
		}
		return nil
	})
	if code := s.inspect().State.ExitCode; code != 0 {
		t.Errorf("status %d: the image holds a cookie, or lacks the tools", code)
	}
}

func TestNginxByDockerRun(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Nginx)
	conf := func(answer string) string {
		return fmt.Sprintf("user nginx; error_log /var/log/nginx/error.log notice; events {} http { access_log /var/log/nginx/access.log; include /etc/nginx/mime.types; server { listen 80; location / { return 200 %q; } } }", answer)
	}
	dir := writeFiles(t, map[string]string{"nginx.conf": conf("first")})
	s := dockerRun(t, eng, ref, runOptions{binds: []string{dir + ":/etc/nginx/mounted:ro"}, command: []string{"nginx", "-c", "/etc/nginx/mounted/nginx.conf", "-g", "daemon off;"}, ports: []string{"80"}})
	answer := func(want string) func() error {
		return func() error {
			got, err := get(t.Context(), "http://"+s.address("80")+"/menu", "", "")
			if err == nil && got != want {
				err = fmt.Errorf("the answer is %q, want %q", got, want)
			}
			return err
		}
	}
	s.waitFor("the first configuration", answer("first"))
	s.waitForLog("GET /menu", 1) // the access log is on standard output
	users := processes(t, eng, s.id)["nginx"]
	if !slices.Contains(users, "0") || !slices.Contains(users, "101") {
		t.Errorf("nginx runs as users %v, want the master as 0 and workers as 101", users)
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf("second")), 0o644); err != nil {
		t.Fatal(err)
	}
	exec, err := eng.ExecCreate(t.Context(), s.id, client.ExecCreateOptions{Cmd: []string{"nginx", "-s", "reload"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eng.ExecStart(t.Context(), exec.ID, client.ExecStartOptions{Detach: true}); err != nil {
		t.Fatal(err)
	}
	s.waitFor("the second configuration", answer("second"))
	s.waitForLog("gracefully shutting down", 1) // the error log is on standard error
	s.stop("SIGQUIT")
}

func TestNginxByTestcontainers(t *testing.T) {
	t.Parallel()
	_, ref := imageFor(t, images.Nginx)
	dir := writeFiles(t, map[string]string{"nginx.conf": "events {} http { server { listen 80; return 200 mounted; } }"})
	c, err := testcontainers.Run(t.Context(), string(ref),
		testcontainers.WithLabels(hostlock.Owner()),
		testcontainers.WithExposedPorts("80/tcp"),
		testcontainers.WithFiles(testcontainers.ContainerFile{HostFilePath: filepath.Join(dir, "nginx.conf"), ContainerFilePath: "/etc/nginx/nginx.conf", FileMode: 0o644}),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/").WithPort("80/tcp").WithStartupTimeout(time.Minute)),
	)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	address, err := c.PortEndpoint(t.Context(), "80/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := get(t.Context(), address, "", ""); err != nil || got != "mounted" {
		t.Errorf("the answer is %q, %v", got, err)
	}
}

func TestPrometheusByDockerRun(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Prometheus)
	s := dockerRun(t, eng, ref, runOptions{ports: []string{"9090"}})
	s.waitForLog("Server is ready to receive web requests", 1)
	if body, err := get(t.Context(), "http://"+s.address("9090")+"/api/v1/status/buildinfo", "", ""); err != nil || !strings.Contains(body, `"version":"2.53`) {
		t.Errorf("build info is %s, %v", body, err)
	}
	if body, err := get(t.Context(), "http://"+s.address("9090")+"/graph", "", ""); err != nil || !strings.Contains(body, "<title>Prometheus") {
		t.Errorf("no web interface: %v", err)
	}
	requireUser(t, eng, s.id, "65534")
	s.stop("")
}

func TestAlertmanagerByDockerRun(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Alertmanager)
	s := dockerRun(t, eng, ref, runOptions{ports: []string{"9093"}})
	s.waitFor("the API", func() error {
		_, err := get(t.Context(), "http://"+s.address("9093")+"/-/ready", "", "")
		return err
	})
	if body, err := get(t.Context(), "http://"+s.address("9093")+"/api/v2/status", "", ""); err != nil || !strings.Contains(body, `"version":"0.28`) {
		t.Errorf("status is %s, %v", body, err)
	}
	requireUser(t, eng, s.id, "65534")
	s.stop("")
}

// An exporter answers also when its server does not, and says so.
func TestExportersByDockerRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		image           images.Name
		env             []string
		port, user      string
		page, want, bad string
	}{
		{
			images.PostgresExporter, []string{"PGUSER=monitor", "PGPASSWORD=secret", "PGDATABASE=bytebites", "PGSSLMODE=disable"},
			"9187", "65534", "/probe?target=127.0.0.1:1", "\npg_up 0\n", "secret",
		},
		{images.RedisExporter, nil, "9121", "59000", "/scrape?target=redis://127.0.0.1:1", "\nredis_up 0\n", ""},
		{images.NginxExporter, []string{"SCRAPE_URI=http://127.0.0.1:1/stub_status"}, "9113", "1001", "/metrics", "\nnginx_up 0\n", ""},
	}
	for _, tt := range tests {
		t.Run(string(tt.image), func(t *testing.T) {
			t.Parallel()
			eng, ref := imageFor(t, tt.image)
			s := dockerRun(t, eng, ref, runOptions{env: tt.env, ports: []string{tt.port}})
			var body string
			s.waitFor("the metrics", func() (err error) {
				body, err = get(t.Context(), "http://"+s.address(tt.port)+tt.page, "", "")
				return err
			})
			if !strings.Contains(body, tt.want) {
				t.Errorf("no %q in\n%s", tt.want, body)
			}
			if log := s.logs(t.Context()); tt.bad != "" && strings.Contains(body+log, tt.bad) {
				t.Errorf("%q is shown:\n%s\n%s", tt.bad, body, log)
			}
			requireUser(t, eng, s.id, tt.user)
		})
	}
}

func TestToxiproxyByDockerRun(t *testing.T) {
	t.Parallel()
	eng, ref := imageFor(t, images.Toxiproxy)
	s := dockerRun(t, eng, ref, runOptions{ports: []string{"8474", "8666"}})
	s.waitFor("the control port", func() error {
		_, err := get(t.Context(), "http://"+s.address("8474")+"/version", "", "")
		return err
	})
	response, err := http.Post("http://"+s.address("8474")+"/proxies", "application/json",
		strings.NewReader(`{"name":"self","listen":"0.0.0.0:8666","upstream":"127.0.0.1:8474"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("a proxy cannot be made: %s, %v", response.Status, err)
	}
	if body, err := get(t.Context(), "http://"+s.address("8666")+"/version", "", ""); err != nil {
		t.Errorf("the proxy answers %q, %v", body, err)
	}
	requireUser(t, eng, s.id, "65532")
}
