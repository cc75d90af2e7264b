#!/bin/bash
# Starts RabbitMQ, or one of its tools, as the rabbitmq user.
set -euo pipefail

if [[ ${1:-} == rabbitmq* && $(id -u) == 0 ]]; then
	if [[ $1 == rabbitmq-server ]]; then
		find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq '{}' +
	fi
	exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups -- "$0" "$@"
fi
exec "$@"
