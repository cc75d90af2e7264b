package testbed_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/smtp"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites/pgconn"
	"bytebites.example/workshop/shared/bytebites/rabbit"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
	"bytebites.example/workshop/shared/testbed/engine"
	"bytebites.example/workshop/shared/testbed/hostlock"
)

// stack is one server of each kind.
type stack struct {
	bed      *testbed.Bed
	docker   *engine.Engine
	postgres *testbed.Postgres
	redis    *testbed.Redis
	rabbit   *testbed.RabbitMQ
	nginx    *testbed.Nginx
	mail     *testbed.MailSink
	service  *testbed.Service
	link     *testbed.SlowLink
}

// nginxConf answers with a text, so that a test can tell two configurations apart.
func nginxConf(text string) []byte {
	return []byte(fmt.Sprintf(`pid /run/nginx.pid;
events {}
http { server { listen 80; location / { return 200 %q; } } }
`, text))
}

func startStack(t *testing.T) *stack {
	t.Helper()
	st := &stack{bed: testbed.ForTest(t), docker: connect(t)}
	began := time.Now()
	took := func(name string, err error) error {
		t.Logf("%s: %.1f s", name, time.Since(began).Seconds())
		return err
	}
	err := testbed.SideBySide(t.Context(),
		func(ctx context.Context) (err error) {
			st.postgres, err = st.bed.Postgres(ctx, testbed.PostgresOptions{Type: instance.Micro()})
			return took("postgres", err)
		},
		func(ctx context.Context) (err error) {
			st.redis, err = st.bed.Redis(ctx, testbed.RedisOptions{Type: instance.Micro()})
			return took("redis", err)
		},
		func(ctx context.Context) (err error) {
			st.rabbit, err = st.bed.RabbitMQ(ctx, testbed.RabbitMQOptions{Type: instance.Medium()})
			return took("rabbitmq", err)
		},
		func(ctx context.Context) (err error) {
			st.nginx, err = st.bed.Nginx(ctx, testbed.NginxOptions{Conf: nginxConf("first"), Type: instance.Micro()})
			return took("nginx", err)
		},
		func(ctx context.Context) (err error) {
			st.mail, err = st.bed.MailSink(ctx, testbed.MailSinkOptions{Type: instance.Micro()})
			return took("mailsink", err)
		},
		func(ctx context.Context) error {
			_, err := st.bed.Binary(ctx, probePackage)
			return took("build", err)
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	if st.service, err = st.bed.Service(t.Context(), testbed.ServiceOptions{
		Package: probePackage, Args: []string{"--through", "00"}, Type: instance.Micro(),
		Postgres: st.postgres, MailSink: st.mail, Broker: st.rabbit, Aliases: []string{"app"},
	}); took("service", err) != nil {
		t.Fatal(err)
	}
	if st.link, err = st.bed.SlowLink(t.Context(), testbed.SlowLinkOptions{To: st.service.Server, Port: 8080}); took("slow link", err) != nil {
		t.Fatal(err)
	}
	return st
}

func TestServers(t *testing.T) {
	st := startStack(t)
	t.Run("nothing listens beyond loopback", st.loopbackOnly)
	t.Run("containers are confined and labelled", st.confined)
	t.Run("postgres is durable and watched", st.postgresSettings)
	t.Run("redis answers", st.redisAnswers)
	t.Run("rabbitmq takes a message", st.rabbitAnswers)
	t.Run("mail sink takes mail", st.mailAnswers)
	t.Run("service has its environment", st.serviceEnvironment)
	t.Run("resize while running", st.resize)
	t.Run("stop, kill and start", st.stopAndStart)
	t.Run("pause", st.pause)
	t.Run("disconnect and reconnect", st.disconnect)
	t.Run("nginx reloads", st.nginxReloads)
	t.Run("slow link", st.slowLink)
	t.Run("postgres survives a kill", st.postgresKill)
	t.Run("rabbitmq survives a kill", st.rabbitKill)
	t.Run("roles run and end", st.roles)
	t.Run("names are taken once", st.names)
}

func (st *stack) loopbackOnly(t *testing.T) {
	published := make(map[uint16]string)
	for _, s := range st.bed.Servers() {
		res, err := st.docker.ContainerInspect(t.Context(), s.ContainerID(), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for port, bindings := range res.Container.NetworkSettings.Ports {
			for _, b := range bindings {
				if !b.HostIP.IsLoopback() {
					t.Errorf("%s publishes %v on %v", s.Name(), port, b.HostIP)
				}
				n, err := strconv.ParseUint(b.HostPort, 10, 16)
				if err != nil {
					t.Fatal(err)
				}
				published[uint16(n)] = s.Name()
			}
		}
	}
	if len(published) < 10 {
		t.Fatalf("%d published ports: the test proves nothing", len(published))
	}
	// The engine's record and the kernel's setting may differ.
	seen := 0
	for _, l := range listeners(t) {
		name, ours := published[l.Port()]
		if !ours {
			continue
		}
		seen++
		if !l.Addr().IsLoopback() {
			t.Errorf("%s listens on %v", name, l)
		}
	}
	if seen == 0 {
		t.Error("no published port listens on this machine: the test proves nothing")
	}
}

// listeners returns the TCP addresses on which processes of this machine listen.
func listeners(t *testing.T) []netip.AddrPort {
	t.Helper()
	var found []netip.AddrPort
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Skipf("needs Linux: %v", err)
		}
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[3] != "0A" {
				continue
			}
			host, port, _ := strings.Cut(fields[1], ":")
			n, err := strconv.ParseUint(port, 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, netip.AddrPortFrom(kernelAddr(t, host), uint16(n)))
		}
	}
	return found
}

