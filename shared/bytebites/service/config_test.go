package service_test

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"bytebites.example/workshop/shared/bytebites/service"
)

func whole() map[string]string {
	return map[string]string{
		"BYTEBITES_CATALOGUE_DB":   "postgres://shop:hunter2secret@db:5432/shop?sslmode=disable",
		"BYTEBITES_SMTP":           "mail:2525",
		"BYTEBITES_STAFF_TOKEN":    "0123456789abcdef",
		"BYTEBITES_PAYMENT_SECRET": "fedcba9876543210",
	}
}

func fromEnv(vars map[string]string) (service.Config, error) {
	return service.FromEnv(func(name string) string { return vars[name] })
}

func TestFromEnvDefaults(t *testing.T) {
	config, err := fromEnv(whole())
	if err != nil {
		t.Fatal(err)
	}
	if config.Addr != ":8080" || config.PprofAddr != "127.0.0.1:6060" || config.Instance == "" ||
		config.UserDataURL != config.CatalogueURL || config.LogLevel != slog.LevelInfo || len(config.ShardURLs) != 0 ||
		config.BrokerURL != "" || config.MetricsAddr != "" || config.SessionTTL != 12*time.Hour || config.SecureCookies {
		t.Errorf("got %+v", config)
	}
}

// The cookie is Secure where browsers reach the site over https, and never where that would keep
// people on a loopback address from signing in.
func TestFromEnvDecidesOnSecureCookies(t *testing.T) {
	for _, test := range []struct {
		publicURL, setting string
		want               bool
	}{
		{"", "", false},
		{"https://shop.example", "", true},
		{"https://shop.example:8443/", "", true},
		{"http://127.0.0.1:8081", "", false},
		{"http://localhost:8080", "false", false},
		{"", "true", true},
		{"", "false", false},
		{"https://shop.example", "true", true},
		{"https://shop.example", "false", false},
	} {
		vars := whole()
		vars["BYTEBITES_PUBLIC_URL"], vars["BYTEBITES_SECURE_COOKIES"] = test.publicURL, test.setting
		config, err := fromEnv(vars)
		if err != nil || config.SecureCookies != test.want {
			t.Errorf("site %q, setting %q: got %t, %v; want %t", test.publicURL, test.setting, config.SecureCookies, err, test.want)
		}
	}
}

func TestFromEnvRefusesSecureCookiesOverHTTP(t *testing.T) {
	vars := whole()
	vars["BYTEBITES_PUBLIC_URL"], vars["BYTEBITES_SECURE_COOKIES"] = "http://127.0.0.1:8081", "true"
	if _, err := fromEnv(vars); err == nil || !strings.Contains(err.Error(), "BYTEBITES_SECURE_COOKIES: ") {
		t.Errorf("got %v, want an error that names the variable", err)
	}
}

func TestFromEnvTakesEveryVariable(t *testing.T) {
	vars := whole()
	maps.Copy(vars, map[string]string{
		"BYTEBITES_ADDR": "127.0.0.1:1", "BYTEBITES_PPROF_ADDR": ":2", "BYTEBITES_INSTANCE": "i3",
		"BYTEBITES_USERDATA_DB": "postgresql://other:5432/users", "BYTEBITES_LOG_LEVEL": "debug",
		"BYTEBITES_TRUSTED_PROXIES": "10.1.0.0/16, fd00::1/128",
		"BYTEBITES_REDIS":           "redis:6379",
		"BYTEBITES_AMQP":            "amqp://shop:hunter2secret@rabbitmq:5672/",
		"BYTEBITES_METRICS_ADDR":    ":9464",
		"BYTEBITES_SHARD_DBS":       "postgres://shard1:5432/users, postgres://shard2:5432/users",
		"BYTEBITES_SESSION_TTL":     "90m", "BYTEBITES_SECURE_COOKIES": "true",
	})
	config, err := fromEnv(vars)
	if err != nil {
		t.Fatal(err)
	}
	if config.Addr != "127.0.0.1:1" || config.PprofAddr != ":2" || config.Instance != "i3" ||
		config.UserDataURL != "postgresql://other:5432/users" || config.LogLevel != slog.LevelDebug ||
		config.SMTPAddr != "mail:2525" || config.RedisAddr != "redis:6379" ||
		config.BrokerURL != "amqp://shop:hunter2secret@rabbitmq:5672/" || config.MetricsAddr != ":9464" || config.StaffToken != "0123456789abcdef" ||
		string(config.PaymentSecret) != "fedcba9876543210" || config.SessionTTL != 90*time.Minute || !config.SecureCookies ||
		!slices.Equal(config.ShardURLs, []string{"postgres://shard1:5432/users", "postgres://shard2:5432/users"}) ||
		!slices.Equal(config.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::1/128")}) {
		t.Errorf("got %+v", config)
	}
}

