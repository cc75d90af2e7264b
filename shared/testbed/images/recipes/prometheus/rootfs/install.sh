#!/bin/bash
set -euo pipefail

install-packages prometheus
rm -rf /var/lib/prometheus
install --directory --owner nobody --group nogroup /prometheus
chown -R nobody:nogroup /etc/prometheus
rm "$0"
