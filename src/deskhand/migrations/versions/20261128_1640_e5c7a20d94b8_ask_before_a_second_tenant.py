"""Ask an account's person before it joins another tenant, and keep a password in the tenant whose link set it.

Revision ID: e5c7a20d94b8
Revises: e3b8c05d71a2
Create Date: 2026-11-28 16:40:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "e5c7a20d94b8"
down_revision: str | None = "e3b8c05d71a2"
branch_labels: None = None
depends_on: None = None

# Who made a link, or a password with one, was not kept. An account of a single tenant may have it from there, and loses
# nothing by being kept there; of an account of several nobody can say which.
ONLY_TENANT = """
    SELECT min(m.tenant_id) FROM memberships m JOIN users o ON o.id = m.user_id
     WHERE m.user_id = {user} AND NOT o.is_platform_admin HAVING count(*) = 1
"""


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE invitations (
            id uuid CONSTRAINT invitations_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_invitations_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            user_id uuid NOT NULL CONSTRAINT fk_invitations_user_id REFERENCES users (id) ON DELETE CASCADE,
            role varchar(20) NOT NULL
                CONSTRAINT ck_invitations_role CHECK (role IN ('tenant_admin', 'operator', 'editor', 'viewer')),
            secret_hash bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            created_by varchar(255) NOT NULL,
            expires_at timestamptz NOT NULL,
            CONSTRAINT uq_invitations_tenant_id_user_id UNIQUE (tenant_id, user_id)
        )
        """,
        "CREATE UNIQUE INDEX uq_invitations_secret_hash ON invitations (secret_hash)",
        "CREATE INDEX idx_invitations_user_id ON invitations (user_id)",
        """
        ALTER TABLE password_links
            ADD COLUMN vouched_in varchar(100) CONSTRAINT fk_password_links_vouched_in
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE
        """,
        "CREATE INDEX idx_password_links_vouched_in ON password_links (vouched_in)",
        "ALTER TABLE users ADD COLUMN password_vouched_in varchar(100)",
        f"UPDATE users u SET password_vouched_in = ({ONLY_TENANT.format(user='u.id')})"
        " WHERE u.password_hash IS NOT NULL",
        f"UPDATE password_links l SET vouched_in = ({ONLY_TENANT.format(user='l.user_id')}) WHERE l.used_at IS NULL",
    )
    grant("invitations")
    keep_tenants_apart("invitations")
    ask_for_proof("invitations")
    run_copy("e5c7a20d94b8_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("e5c7a20d94b8_before.sql")
    run(
        # Without the column such a password would open every tenant of its account: it has to be set anew.
        "UPDATE users SET password_hash = NULL, password_set_at = NULL"
        " WHERE password_vouched_in IS NOT NULL AND EXISTS (SELECT FROM memberships m"
        " WHERE m.user_id = users.id AND m.tenant_id <> users.password_vouched_in)",
        "ALTER TABLE users DROP COLUMN password_vouched_in",
        "ALTER TABLE password_links DROP COLUMN vouched_in",
        "DROP TABLE invitations",
    )
