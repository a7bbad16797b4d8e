-- For KEDA: a login that can ask how much waits and runs, and nothing else. Run once by a DBA, after the first
-- `deskhand db upgrade`:   psql --set ON_ERROR_STOP=1 --file deploy/scaler.sql ADDRESS_OF_THE_DATABASE
-- It asks for the login's password at the end.
--
-- The queue is behind row-level security, and `deskhand doctor` refuses a policy that opens it to one more role. So a
-- function counts, as deskhand_platform, in a schema of its own that no migration looks into.
BEGIN;
CREATE ROLE deskhand_scaler LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT CONNECTION LIMIT 5;
SELECT format('GRANT CONNECT ON DATABASE %I TO deskhand_scaler', current_database()) \gexec
CREATE SCHEMA deskhand_scaling;
CREATE FUNCTION deskhand_scaling.waiting_and_running() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*) FROM public.pgqueuer WHERE status IN ('queued', 'picked')
$$;
GRANT USAGE, CREATE ON SCHEMA deskhand_scaling TO deskhand_platform;
ALTER FUNCTION deskhand_scaling.waiting_and_running() OWNER TO deskhand_platform;
REVOKE CREATE ON SCHEMA deskhand_scaling FROM deskhand_platform;
REVOKE ALL ON FUNCTION deskhand_scaling.waiting_and_running() FROM PUBLIC;
GRANT USAGE ON SCHEMA deskhand_scaling TO deskhand_scaler;
GRANT EXECUTE ON FUNCTION deskhand_scaling.waiting_and_running() TO deskhand_scaler;
COMMIT;
\password deskhand_scaler
