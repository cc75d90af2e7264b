#!/bin/bash
set -euo pipefail

install-packages prometheus-redis-exporter
mv /usr/bin/prometheus-redis-exporter /redis_exporter
rm "$0"
