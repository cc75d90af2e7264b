#!/bin/bash
set -euo pipefail

# The numbers and the home are those of the official image, so that a volume made by
# one can be used by the other.
groupadd --system --gid 999 postgres
useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql --shell /bin/bash postgres

install-packages postgresql-17

# Sorting is by the official image's locale, which no Debian package holds ready-made.
localedef --inputfile=en_US --force --charmap=UTF-8 --alias-file=/usr/share/locale/locale.alias en_US.UTF-8
rm -rf /usr/share/i18n

# The sample is what initdb makes postgresql.conf from.
sample=/usr/share/postgresql/17/postgresql.conf.sample
sed -ri "s!^#?(listen_addresses)\s*=\s*\S+.*!\1 = '*'!" "$sample"
grep -qF "listen_addresses = '*'" "$sample"

mkdir /docker-entrypoint-initdb.d
install --directory --owner postgres --group postgres --mode 1777 /var/lib/postgresql/data
install --directory --owner postgres --group postgres --mode 3777 /var/run/postgresql
rm "$0"
