"""Pause an agent, a tenant or everything without losing what comes in, and show the workers.

Revision ID: f49a3c7e15b8
Revises: e4f7b1d80c29
Create Date: 2026-11-29 11:15:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import APP, PLATFORM, ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "f49a3c7e15b8"
down_revision: str | None = "e4f7b1d80c29"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE pauses (
            id uuid DEFAULT gen_random_uuid() CONSTRAINT pauses_pkey PRIMARY KEY,
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_pauses_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            agent_id uuid,
            by_platform boolean NOT NULL DEFAULT false,
            reason varchar(300) NOT NULL,
            paused_by varchar(255) NOT NULL,
            paused_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT fk_pauses_agent_id FOREIGN KEY (tenant_id, agent_id)
                REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
            CONSTRAINT uq_pauses_of UNIQUE NULLS NOT DISTINCT (tenant_id, agent_id, by_platform)
        )
        """,
        """
        CREATE TABLE installation_pause (
            only_one boolean DEFAULT true CONSTRAINT installation_pause_pkey PRIMARY KEY,
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            reason varchar(300) NOT NULL,
            paused_by varchar(255) NOT NULL,
            paused_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT ck_installation_pause_only_one CHECK (only_one)
        )
        """,
        """
        CREATE TABLE workers (
            worker_id varchar(100) CONSTRAINT workers_pkey PRIMARY KEY,
            slots integer NOT NULL,
            running integer NOT NULL,
            started_at timestamptz NOT NULL DEFAULT now(),
            seen_at timestamptz NOT NULL DEFAULT now()
        )
        """,
    )
    keep_tenants_apart("pauses")
    ask_for_proof("pauses")
    grant("pauses", app="SELECT, INSERT, DELETE")
    # Every run asks whether everything is paused; only the platform may say so.
    grant("installation_pause", app="SELECT", platform="SELECT, INSERT, DELETE")
    # A tenant may know how many there are and how busy, and not on which machines.
    run(
        f"GRANT SELECT (slots, running, started_at, seen_at) ON workers TO {APP}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO {PLATFORM}",
    )
    run_copy("f49a3c7e15b8_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("f49a3c7e15b8_before.sql")
    # What waited for the end of a pause is handed over by the next sweep, so nothing accepted is lost here either.
    run("DROP TABLE workers", "DROP TABLE installation_pause", "DROP TABLE pauses")
