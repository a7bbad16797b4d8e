#!/bin/sh
# Run once by PostgreSQL's image in its empty data directory: the roles that `deskhand db upgrade` asks a DBA for, with
# their passwords. The statements are those of src/deskhand/kit/db/roles.py; a test compares them.
set -eu
# From standard input and not as arguments: a process list shows those to everybody.
psql --set ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
\getenv platform_password PLATFORM_PASSWORD
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
BEGIN;
CREATE ROLE deskhand_platform NOLOGIN NOSUPERUSER NOBYPASSRLS;
CREATE ROLE deskhand_owner LOGIN NOSUPERUSER NOBYPASSRLS INHERIT;
CREATE ROLE deskhand_app LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT;
CREATE ROLE deskhand_platform_login LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT;
GRANT deskhand_platform TO deskhand_platform_login WITH INHERIT FALSE, SET TRUE;
GRANT deskhand_platform TO deskhand_owner;
ALTER DATABASE "deskhand" OWNER TO deskhand_owner;
REVOKE ALL ON DATABASE "deskhand" FROM PUBLIC;
GRANT CONNECT ON DATABASE "deskhand" TO deskhand_app, deskhand_platform_login;
ALTER ROLE deskhand_owner PASSWORD :'owner_password';
ALTER ROLE deskhand_app PASSWORD :'app_password';
ALTER ROLE deskhand_platform_login PASSWORD :'platform_password';
COMMIT;
SQL
