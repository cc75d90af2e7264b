package testbed_test

import (
	"context"
	"database/sql"
	"net/smtp"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"

	"bytebites.example/workshop/shared/bytebites/pgconn"
	"bytebites.example/workshop/shared/bytebites/seed"
	"bytebites.example/workshop/shared/instance"
	"bytebites.example/workshop/shared/testbed"
)

// kitchen is what one run on a reusable bed starts.
type kitchen struct {
	postgres *testbed.Postgres
	redis    *testbed.Redis
	rabbit   *testbed.RabbitMQ
	mail     *testbed.MailSink
}

func openKitchen(t *testing.T, bed *testbed.Bed, size seed.Size) kitchen {
	t.Helper()
	var k kitchen
	err := testbed.SideBySide(t.Context(),
		func(ctx context.Context) (err error) {
			k.postgres, err = bed.Postgres(ctx, testbed.PostgresOptions{Type: instance.Micro(), Dataset: &size})
			return err
		},
		func(ctx context.Context) (err error) {
			k.redis, err = bed.Redis(ctx, testbed.RedisOptions{Type: instance.Micro()})
			return err
		},
		func(ctx context.Context) (err error) {
			k.rabbit, err = bed.RabbitMQ(ctx, testbed.RabbitMQOptions{Type: instance.Medium()})
			return err
		},
		func(ctx context.Context) (err error) {
			k.mail, err = bed.MailSink(ctx, testbed.MailSinkOptions{Delay: time.Millisecond})
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestRecycle: what one run did to the servers is undone for the next, also when it left them
// paused, stopped or disconnected.
func TestRecycle(t *testing.T) {
	bed := testbed.ForTestWith(t, testbed.Options{Reusable: true})
	ctx := t.Context()
	first := openKitchen(t, bed, seed.Small())
	service, err := bed.Service(ctx, testbed.ServiceOptions{Package: probePackage})
	if err != nil {
		t.Fatal(err)
	}

	first.spoil(t)
	began := time.Now()
	if err := bed.Recycle(ctx); err != nil {
		t.Fatal(err)
	}
	second := openKitchen(t, bed, seed.Small())
	t.Logf("recycled in %.1f s", time.Since(began).Seconds())

	if first != second {
		t.Errorf("got %+v, want the servers of before: %+v", second, first)
	}
	second.fresh(t)
	if running, err := service.Logs(ctx, 1); err == nil {
		t.Errorf("the service is still there: %s", running)
	}
	if quota, err := second.postgres.Quota(ctx); err != nil || !quota.InForce(instance.Micro()) {
		t.Errorf("the quota is %+v, %v; want that of %v", quota, err, instance.Micro())
	}

	// Other options need another container.
	if err := bed.Recycle(ctx); err != nil {
		t.Fatal(err)
	}
	third := openKitchen(t, bed, seed.Early())
	if third.postgres == second.postgres || third.redis != second.redis {
		t.Error("want another PostgreSQL for another data set, and the same Redis")
	}
}

// spoil changes everything that a check may change.
func (k kitchen) spoil(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	db := k.database(t)
	for _, statement := range []string{`DELETE FROM order_lines`, `DELETE FROM orders`, `CREATE TABLE extra (n int)`} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	client := k.client(t)
	if err := client.Set(ctx, "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ConfigSet(ctx, "maxmemory", "12345678").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.channel(t).QueueDeclare("leftover", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	send(t, k.mail.SMTPAddress(), "zoe@example.com")
	for what, err := range map[string]error{
		"delay":      k.mail.SetDelay(ctx, time.Minute),
		"kill":       k.postgres.Kill(ctx),
		"pause":      k.redis.Pause(ctx),
		"disconnect": k.rabbit.Disconnect(ctx),
	} {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// fresh fails the test when something of spoil is left.
func (k kitchen) fresh(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	db := k.database(t)
	var orders, extra int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM orders`).Scan(&orders); err != nil || orders != seed.Small().Orders {
		t.Errorf("%d orders, %v; want %d", orders, err, seed.Small().Orders)
	}
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_tables WHERE tablename = 'extra'`).Scan(&extra); err != nil || extra != 0 {
		t.Errorf("%d tables that a run made, %v", extra, err)
	}
	client := k.client(t)
	if n, err := client.DBSize(ctx).Result(); err != nil || n != 0 {
		t.Errorf("%d keys in Redis, %v; want none", n, err)
	}
	if limit, err := client.ConfigGet(ctx, "maxmemory").Result(); err != nil || limit["maxmemory"] != "0" {
		t.Errorf("maxmemory is %v, %v; want the 0 of the start", limit, err)
	}
	if _, err := k.channel(t).QueueDeclarePassive("leftover", true, false, false, false, nil); err == nil {
		t.Error("the queue of the first run is still there")
	}
	stats, err := k.mail.Stats(ctx)
	if err != nil || stats.Accepted != 0 {
		t.Errorf("the mail server says %+v, %v; want no mail", stats, err)
	}
	began := time.Now()
	send(t, k.mail.SMTPAddress(), "zoe@example.com")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("a mail took %v: the delay of the first run is still set", took)
	}
}

func (k kitchen) database(t *testing.T) *sql.DB {
	t.Helper()
	db, err := pgconn.Open(k.postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (k kitchen) client(t *testing.T) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: k.redis.Address()})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func (k kitchen) channel(t *testing.T) *amqp.Channel {
	t.Helper()
	connection, err := amqp.Dial(k.rabbit.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	channel, err := connection.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return channel
}

// send sends one mail.
func send(t *testing.T, server, to string) {
	t.Helper()
	message := []byte("Subject: hello\r\nMessage-ID: <1@bytebites.example>\r\n\r\nhello\r\n")
	if err := smtp.SendMail(server, nil, "a@bytebites.example", []string{to}, message); err != nil {
		t.Fatal(err)
	}
}
