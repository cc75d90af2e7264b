// Package pgconn makes connections to PostgreSQL from a URL and nothing else.
//
// The driver's own functions (pq.NewConfig, pq.NewConnector, sql.Open) also read the variables
// of libpq, such as PGHOSTADDR and PGOPTIONS, and a service file. Those are the user's, for the
// user's own databases. With some of them the driver connects to another server or refuses to
// connect at all.
package pgconn

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"
)

// defaultPort is PostgreSQL's.
const defaultPort = 5432

// Config returns the driver's configuration for a URL such as
// postgres://user:password@host:5432/database?sslmode=disable. A setting in the URL's query is
// the driver's if it is one of those below, and else a run-time parameter of the server, such as
// statement_timeout. No error contains the password.
func Config(databaseURL string) (pq.Config, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Hostname() == "" ||
		strings.Contains(u.Host, ",") || u.User.Username() == "" {
		return pq.Config{}, errors.New("database URL: want postgres://user:password@host:port/database")
	}
	password, _ := u.User.Password()
	config := pq.Config{
		Host:     u.Hostname(),
		Port:     defaultPort,
		User:     u.User.Username(),
		Password: password,
		// Without a password the driver would look for one in ~/.pgpass.
		Passfile: os.DevNull,
		Database: strings.TrimPrefix(u.Path, "/"),
		// The rest is what pq.NewConfig starts from.
		SSLSNI:             true,
		ClientEncoding:     "UTF8",
		Datestyle:          "ISO, MDY",
		MinProtocolVersion: pq.ProtocolVersion30,
		MaxProtocolVersion: pq.ProtocolVersion30,
		Runtime:            map[string]string{},
	}
	if u.Port() != "" {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || port == 0 {
			return pq.Config{}, errors.New("database URL: want a port from 1 to 65535")
		}
		config.Port = uint16(port)
	}
	query := u.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if err := set(&config, name, query.Get(name)); err != nil {
			return pq.Config{}, fmt.Errorf("database URL: setting %s: %w", name, err)
		}
	}
	return config, nil
}

// Open returns a pool for a URL. It does not connect yet.
func Open(databaseURL string) (*sql.DB, error) {
	connector, err := Connector(databaseURL)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Connector returns a connector for a URL, for a pool that needs a connector of its own around
// it.
func Connector(databaseURL string) (driver.Connector, error) {
	config, err := Config(databaseURL)
	if err != nil {
		return nil, err
	}
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, fmt.Errorf("configure connections to %s: %w", config.Host, err)
	}
	return connector, nil
}

// set applies a setting of the URL's query. The error does not contain the value, which may be
// part of a password that was not escaped.
func set(config *pq.Config, name, value string) error {
	switch name {
	case "sslmode":
		modes := []pq.SSLMode{pq.SSLModeDisable, pq.SSLModeAllow, pq.SSLModePrefer, pq.SSLModeRequire, pq.SSLModeVerifyCA, pq.SSLModeVerifyFull}
		if !slices.Contains(modes, pq.SSLMode(value)) {
			return fmt.Errorf("want one of %v", modes)
		}
		config.SSLMode = pq.SSLMode(value)
	case "sslrootcert":
		config.SSLRootCert = value
	case "sslcert":
		config.SSLCert = value
	case "sslkey":
		config.SSLKey = value
	case "application_name":
		config.ApplicationName = value
	case "options":
		config.Options = value
	case "connect_timeout":
		seconds, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return errors.New("want a number of seconds")
		}
		config.ConnectTimeout = time.Duration(seconds) * time.Second
	case "binary_parameters":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New("want true or false")
		}
		config.BinaryParameters = on
	default:
		if slices.Contains(unsupported(), name) {
			return errors.New("not supported")
		}
		config.Runtime[name] = value
	}
	return nil
}

// unsupported returns the other settings of libpq and of the driver. The server would reject them
// as parameters that it does not know.
func unsupported() []string {
	return []string{
		"channel_binding", "client_encoding", "datestyle", "dbname", "disable_prepared_binary_result",
		"fallback_application_name", "gssencmode", "gsslib", "host", "hostaddr", "krbsrvname", "krbspn",
		"load_balance_hosts", "max_protocol_version", "min_protocol_version", "passfile", "password", "port",
		"require_auth", "requirepeer", "service", "ssl_max_protocol_version", "ssl_min_protocol_version",
		"sslcrl", "sslcrldir", "sslinline", "sslnegotiation", "sslsni", "target_session_attrs", "user",
	}
}
