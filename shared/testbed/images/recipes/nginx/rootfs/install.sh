#!/bin/bash
set -euo pipefail

# Configuration files made for the official image name its user, and have its number.
groupadd --system --gid 101 nginx
useradd --system --uid 101 --gid nginx --home-dir /nonexistent --no-create-home --shell /bin/false nginx

install-packages nginx
rm -rf /etc/nginx/sites-available /etc/nginx/sites-enabled
mkdir -p /var/cache/nginx /docker-entrypoint.d
ln -sf /dev/stdout /var/log/nginx/access.log
ln -sf /dev/stderr /var/log/nginx/error.log
rm "$0"
