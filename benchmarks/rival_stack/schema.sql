-- The home-grown stack's own tables: what it must know of an agent, each delivery once, each job's state.
-- Tenants are kept apart by row-level security, as in Deskhand. The application logs in as deskhand_app.
CREATE TABLE agents (
  id uuid PRIMARY KEY,
  tenant_id varchar(100) NOT NULL,
  secret text NOT NULL,
  is_active boolean NOT NULL DEFAULT true
);
CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  tenant_id varchar(100) NOT NULL,
  agent_id uuid NOT NULL REFERENCES agents (id),
  ticket_ref varchar(100),
  status varchar(20) NOT NULL DEFAULT 'queued',
  payload jsonb,
  result jsonb,
  queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  finished_at timestamptz
);
CREATE INDEX ON jobs (tenant_id, queued_at DESC);
CREATE INDEX ON jobs (agent_id);
CREATE INDEX ON jobs (status) WHERE status IN ('queued', 'running');
CREATE TABLE deliveries (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id varchar(100) NOT NULL,
  agent_id uuid NOT NULL REFERENCES agents (id),
  delivery_id varchar(255) NOT NULL,
  event varchar(100),
  ticket_ref varchar(100),
  body_sha256 varchar(64) NOT NULL,
  body_bytes integer NOT NULL,
  job_id uuid,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (agent_id, delivery_id)
);
CREATE INDEX ON deliveries (tenant_id, received_at DESC);

GRANT SELECT ON agents TO deskhand_app;
GRANT SELECT, INSERT, UPDATE ON jobs, deliveries TO deskhand_app;
ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON jobs USING (tenant_id = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY tenant ON deliveries USING (tenant_id = NULLIF(current_setting('app.tenant', true), ''));