func TestFromEnvNamesWhatIsWrong(t *testing.T) {
	for name, values := range map[string][]string{
		"BYTEBITES_CATALOGUE_DB": {"", "db:5432", "mysql://shop:hunter2secret@db/shop", "postgres://shop:hunter2secret@db:port/shop"},
		"BYTEBITES_USERDATA_DB":  {"users", "http://hunter2secret@db"},
		"BYTEBITES_SHARD_DBS": {"shard1", "postgres://hunter2secret@shard1/a,", "postgres://a/a,mysql://hunter2secret@b/a",
			"postgres://x:hunter2secret@a/a,postgres://b/a,postgres://x:hunter2secret@a/a", whole()["BYTEBITES_CATALOGUE_DB"]},
		"BYTEBITES_SMTP":            {"", "mail"},
		"BYTEBITES_REDIS":           {"redis"},
		"BYTEBITES_AMQP":            {"rabbitmq:5672", "http://hunter2secret@rabbitmq", "amqp://", "amqp://shop:hunter2secret@rabbitmq:port/"},
		"BYTEBITES_METRICS_ADDR":    {"9464"},
		"BYTEBITES_STAFF_TOKEN":     {"", "hunter2secret"},
		"BYTEBITES_PAYMENT_SECRET":  {"", "hunter2secret"},
		"BYTEBITES_ADDR":            {"8080"},
		"BYTEBITES_LOG_LEVEL":       {"loud"},
		"BYTEBITES_SESSION_TTL":     {"forever", "12", "0s", "-1h", "10ms", "9601h"},
		"BYTEBITES_PUBLIC_URL":      {"shop.example", "https://", "ftp://shop.example", "https://hunter2secret@shop:port"},
		"BYTEBITES_SECURE_COOKIES":  {"maybe"},
		"BYTEBITES_TRUSTED_PROXIES": {"10.0.0.1", "nginx", "10.0.0.0/8,"},
	} {
		for _, value := range values {
			vars := whole()
			vars[name] = value
			_, err := fromEnv(vars)
			if err == nil || !strings.Contains(err.Error(), name+": ") {
				t.Errorf("%s=%q: got %v, want an error that names the variable", name, value, err)
				continue
			}
			if strings.Contains(err.Error(), "hunter2secret") {
				t.Errorf("%s: the error gives a secret away: %v", name, err)
			}
		}
	}
}

// A role has no use for the secrets of the API.
func TestRoleFromEnvTakesNoSecretOfTheAPI(t *testing.T) {
	vars := whole()
	vars["BYTEBITES_DEMO_PASSWORD"] = "hunter2secret"
	config, err := service.RoleFromEnv(func(name string) string { return vars[name] })
	if err != nil || config.StaffToken != "" || len(config.PaymentSecret) > 0 || config.DemoPassword != "" {
		t.Errorf("got %+v, %v", config, err)
	}
	delete(vars, "BYTEBITES_STAFF_TOKEN")
	delete(vars, "BYTEBITES_PAYMENT_SECRET")
	if _, err := service.RoleFromEnv(func(name string) string { return vars[name] }); err != nil {
		t.Errorf("without the secrets: %v", err)
	}
	delete(vars, "BYTEBITES_CATALOGUE_DB")
	if _, err := service.RoleFromEnv(func(name string) string { return vars[name] }); err == nil {
		t.Error("a role without a database: want an error")
	}
}

func TestFromEnvNamesAllAtOnce(t *testing.T) {
	_, err := fromEnv(nil)
	if err == nil {
		t.Fatal("an empty environment is enough")
	}
	for name := range whole() {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v: does not name %s", err, name)
		}
	}
}
