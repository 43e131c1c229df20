#!/bin/bash
# Creates the two databases in PostgreSQL, each with a role that owns it: no superuser, no connection to the
# other database. Runs once, as the server's administrator. The passwords are in AIRFLOW_DB_PASSWORD and LEDGER_PASSWORD.
set -euo pipefail

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv ledger_password LEDGER_PASSWORD

CREATE ROLE airflow LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'airflow_password';
CREATE ROLE order_relay LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'ledger_password';
ALTER ROLE order_relay SET jit = off;
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE order_relay OWNER order_relay;
REVOKE ALL ON DATABASE airflow, order_relay, postgres FROM PUBLIC;
SQL
