package service

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// defaultSessionTTL is how long a sign-in lasts unless the setting says otherwise.
	defaultSessionTTL = 12 * time.Hour
	// minSessionTTL is one second, because a cookie's lifetime is a number of whole seconds.
	minSessionTTL = time.Second
	// maxSessionTTL is 400 days. Browsers cut the lifetime of a cookie to that.
	maxSessionTTL = 400 * 24 * time.Hour
)

// minSecretBytes is the length of the shortest secret that is accepted. Shorter secrets can be
// guessed.
const minSecretBytes = 16

const defaultAddr = ":8080"

// Config holds the settings that differ between running services. Secrets have no defaults.
type Config struct {
	Addr         string // of the API, host:port
	PprofAddr    string // of the profiles; empty for none
	Instance     string // name of this replica
	CatalogueURL string // postgres://...
	UserDataURL  string // may equal CatalogueURL; then both share one pool
	// ShardURLs are the servers that user data is spread over, shard 1 first. Without any, all user
	// data is on the server of UserDataURL.
	ShardURLs []string
	SMTPAddr  string // host:port of the mail server
	RedisAddr string // host:port of the cache; empty for none
	BrokerURL string // amqp://... of the message broker; empty for none

	MetricsAddr string // of a role's metrics, host:port; empty for none

	StaffToken    string
	PaymentSecret []byte

	// DemoEmail and DemoPassword fill in the storefront's sign-in form if they are set. They are
	// for the workshop's own stack, whose subscribers are invented.
	DemoEmail, DemoPassword string

	// SessionTTL is how long a sign-in lasts.
	SessionTTL time.Duration
	// SecureCookies marks the session cookie Secure. A browser then sends it over https only.
	SecureCookies bool

	// TrustedProxies are the addresses of load balancers. The service believes what they say about
	// a client's address.
	TrustedProxies []netip.Prefix

	LogLevel  slog.Level
	LogOutput io.Writer // os.Stdout if nil
}

// FromEnv reads a Config from environment variables through getenv (usually os.Getenv). The error
// names every variable that is missing or malformed. It never repeats a value, because values hold
// passwords.
//
//	BYTEBITES_ADDR            address of the API, :8080 unless set
//	BYTEBITES_PPROF_ADDR      address of the profiles, 127.0.0.1:6060 unless set
//	BYTEBITES_INSTANCE        name of this replica, the host's name unless set
//	BYTEBITES_CATALOGUE_DB    postgres:// URL, required
//	BYTEBITES_USERDATA_DB     postgres:// URL, the catalogue's unless set
//	BYTEBITES_SHARD_DBS       postgres:// URLs of the shards in order, with commas; none unless set
//	BYTEBITES_SMTP            host:port of the mail server, required
//	BYTEBITES_REDIS           host:port of Redis, required from lab 03 on
//	BYTEBITES_AMQP            amqp:// or amqps:// URL of RabbitMQ, required from lab 05 on
//	BYTEBITES_METRICS_ADDR    address of a role's metrics; none unless set
//	BYTEBITES_STAFF_TOKEN     secret of at least 16 bytes, required by the API, and not read by roles
//	BYTEBITES_PAYMENT_SECRET  the same
//	BYTEBITES_DEMO_EMAIL      fills in the storefront's sign-in form; nothing unless set
//	BYTEBITES_DEMO_PASSWORD   the same
//	BYTEBITES_SESSION_TTL     how long a sign-in lasts, 1s to 9600h; 12h unless set
//	BYTEBITES_PUBLIC_URL      address of the site in a browser; with https, cookies are Secure
//	BYTEBITES_SECURE_COOKIES  true or false; what BYTEBITES_PUBLIC_URL says unless set
//	BYTEBITES_TRUSTED_PROXIES prefixes such as 10.0.0.0/24, with commas; none unless set
//	BYTEBITES_LOG_LEVEL       debug, info, warn or error; info unless set
func FromEnv(getenv func(string) string) (Config, error) {
	e := env{get: getenv}
	config := e.common()
	config.StaffToken = e.secret("BYTEBITES_STAFF_TOKEN")
	config.PaymentSecret = []byte(e.secret("BYTEBITES_PAYMENT_SECRET"))
	config.DemoEmail = getenv("BYTEBITES_DEMO_EMAIL")
	config.DemoPassword = getenv("BYTEBITES_DEMO_PASSWORD")
	return config, errors.Join(e.problems...)
}

// RoleFromEnv reads the Config of a role as FromEnv does. A role serves no request, so it needs no
// secret of the API, and keeps none that is set.
func RoleFromEnv(getenv func(string) string) (Config, error) {
	e := env{get: getenv}
	config := e.common()
	return config, errors.Join(e.problems...)
}

