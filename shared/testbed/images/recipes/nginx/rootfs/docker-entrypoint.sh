#!/bin/sh
# Runs the executable *.sh files of /docker-entrypoint.d, in order, before nginx starts.
set -eu

if [ "${1:-}" = nginx ] || [ "${1:-}" = nginx-debug ]; then
	for script in /docker-entrypoint.d/*.sh; do
		if [ -x "$script" ]; then
			echo "$0: running $script"
			"$script"
		fi
	done
	echo "$0: Configuration complete; ready for start up"
fi
exec "$@"