// kernelAddr reads an address as in proc_net_tcp(5): 32-bit words in host byte order.
func kernelAddr(t *testing.T, text string) netip.Addr {
	t.Helper()
	var raw []byte
	for i := 0; i+8 <= len(text); i += 8 {
		word, err := strconv.ParseUint(text[i:i+8], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		t.Fatalf("address %q", text)
	}
	return addr.Unmap()
}

func (st *stack) confined(t *testing.T) {
	for _, s := range st.bed.Servers() {
		res, err := st.docker.ContainerInspect(t.Context(), s.ContainerID(), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		host, config := res.Container.HostConfig, res.Container.Config
		if got := strings.Join(host.SecurityOpt, " "); !strings.Contains(got, "no-new-privileges") {
			t.Errorf("%s: security options %q", s.Name(), got)
		}
		if got := strings.Join(host.CapDrop, " "); got != "ALL" {
			t.Errorf("%s: dropped capabilities %q, want ALL", s.Name(), got)
		}
		if want := int64(s.Type().MemoryMiB) << 20; host.Memory != want {
			t.Errorf("%s: memory limit %d, want %d", s.Name(), host.Memory, want)
		}
		if !hostlock.Owned(config.Labels) || !hostlock.Alive(config.Labels) {
			t.Errorf("%s: labels %v do not name a living owner", s.Name(), config.Labels)
		}
		if st.bed.ID() != config.Labels["bytebites.bed"] {
			t.Errorf("%s: no label of its bed", s.Name())
		}
		if uid := serverUID(t, res.Container.State.Pid); uid == 0 && s.Kind() != "nginx" { // its master binds port 80
			t.Errorf("%s runs as root", s.Name())
		}
		if s.Type().CPU > 0 {
			q, err := s.Quota(t.Context())
			if err != nil || !q.InForce(s.Type()) || !q.Verified {
				t.Errorf("%s: quota %+v, %v; want %v CPU, verified", s.Name(), q, err, s.Type().CPU)
			}
		}
	}
}

// serverUID returns the effective user id of a process.
func serverUID(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("needs an engine on this machine: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "Uid:" {
			uid, err := strconv.Atoi(fields[2]) // effective
			if err != nil {
				t.Fatal(err)
			}
			return uid
		}
	}
	t.Fatalf("process %d has no user", pid)
	return 0
}

func openDB(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := pgconn.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (st *stack) postgresSettings(t *testing.T) {
	db := openDB(t, st.postgres.URL())
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"shared_preload_libraries": "pg_stat_statements", "shared_buffers": "128MB",
	} {
		var got string
		if err := db.QueryRowContext(t.Context(), "SHOW "+setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", setting, got, err, want)
		}
	}
	var count int
	const query = `SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%pg_prewarm%'`
	if err := db.QueryRowContext(t.Context(), query).Scan(&count); err != nil || count != 0 {
		t.Errorf("pg_stat_statements has %d statements of the warm-up, %v; want none", count, err)
	}
	// The counts of the first warm-up are published by now, at the end of its session.
	if err := st.postgres.WarmUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	var pages, total int
	const reads = `SELECT (SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()),
	                      (SELECT sum(relpages) FROM pg_class WHERE relkind IN ('r', 'i', 't'))`
	if err := db.QueryRowContext(t.Context(), reads).Scan(&pages, &total); err != nil || pages >= total {
		t.Errorf("%d pages are counted, %v; want fewer than the %d that the warm-up reads", pages, err, total)
	}
}

func (st *stack) redisAnswers(t *testing.T) {
	options, err := redis.ParseURL(st.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(options)
	defer func() { _ = c.Close() }()
	if got, err := c.ConfigGet(t.Context(), "save").Result(); err != nil || got["save"] != "" {
		t.Errorf("CONFIG GET save: %v, %v; want nothing saved", got, err)
	}
}

func (st *stack) rabbitAnswers(t *testing.T) {
	conn, err := amqp.Dial(st.rabbit.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("test", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", q.Name, true, false, amqp.Publishing{Body: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := confirm.WaitContext(t.Context()); err != nil || !ok {
		t.Errorf("message not confirmed: %v", err)
	}
	began := time.Now()
	for deadline := began.Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		queues, err := st.rabbit.Queues(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if queues["test"] == (testbed.Queue{Name: "test", Type: "quorum", Ready: 1}) && len(queues) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("queues %+v, want one with one message", queues)
		}
	}
	t.Logf("the broker counted its messages within %.1f s", time.Since(began).Seconds())
	wantStatus(t, st.rabbit.ManagementURL()+"api/overview", http.StatusOK)
	wantStatus(t, st.rabbit.MetricsURL(), http.StatusOK)

	_, err = st.bed.RabbitMQ(t.Context(), testbed.RabbitMQOptions{Name: "tiny", Type: instance.Nano()})
	if err == nil || !strings.Contains(err.Error(), "0.5") {
		t.Errorf("a broker at 0.1 CPU: %v, want an error that names the least", err)
	}
}

func (st *stack) mailAnswers(t *testing.T) {
	send := func() time.Duration {
		t.Helper()
		began := time.Now()
		message := []byte("Subject: hello\r\nMessage-ID: <1@bytebites.example>\r\n\r\nhello\r\n")
		if err := smtp.SendMail(st.mail.SMTPAddress(), nil, "a@bytebites.example", []string{"b@bytebites.example"}, message); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	send()
	const delay = 300 * time.Millisecond
	if err := st.mail.SetDelay(t.Context(), delay); err != nil {
		t.Fatal(err)
	}
	if took := send(); took < delay {
		t.Errorf("with a delay of %v mail took %v", delay, took)
	}
	if stats, err := st.mail.Stats(t.Context()); err != nil || stats.Accepted != 2 || stats.DelayMillis != delay.Milliseconds() {
		t.Errorf("stats %+v, %v; want 2 accepted and the delay", stats, err)
	}
	if mails, err := st.mail.Messages(t.Context(), "b@bytebites.example"); err != nil || len(mails) != 2 || mails[0].Subject != "hello" {
		t.Errorf("messages %+v, %v; want 2", mails, err)
	}
	if err := st.mail.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if mails, err := st.mail.Messages(t.Context(), ""); err != nil || len(mails) != 0 {
		t.Errorf("after a reset: %+v, %v", mails, err)
	}
	if err := st.mail.SetFailureRate(t.Context(), 2); err == nil {
		t.Error("a failure rate of 2 was taken")
	}
}

func (st *stack) serviceEnvironment(t *testing.T) {
	var who struct {
		Instance, Memory, Database, Broker string
		UID, Procs                         int
		Args                               []string
	}
	res, err := http.Get(st.service.URL() + "/who")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&who); err != nil {
		t.Fatal(err)
	}
	if who.Instance != "service" || who.UID != 65532 || who.Procs != 1 || who.Memory != "460MiB" ||
		who.Database != st.postgres.InternalURL() || who.Broker != st.rabbit.InternalURL() || strings.Join(who.Args, " ") != "--through 00" {
		t.Errorf("the service sees %+v", who)
	}
	wantStatus(t, st.service.PprofURL(), http.StatusNotFound) // the probe has none, but it answers
}

func (st *stack) roles(t *testing.T) {
	options := testbed.RoleOptions{
		Service: testbed.ServiceOptions{
			Name: "service", Package: probePackage, Args: []string{"--through", "00"}, Type: instance.Micro(),
			Shards: []*testbed.Postgres{st.postgres}, ShardURLs: []string{"first", st.postgres.InternalURL()},
			Broker: st.rabbit, BrokerURL: st.rabbit.URLVia(st.link),
		},
		Role: "migrate", Args: []string{"done"},
	}
	role, err := st.bed.Role(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	far := strings.Replace(st.rabbit.InternalURL(), st.rabbit.InternalAddress(testbed.AMQPPort), st.link.InternalAddress(), 1)
	want := fmt.Sprintf("role [%q %q], shards first,%s, broker %s\n", "migrate", "done", st.postgres.InternalURL(), far)
	for range 2 {
		code, logs, err := role.Wait(t.Context())
		if code != 3 || !strings.HasSuffix(logs, want) || err != nil {
			t.Fatalf("exit code %d, %v, logs %q; want 3 and %q", code, err, logs, want)
		}
		if err := role.Start(t.Context()); err != nil {
			t.Fatalf("once more: %v", err)
		}
	}
	if err := role.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}

	options.Args = []string{"wait"}
	if role, err = st.bed.Role(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if err := role.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, _, err := role.Wait(t.Context()); code != 137 || err != nil {
		t.Errorf("killed: exit code %d, %v", code, err)
	}
	if err := role.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if code, _, err := role.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("still at work: got %d, %v; want the context's own end", code, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		logs, err := role.Logs(t.Context(), 1)
		if err == nil && strings.Contains(logs, "role ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("says nothing in 10 s: %q, %v", logs, err)
		}
	}
	wantStatus(t, role.MetricsURL(), http.StatusOK)
	if err := role.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, logs, err := role.Wait(t.Context()); code != 3 || !strings.HasSuffix(logs, "told to stop\n") || err != nil {
		t.Errorf("told to stop: exit code %d, %v, logs %q", code, err, logs)
	}
}

func (st *stack) resize(t *testing.T) {
	s := st.service
	burn := func() testbed.Usage {
		t.Helper()
		before, err := s.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, s.URL()+"/burn", http.StatusOK)
		after, err := s.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return after.Since(before)
	}
	if err := s.Resize(t.Context(), instance.Nano()); err != nil {
		t.Fatal(err)
	}
	if q, err := s.Quota(t.Context()); err != nil || !q.InForce(instance.Nano()) || q.MemoryBytes != 256<<20 {
		t.Errorf("after a resize to 0.1 CPU: %+v, %v", q, err)
	}
	if u := burn(); u.ThrottledPeriods == 0 || u.ThrottledTime == 0 || u.CPU == 0 || u.Periods < u.ThrottledPeriods {
		t.Errorf("half a second of work at 0.1 CPU: %+v, want throttling", u)
	}
	if err := s.Resize(t.Context(), instance.Type{}); err != nil {
		t.Fatal(err)
	}
	if q, err := s.Quota(t.Context()); err != nil || q.CPU != 0 || q.KernelCPU != 0 {
		t.Errorf("after lifting the quota: %+v, %v", q, err)
	}
	if u := burn(); u.ThrottledTime != 0 {
		t.Errorf("without a quota: %+v, want no throttling", u)
	}
	if err := s.Resize(t.Context(), instance.Micro()); err != nil {
		t.Fatal(err)
	}
}

func (st *stack) stopAndStart(t *testing.T) {
	url, ip := st.service.URL(), st.service.IP()
	for name, end := range map[string]func(context.Context) error{"stop": st.service.Stop, "kill": st.service.Kill} {
		if err := end(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := get(t.Context(), url+"/readyz"); err == nil {
			t.Errorf("after %s the service still answers", name)
		}
		if err := st.service.Start(t.Context()); err != nil {
			t.Fatalf("start after %s: %v", name, err)
		}
		wantStatus(t, url+"/readyz", http.StatusOK)
		if got := st.engineIP(t, st.service.Server); got != ip {
			t.Errorf("after %s and start the address is %v, want %v", name, got, ip)
		}
	}
	if err := st.redis.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := st.redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	st.redisAnswers(t)
}

func (st *stack) engineIP(t *testing.T, s *testbed.Server) netip.Addr {
	t.Helper()
	res, err := st.docker.ContainerInspect(t.Context(), s.ContainerID(), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range res.Container.NetworkSettings.Networks {
		return endpoint.IPAddress
	}
	return netip.Addr{}
}

func (st *stack) pause(t *testing.T) {
	if err := st.service.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if status, err := get(ctx, st.service.URL()+"/readyz"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused service: status %d, %v; want no answer", status, err)
	}
	if err := st.service.Unpause(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, st.service.URL()+"/readyz", http.StatusOK)
}

func (st *stack) disconnect(t *testing.T) {
	url, ip := st.service.URL(), st.service.IP()
	if err := st.service.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t.Context(), url+"/readyz"); err == nil {
		t.Error("a disconnected service answers")
	}
	if err := st.service.Reconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, url+"/readyz", http.StatusOK)
	if got := st.engineIP(t, st.service.Server); got != ip {
		t.Errorf("after a reconnect the address is %v, want %v", got, ip)
	}
	for _, name := range []string{"service", "app"} {
		out, err := st.nginx.Exec(t.Context(), "getent", "hosts", name)
		if err != nil || !strings.Contains(out, ip.String()) {
			t.Errorf("after a reconnect %s is %q, %v; want %v", name, out, err, ip)
		}
	}
}

func body(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (st *stack) nginxReloads(t *testing.T) {
	if got := body(t, st.nginx.URL()); got != "first" {
		t.Errorf("nginx says %q", got)
	}
	if err := st.nginx.ReplaceConf(t.Context(), nginxConf("second")); err != nil {
		t.Fatal(err)
	}
	for range 20 { // every worker must have the new configuration
		http.DefaultClient.CloseIdleConnections()
		if got := body(t, st.nginx.URL()); got != "second" {
			t.Fatalf("after the reload nginx says %q", got)
		}
	}
	err := st.nginx.ReplaceConf(t.Context(), []byte("events {} http { no_such_directive; }\n"))
	var refused *testbed.ConfigError
	if !errors.As(err, &refused) || !strings.Contains(refused.Output, "no_such_directive") {
		t.Errorf("a broken configuration: %v, want a ConfigError with nginx's words", err)
	}
	if got := body(t, st.nginx.URL()); got != "second" {
		t.Errorf("after a broken configuration nginx says %q", got)
	}
	if err := st.nginx.Reload(t.Context()); err != nil {
		t.Errorf("the old configuration was not put back: %v", err)
	}
	if err := st.nginx.ReplaceFile(t.Context(), "/etc/nginx/other.conf", nil); err == nil {
		t.Error("a file that nginx does not read was replaced")
	}
	if err := st.nginx.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := st.nginx.Reload(t.Context()); err == nil {
		t.Error("a stopped nginx was reloaded")
	}
	if err := st.nginx.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The shell that wrote the files before has ended with the server. No line break at the end.
	const third = "'third' END $0 `\\n` \x00"
	if err := st.nginx.ReplaceConf(t.Context(), append(nginxConf("third"), "# "+third...)); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	if got := body(t, st.nginx.URL()); got != "third" {
		t.Errorf("after a restart nginx says %q", got)
	}
	if got, err := st.nginx.Exec(t.Context(), "tail", "-n1", "/etc/nginx/nginx.conf"); err != nil || got != "# "+third {
		t.Errorf("the last line of the file is %q (%v), want %q", got, err, "# "+third)
	}
	if err := st.nginx.ReplaceConf(t.Context(), nginxConf("second")); err != nil { // for whoever comes next
		t.Fatal(err)
	}
}

func (st *stack) slowLink(t *testing.T) {
	url := "http://" + st.link.Address() + "/readyz"
	took := func() time.Duration {
		t.Helper()
		began := time.Now()
		wantStatus(t, url, http.StatusOK)
		return time.Since(began)
	}
	fast := took()
	const latency = 200 * time.Millisecond
	for range 2 { // the second replaces the first
		if err := st.link.SetLatency(t.Context(), latency, 0); err != nil {
			t.Fatal(err)
		}
	}
	if slow := took(); slow < latency || slow > fast+3*latency {
		t.Errorf("with %v of latency a request takes %v, without %v", latency, slow, fast)
	}
	if err := st.link.SetLatency(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
	if again := took(); again > latency {
		t.Errorf("after the latency was lifted a request takes %v", again)
	}
	if err := st.link.SetBandwidth(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := st.link.SetBandwidth(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := st.link.Swallow(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	hurried, cancel := context.WithTimeout(t.Context(), latency)
	defer cancel()
	if _, err := get(hurried, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("over a link that swallows: %v, want no answer and no refusal", err)
	}
	if err := st.link.Swallow(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	took()
	if err := st.link.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t.Context(), url); err == nil {
		t.Error("a request goes over a link that was cut")
	}
	if err := st.link.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	took()
	if got := st.postgres.URLVia(st.link); !strings.Contains(got, "@link-to-service:8080/") {
		t.Errorf("address by way of the link: %s", got)
	}
}

func (st *stack) postgresKill(t *testing.T) {
	db := openDB(t, st.postgres.URL())
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)"); err != nil {
		t.Fatal(err)
	}
	if err := st.postgres.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := st.postgres.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := openDB(t, st.postgres.URL()).QueryRowContext(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 42 {
		t.Errorf("after a kill the committed row is %d, %v", n, err)
	}
}

// A log line says that a broker is ready. After a restart the old line must not count.
func (st *stack) rabbitKill(t *testing.T) {
	if err := st.rabbit.Resize(t.Context(), instance.Type{}); err != nil { // to be quick
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	connected, kept := make(chan context.Context), make(chan error, 1)
	go func() {
		kept <- rabbit.Keep(ctx, rabbit.Options{URL: st.rabbit.URL(), Name: "test", Logger: slog.New(slog.DiscardHandler)},
			func(ctx context.Context, _ *amqp.Connection) error {
				connected <- ctx
				<-ctx.Done()
				return nil
			})
	}()
	before := <-connected
	if err := st.rabbit.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-before.Done()
	if err := st.rabbit.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-connected:
	case <-time.After(30 * time.Second):
		t.Fatal("a kept connection does not come back within 30 s")
	}
	cancel()
	if err := <-kept; err != nil {
		t.Errorf("a kept connection that is given up: %v", err)
	}
	conn, err := amqp.Dial(st.rabbit.URL())
	if err != nil {
		t.Fatalf("a broker that is ready again: %v", err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if message, ok, err := ch.Get("test", true); err != nil || !ok || string(message.Body) != "hello" {
		t.Errorf("the confirmed message is %q, %v, %v", message.Body, ok, err)
	}
}

func (st *stack) names(t *testing.T) {
	_, err := st.bed.Service(t.Context(), testbed.ServiceOptions{Name: "app", Package: probePackage})
	if err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second server named app: %v", err)
	}
	_, err = st.bed.Service(t.Context(), testbed.ServiceOptions{Name: "broken", Package: probePackage, Env: map[string]string{"PROBE_FAIL": "1"}})
	var failed *testbed.StartError
	if !errors.As(err, &failed) || !strings.Contains(failed.Logs, "told to fail at the start") || !strings.Contains(err.Error(), "exit code 1") {
		t.Errorf("a service that ends at once: %v, want its exit code and its log", err)
	}
	var unavailable *engine.Unavailable
	if errors.As(err, &unavailable) {
		t.Error("a service that ends at once is taken for a fault of the environment")
	}
	// A failed start and a removal both free the name.
	s, err := st.bed.Service(t.Context(), testbed.ServiceOptions{Name: "broken", Package: probePackage})
	if err != nil {
		t.Fatal(err)
	}
	logs, err := s.Logs(t.Context(), 10)
	if err != nil || strings.ContainsRune(logs, 0) {
		t.Errorf("logs %q, %v", logs, err)
	}
	servers := len(st.bed.Servers())
	if err := s.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(st.bed.Servers()); got != servers-1 {
		t.Errorf("after a removal there are %d servers, want %d", got, servers-1)
	}
	if _, err := st.bed.Redis(t.Context(), testbed.RedisOptions{Name: "broken"}); err != nil {
		t.Error(err)
	}
}
