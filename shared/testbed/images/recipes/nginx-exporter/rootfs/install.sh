#!/bin/bash
set -euo pipefail

install-packages prometheus-nginx-exporter
mv /usr/bin/prometheus-nginx-exporter /usr/bin/nginx-prometheus-exporter
rm "$0"
