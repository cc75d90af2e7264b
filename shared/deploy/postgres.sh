#!/bin/sh
# Starts PostgreSQL with the password in POSTGRES_PASSWORD, on a seeded database too. The seeded image
# has a password that is the same everywhere, and the image's entrypoint sets POSTGRES_PASSWORD only
# when it makes a new database.
set -eu
if [ -s "$PGDATA/PG_VERSION" ]; then
	password=$(printf '%s' "$POSTGRES_PASSWORD" | sed "s/'/''/g")
	# A server in single-user mode listens nowhere and asks for no password.
	printf "ALTER ROLE \"%s\" PASSWORD '%s'\n" "$POSTGRES_USER" "$password" |
		postgres --single -D "$PGDATA" "$POSTGRES_DB" >/dev/null
fi
exec docker-entrypoint.sh "$@"
