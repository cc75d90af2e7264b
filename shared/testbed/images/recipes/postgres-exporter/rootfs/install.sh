#!/bin/bash
set -euo pipefail

install-packages prometheus-postgres-exporter
mv /usr/bin/prometheus-postgres-exporter /usr/bin/postgres_exporter
rm "$0"