// common reads what the API and the roles both need.
func (e *env) common() Config {
	config := Config{
		Addr:           e.addr("BYTEBITES_ADDR", defaultAddr),
		PprofAddr:      e.addr("BYTEBITES_PPROF_ADDR", "127.0.0.1:6060"),
		Instance:       e.orElse("BYTEBITES_INSTANCE", hostname),
		CatalogueURL:   e.database("BYTEBITES_CATALOGUE_DB"),
		SMTPAddr:       e.addr("BYTEBITES_SMTP", ""),
		SessionTTL:     e.sessionTTL("BYTEBITES_SESSION_TTL"),
		SecureCookies:  e.secureCookies("BYTEBITES_SECURE_COOKIES", "BYTEBITES_PUBLIC_URL"),
		TrustedProxies: e.prefixes("BYTEBITES_TRUSTED_PROXIES"),
		LogLevel:       e.level("BYTEBITES_LOG_LEVEL"),
	}
	if e.get("BYTEBITES_REDIS") != "" {
		config.RedisAddr = e.addr("BYTEBITES_REDIS", "")
	}
	if e.get("BYTEBITES_METRICS_ADDR") != "" {
		config.MetricsAddr = e.addr("BYTEBITES_METRICS_ADDR", "")
	}
	if e.get("BYTEBITES_AMQP") != "" {
		config.BrokerURL = e.broker("BYTEBITES_AMQP")
	}
	config.UserDataURL = config.CatalogueURL
	if e.get("BYTEBITES_USERDATA_DB") != "" {
		config.UserDataURL = e.database("BYTEBITES_USERDATA_DB")
	}
	config.ShardURLs = e.shards("BYTEBITES_SHARD_DBS", config.UserDataURL)
	return config
}

// env reads variables and collects the problems that it finds.
type env struct {
	get      func(string) string
	problems []error
}

func (e *env) fail(name, problem string) string {
	e.problems = append(e.problems, fmt.Errorf("%s: %s", name, problem))
	return ""
}

func (e *env) orElse(name string, fallback func() string) string {
	if value := e.get(name); value != "" {
		return value
	}
	return fallback()
}

func (e *env) addr(name, fallback string) string {
	value := e.orElse(name, func() string { return fallback })
	if value == "" {
		return e.fail(name, "required, such as localhost:2525")
	}
	if _, _, err := net.SplitHostPort(value); err != nil {
		return e.fail(name, "want host:port")
	}
	return value
}

func (e *env) database(name string) string {
	value := e.get(name)
	if value == "" {
		return e.fail(name, "required, such as postgres://user:password@host:5432/name?sslmode=disable")
	}
	if !isDatabase(value) {
		return e.fail(name, "want a URL such as postgres://user:password@host:5432/name?sslmode=disable")
	}
	return value
}

func isDatabase(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Host != ""
}

func (e *env) broker(name string) string {
	value := e.get(name)
	if u, err := url.Parse(value); err != nil || (u.Scheme != "amqp" && u.Scheme != "amqps") || u.Host == "" {
		return e.fail(name, "want a URL such as amqp://user:password@host:5672/")
	}
	return value
}

// shards reads the URLs of the shards. Their order gives their numbers. No two may be the same
// server: a move from a server to itself would delete the rows at its end.
func (e *env) shards(name, old string) []string {
	value := e.get(name)
	if value == "" {
		return nil
	}
	taken := map[string]string{old: "BYTEBITES_USERDATA_DB"}
	var all []string
	for text := range strings.SplitSeq(value, ",") {
		shard, text := fmt.Sprintf("shard %d", len(all)+1), strings.TrimSpace(text)
		if !isDatabase(text) {
			e.fail(name, shard+": want a URL such as postgres://user:password@host:5432/name?sslmode=disable")
			return nil
		}
		if other, ok := taken[text]; ok {
			e.fail(name, shard+" is the same as "+other)
			return nil
		}
		taken[text] = shard
		all = append(all, text)
	}
	return all
}

func (e *env) secret(name string) string {
	value := e.get(name)
	switch {
	case value == "":
		return e.fail(name, "required; it has no default")
	case len(value) < minSecretBytes:
		return e.fail(name, fmt.Sprintf("%d bytes are too few for a secret, want %d or more", len(value), minSecretBytes))
	}
	return value
}

func (e *env) sessionTTL(name string) time.Duration {
	value := e.get(name)
	if value == "" {
		return defaultSessionTTL
	}
	ttl, err := time.ParseDuration(value)
	if err != nil || ttl < minSessionTTL || ttl > maxSessionTTL {
		e.fail(name, "want a duration from 1s to 9600h, such as 30m")
		return 0
	}
	return ttl
}

// secureCookies reads whether the session cookie is Secure. Without both settings it is not: most
// browsers do not send a Secure cookie over http, so nobody could sign in on http://127.0.0.1.
func (e *env) secureCookies(name, publicURL string) bool {
	site := e.get(publicURL)
	https := false
	if site != "" {
		u, err := url.Parse(site)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
			e.fail(publicURL, "want the URL of the site, such as https://shop.example")
			return false
		}
		https = u.Scheme == "https"
	}
	value := e.get(name)
	if value == "" {
		return https
	}
	secure, err := strconv.ParseBool(value)
	switch {
	case err != nil:
		e.fail(name, "want true or false")
	case secure && site != "" && !https:
		e.fail(name, "true, and "+publicURL+" is http: a browser would not send the cookie")
	}
	return secure
}

func (e *env) prefixes(name string) []netip.Prefix {
	value := e.get(name)
	if value == "" {
		return nil
	}
	var all []netip.Prefix
	for text := range strings.SplitSeq(value, ",") {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			e.fail(name, "want prefixes such as 10.0.0.0/24, with commas between them")
			return nil
		}
		all = append(all, prefix)
	}
	return all
}

func (e *env) level(name string) slog.Level {
	var level slog.Level
	if value := e.get(name); value != "" {
		if err := level.UnmarshalText([]byte(value)); err != nil {
			e.fail(name, "want debug, info, warn or error")
		}
	}
	return level
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
