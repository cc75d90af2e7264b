# Makes the role of the PostgreSQL exporter on a new database. The image's entrypoint reads this file before the server
# listens. The role may read statistics, and no tables. shared/deploy/postgres.sh makes it on a seeded database.
if [ -n "${MONITOR_PASSWORD:-}" ]; then
	psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
		--set password="$MONITOR_PASSWORD" <<-'SQL'
		CREATE ROLE monitor LOGIN PASSWORD :'password' CONNECTION LIMIT 5;
		GRANT pg_monitor TO monitor;
	SQL
fi
