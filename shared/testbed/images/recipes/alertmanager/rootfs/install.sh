#!/bin/bash
set -euo pipefail

install-packages prometheus-alertmanager
mv /usr/bin/prometheus-alertmanager /usr/bin/alertmanager
rm -rf /var/lib/prometheus
install --directory --owner nobody --group nogroup /alertmanager /etc/alertmanager
cp /etc/prometheus/alertmanager.yml /etc/alertmanager/
chown -R nobody:nogroup /etc/alertmanager
rm "$0"
