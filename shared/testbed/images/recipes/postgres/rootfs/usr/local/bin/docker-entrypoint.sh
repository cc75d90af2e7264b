#!/bin/bash
# Starts PostgreSQL by the contract of the official image:
#
#   POSTGRES_PASSWORD, POSTGRES_USER (postgres), POSTGRES_DB (the user's name),
#   POSTGRES_INITDB_ARGS          each also as NAME_FILE, the path of a file that holds it
#   POSTGRES_HOST_AUTH_METHOD     for connections by TCP; default: scram-sha-256
#   POSTGRES_INITDB_WALDIR        where to put the write-ahead log
#   PGDATA                        the data directory
#   /docker-entrypoint-initdb.d   *.sh, *.sql, *.sql.gz, *.sql.xz, *.sql.zst, run once, in order
#
# The command is `postgres ...`, or only the options of it; anything else is run as it is.
set -Eeuo pipefail

fail() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# from_file NAME [DEFAULT] exports NAME, taken from itself, from the file that NAME_FILE
# names, or from the default.
from_file() {
	local name=$1 file_name="${1}_FILE" value=${2:-}
	if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
		fail "both $name and $file_name are set, choose one"
	fi
	if [[ -n ${!name:-} ]]; then
		value=${!name}
	elif [[ -n ${!file_name:-} ]]; then
		value=$(<"${!file_name}")
	fi
	export "$name=$value"
	unset "$file_name"
}

# own DIRECTORY gives away what the postgres user does not own yet. Touching a file that
# is right already would copy it out of the image's layer: a seeded database would start
# in tens of seconds, not in one.
own() {
	find "$1" ! -user postgres -exec chown postgres '{}' +
}

prepare_directories() {
	mkdir -p "$PGDATA"
	# PostgreSQL insists on this. On some mounts it cannot be set; PostgreSQL then says so.
	chmod 0700 "$PGDATA" || printf 'warning: cannot change the mode of %s\n' "$PGDATA" >&2
	if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
		chmod 0700 "$POSTGRES_INITDB_WALDIR"
	fi
	if [[ $(id -u) == 0 ]]; then
		own "$PGDATA"
		own /var/run/postgresql
		if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
			own "$POSTGRES_INITDB_WALDIR"
		fi
	fi
}

# query runs SQL on the server that is being set up, as the superuser.
query() {
	PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"
}

run_init_files() {
	local file
	for file in /docker-entrypoint-initdb.d/*; do
		case $file in
		*.sh)
			# A script that may not be executed is read into this shell, as officially.
			if [[ -x $file ]]; then
				printf '%s: running %s\n' "$0" "$file"
				"$file"
			else
				printf '%s: sourcing %s\n' "$0" "$file"
				# shellcheck source=/dev/null
				. "$file"
			fi
			;;
		*.sql) printf '%s: running %s\n' "$0" "$file" && query --dbname "$POSTGRES_DB" --file "$file" ;;
		*.sql.gz) printf '%s: running %s\n' "$0" "$file" && gunzip -c "$file" | query --dbname "$POSTGRES_DB" ;;
		*.sql.xz) printf '%s: running %s\n' "$0" "$file" && xzcat "$file" | query --dbname "$POSTGRES_DB" ;;
		*.sql.zst) printf '%s: running %s\n' "$0" "$file" && zstd -dc "$file" | query --dbname "$POSTGRES_DB" ;;
		/docker-entrypoint-initdb.d/\*) ;; # the folder is empty
		*) printf '%s: ignoring %s\n' "$0" "$file" ;;
		esac
	done
}

# initialise makes the cluster, the database and what the init files hold. $@ are the
# server's options.
initialise() {
	if [[ -z $POSTGRES_PASSWORD && ${POSTGRES_HOST_AUTH_METHOD:-} != trust ]]; then
		fail 'the database is new and has no superuser password: set POSTGRES_PASSWORD (or, for a machine that nobody else reaches, POSTGRES_HOST_AUTH_METHOD=trust)'
	fi

	local arguments=()
	if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
		arguments+=(--waldir "$POSTGRES_INITDB_WALDIR")
	fi
	if [[ -n $POSTGRES_INITDB_ARGS ]]; then
		# The variable is shell text, quotes and all, as officially.
		eval "arguments+=($POSTGRES_INITDB_ARGS)"
	fi
	# The line feed is for an empty password: initdb refuses an empty file.
	initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"

	local method=${POSTGRES_HOST_AUTH_METHOD:-}
	if [[ -z $method ]]; then
		method=$(postgres -C password_encryption "$@")
	fi
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

	# Nobody may come in by TCP while the init files run. The readiness line is in the log
	# twice because of this server: once for it, once for the real one.
	export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
	PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl -D "$PGDATA" -w start \
		-o "$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")"
	if [[ -z $(query --dbname postgres --tuples-only --set db="$POSTGRES_DB" <<<"SELECT 1 FROM pg_database WHERE datname = :'db'") ]]; then
		query --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db"'
	fi
	run_init_files
	PGUSER=${PGUSER:-postgres} pg_ctl -D "$PGDATA" -m fast -w stop
	unset PGPASSWORD
	printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

# asks_for_help reports whether the server would only print something and end.
asks_for_help() {
	local argument
	for argument; do
		case $argument in
		-'?' | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

if [[ ${1:-} == -* ]]; then
	set -- postgres "$@"
fi
if [[ ${1:-} == postgres ]] && ! asks_for_help "$@"; then
	from_file POSTGRES_PASSWORD
	from_file POSTGRES_USER postgres
	from_file POSTGRES_DB "$POSTGRES_USER"
	from_file POSTGRES_INITDB_ARGS
	prepare_directories
	if [[ $(id -u) == 0 ]]; then
		export HOME=/var/lib/postgresql
		exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
	fi
	if [[ -s $PGDATA/PG_VERSION ]]; then
		printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
	else
		initialise "${@:2}"
	fi
fi
exec "$@"
