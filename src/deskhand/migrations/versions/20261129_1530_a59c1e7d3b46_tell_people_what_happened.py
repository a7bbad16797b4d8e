"""Tell people what happened: facts, messages, and what each person wants to be told of.

Revision ID: a59c1e7d3b46
Revises: a81c5e92d7f4
Create Date: 2026-11-29 15:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "a59c1e7d3b46"
down_revision: str | None = "a81c5e92d7f4"
branch_labels: None = None
depends_on: None = None

_KINDS = "'failure', 'doubt', 'approval', 'budget_warning', 'budget_stop', 'connection', 'schedule', 'audit'"
_TABLES = ("notification_facts", "notifications", "notification_choices")


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        f"""
        CREATE TABLE notification_facts (
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_notification_facts_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            fact_key varchar(250) NOT NULL,
            kind varchar(20) NOT NULL CONSTRAINT ck_notification_facts_kind CHECK (kind IN ({_KINDS})),
            cause varchar(250) NOT NULL,
            subject_id uuid,
            agent_id uuid,
            ticket varchar(200),
            happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            look_at timestamptz DEFAULT clock_timestamp(),
            CONSTRAINT notification_facts_pkey PRIMARY KEY (tenant_id, fact_key)
        )
        """,
        "CREATE INDEX idx_notification_facts_look_at ON notification_facts (look_at) WHERE look_at IS NOT NULL",
        "CREATE INDEX idx_notification_facts_happened_at ON notification_facts (tenant_id, happened_at)",
        """
        CREATE TABLE notifications (
            id uuid DEFAULT gen_random_uuid() CONSTRAINT notifications_pkey PRIMARY KEY,
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_notifications_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            recipient varchar(300) NOT NULL,
            user_id uuid CONSTRAINT fk_notifications_user_id REFERENCES users (id) ON DELETE CASCADE,
            pace varchar(10) NOT NULL CONSTRAINT ck_notifications_pace CHECK (pace IN ('now', 'digest')),
            state varchar(10) NOT NULL DEFAULT 'open' CONSTRAINT ck_notifications_state
                CHECK (state IN ('open', 'ready', 'handed', 'sent', 'doubt', 'failed')),
            items jsonb NOT NULL,
            due_at timestamptz NOT NULL,
            attempt integer NOT NULL DEFAULT 0,
            why varchar(500) NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL DEFAULT now(),
            closed_at timestamptz
        )
        """,
        "CREATE UNIQUE INDEX uq_notifications_open ON notifications (tenant_id, recipient, pace) WHERE state = 'open'",
        "CREATE INDEX idx_notifications_created_at ON notifications (tenant_id, created_at DESC, id DESC)",
        "CREATE INDEX idx_notifications_recipient ON notifications (tenant_id, recipient, closed_at)",
        "CREATE INDEX idx_notifications_due_at ON notifications (due_at) WHERE state IN ('open', 'ready', 'handed')",
        "CREATE INDEX idx_notifications_user_id ON notifications (user_id)",
        f"""
        CREATE TABLE notification_choices (
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_notification_choices_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            user_id uuid NOT NULL CONSTRAINT fk_notification_choices_user_id
                REFERENCES users (id) ON DELETE CASCADE,
            kind varchar(20) NOT NULL CONSTRAINT ck_notification_choices_kind CHECK (kind IN ({_KINDS})),
            pace varchar(10) NOT NULL CONSTRAINT ck_notification_choices_pace CHECK (pace IN ('now', 'digest', 'off')),
            CONSTRAINT notification_choices_pkey PRIMARY KEY (tenant_id, user_id, kind)
        )
        """,
        "CREATE INDEX idx_notification_choices_user_id ON notification_choices (user_id)",
    )
    for table in _TABLES:
        keep_tenants_apart(table)
        ask_for_proof(table)
        grant(table)
    run_copy("a59c1e7d3b46_after.sql")
    run(
        """
        CREATE TRIGGER agent_executions_note_run AFTER UPDATE OF status ON agent_executions FOR EACH ROW
        WHEN (NEW.mode = 'live' AND NEW.status <> OLD.status AND NEW.status <> 'running'
              AND (NEW.error_code IS NOT NULL OR NEW.status = 'failed' OR NEW.error_message IS NOT NULL
                   OR NEW.output_result @> '{"degraded": true}'))
        EXECUTE FUNCTION note_run()
        """,
        "CREATE TRIGGER approvals_note AFTER INSERT ON approvals FOR EACH ROW EXECUTE FUNCTION note_approval()",
        """
        CREATE TRIGGER budget_use_note AFTER UPDATE OF warned_at, reached_at ON budget_use FOR EACH ROW
        EXECUTE FUNCTION note_budget()
        """,
        # A person's change of an agent takes a time away as well, and writes down when it was changed.
        """
        CREATE TRIGGER agent_triggers_note_halt AFTER UPDATE OF next_fire_at ON agent_triggers FOR EACH ROW
        WHEN (NEW.next_fire_at IS NULL AND OLD.next_fire_at IS NOT NULL AND NOT NEW.is_paused
              AND NEW.updated_at = OLD.updated_at)
        EXECUTE FUNCTION note_schedule()
        """,
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "DROP TRIGGER agent_triggers_note_halt ON agent_triggers",
        "DROP TRIGGER budget_use_note ON budget_use",
        "DROP TRIGGER approvals_note ON approvals",
        "DROP TRIGGER agent_executions_note_run ON agent_executions",
    )
    run_copy("a59c1e7d3b46_before.sql")
    run(*(f"DROP TABLE {table}" for table in reversed(_TABLES)))
