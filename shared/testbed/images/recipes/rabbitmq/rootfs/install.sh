#!/bin/bash
set -euo pipefail

# The number is that of the official image, so that volumes can be exchanged.
groupadd --system --gid 999 rabbitmq
useradd --system --uid 999 --gid rabbitmq --home-dir /var/lib/rabbitmq --no-create-home rabbitmq

install-packages rabbitmq-server

# The cookie that the package makes must go: containers of one image would all share it.
rm -rf /var/lib/rabbitmq /var/log/rabbitmq
install --directory --owner rabbitmq --group rabbitmq --mode 1777 /var/lib/rabbitmq /var/log/rabbitmq
chown -R rabbitmq:rabbitmq /etc/rabbitmq
rm "$0"
