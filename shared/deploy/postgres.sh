#!/bin/sh
# Starts PostgreSQL with the password in POSTGRES_PASSWORD, on a seeded database too. The seeded image
# has a password that is the same everywhere, and the image's entrypoint sets POSTGRES_PASSWORD only
# when it makes a new database. The role `monitor` of the exporter is made in the same way, with the
# password in MONITOR_PASSWORD. It may read statistics, and no tables.
set -eu
quoted() { printf '%s' "$1" | sed "s/'/''/g"; }
if [ -s "$PGDATA/PG_VERSION" ]; then
	# A server in single-user mode listens nowhere and asks for no password. It reads a statement a line.
	{
		printf "ALTER ROLE \"%s\" PASSWORD '%s'\n" "$POSTGRES_USER" "$(quoted "$POSTGRES_PASSWORD")"
		if [ -n "${MONITOR_PASSWORD:-}" ]; then
			# shellcheck disable=SC2016 # $do$ is a quote of PostgreSQL
			printf '%s\n' 'DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $n$monitor$n$) THEN CREATE ROLE monitor LOGIN CONNECTION LIMIT 5; GRANT pg_monitor TO monitor; END IF; END $do$'
			printf "ALTER ROLE monitor PASSWORD '%s'\n" "$(quoted "$MONITOR_PASSWORD")"
		fi
	} | postgres --single -D "$PGDATA" "$POSTGRES_DB" >/dev/null
fi
exec docker-entrypoint.sh "$@"
