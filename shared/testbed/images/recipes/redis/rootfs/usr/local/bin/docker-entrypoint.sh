#!/bin/bash
# Starts Redis by the contract of the official image: the command is `redis-server ...`,
# only the options of it, or only a configuration file; anything else is run as it is.
set -euo pipefail

if [[ ${1:-} == -* || ${1:-} == *.conf ]]; then
	set -- redis-server "$@"
fi

if [[ ${1:-} == redis-server && $(id -u) == 0 ]]; then
	find . ! -user redis -exec chown redis '{}' +
	exec setpriv --reuid=redis --regid=redis --clear-groups -- "$0" "$@"
fi

# decides_protected_mode reports whether the options, or the configuration file if the
# first of them is one, say something about protected mode.
decides_protected_mode() {
	if [[ ${1:-} != -* && -r ${1:-} ]] && grep -qiE '^[[:space:]]*protected-mode[[:space:]]' "$1"; then
		return 0
	fi
	local argument
	for argument; do
		if [[ ${argument,,} == --protected-mode ]]; then
			return 0
		fi
	done
	return 1
}

# The official image is compiled with protected mode off: inside a container every client
# comes from another address, so it would refuse them all.
if [[ ${1:-} == redis-server ]] && ! decides_protected_mode "${@:2}"; then
	set -- "$@" --protected-mode no
fi

# Data files are nobody else's business.
if [[ ${1:-} == redis-server && $(umask) == 0022 ]]; then
	umask 0077
fi
exec "$@"
