#!/bin/bash
set -euo pipefail

# The number is that of the official image, so that volumes can be exchanged.
groupadd --system --gid 999 redis
useradd --system --uid 999 --gid redis --home-dir /data --no-create-home redis

install-packages redis-server
install --directory --owner redis --group redis /data
rm "$0"
