"""Add articles, systems and feedback; full-text, trigram and vector search.

Revision ID: 0a84f3e6c2d1
Revises: f70c2d94b1a5
Create Date: 2026-11-21 10:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import (
    grant,
    keep_tenants_apart,
    limits,
    need_extension,
    run,
    try_extension,
)

revision: str = "0a84f3e6c2d1"
down_revision: str | None = "f70c2d94b1a5"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    need_extension("pg_trgm")
    vectors = try_extension("vector")
    run(
        """
        ALTER TABLE ticket_history
            ADD COLUMN subject text NOT NULL DEFAULT '',
            ADD COLUMN category varchar(100),
            ADD COLUMN priority varchar(50),
            ADD COLUMN url varchar(500),
            ADD COLUMN embedding real[],
            ADD COLUMN embedding_model varchar(100)
        """,
        """
        ALTER TABLE ticket_history ADD COLUMN search tsvector GENERATED ALWAYS AS (
            setweight(to_tsvector('english', subject), 'A') || setweight(to_tsvector('english', description), 'B')
            || setweight(to_tsvector('english', coalesce(resolution, '')), 'C')) STORED NOT NULL
        """,
        "CREATE INDEX idx_ticket_history_search ON ticket_history USING gin (search)",
        "CREATE INDEX idx_ticket_history_subject_trgm ON ticket_history USING gin (subject gin_trgm_ops)",
        """
        CREATE TABLE knowledge_articles (
            id uuid CONSTRAINT knowledge_articles_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL
                CONSTRAINT fk_knowledge_articles_tenant_id REFERENCES tenant_configs (tenant_id),
            article_id varchar(100) NOT NULL,
            title varchar(500) NOT NULL,
            body text NOT NULL,
            url varchar(500),
            tags text[] NOT NULL DEFAULT '{}',
            source varchar(50) NOT NULL DEFAULT 'import',
            embedding real[],
            embedding_model varchar(100),
            search tsvector GENERATED ALWAYS AS (
                setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', body), 'B')
            ) STORED NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT uq_knowledge_articles_tenant_id_article_id UNIQUE (tenant_id, article_id)
        )
        """,
        "CREATE INDEX idx_knowledge_articles_search ON knowledge_articles USING gin (search)",
        """
        CREATE TABLE system_inventory (
            id uuid CONSTRAINT system_inventory_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL
                CONSTRAINT fk_system_inventory_tenant_id REFERENCES tenant_configs (tenant_id),
            hostname varchar(255) NOT NULL,
            ip_address varchar(45),
            role varchar(100),
            client varchar(255),
            location varchar(255),
            attributes jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT uq_system_inventory_tenant_id_hostname UNIQUE (tenant_id, hostname)
        )
        """,
        "CREATE INDEX ix_system_inventory_tenant_ip ON system_inventory (tenant_id, ip_address)",
        "CREATE INDEX idx_system_inventory_hostname_trgm ON system_inventory USING gin (hostname gin_trgm_ops)",
        "CREATE UNIQUE INDEX uq_enhancement_history_tenant_id_id ON enhancement_history (tenant_id, id)",
        """
        CREATE TABLE enhancement_feedback (
            id uuid CONSTRAINT enhancement_feedback_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL
                CONSTRAINT fk_enhancement_feedback_tenant_id REFERENCES tenant_configs (tenant_id),
            ticket_id varchar(100) NOT NULL,
            enhancement_id uuid,
            technician_email varchar(255),
            feedback_type varchar(20) NOT NULL,
            rating_value integer,
            feedback_comment text,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT ck_enhancement_feedback_feedback_type
                CHECK (feedback_type IN ('thumbs_up', 'thumbs_down', 'rating')),
            CONSTRAINT ck_enhancement_feedback_rating_value
                CHECK ((feedback_type = 'rating') = (rating_value IS NOT NULL)
                       AND (rating_value IS NULL OR rating_value BETWEEN 1 AND 5)),
            CONSTRAINT fk_enhancement_feedback_enhancement_id FOREIGN KEY (tenant_id, enhancement_id)
                REFERENCES enhancement_history (tenant_id, id) ON DELETE CASCADE
        )
        """,
        """
        CREATE INDEX ix_enhancement_feedback_tenant_id_created_at
            ON enhancement_feedback (tenant_id, created_at)
        """,
        "CREATE INDEX ix_enhancement_feedback_enhancement_id ON enhancement_feedback (enhancement_id)",
    )
    for table in ("knowledge_articles", "system_inventory", "enhancement_feedback"):
        keep_tenants_apart(table)
        grant(table)
    # Both forms are the inner product, which is the cosine for the unit vectors we store, and both answer NULL
    # for vectors of different models. pgvector's is the faster one.
    product = "-(a::vector <#> b::vector)" if vectors else "(SELECT sum(x * y) FROM unnest(a, b) AS t(x, y))"
    run(
        f"""
        CREATE FUNCTION embedding_similarity(a real[], b real[]) RETURNS real
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, public AS $$
            SELECT CASE WHEN cardinality(a) = cardinality(b) THEN ({product})::real END
        $$
        """,
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    # The extensions stay: others in this database may use them by now.
    run(
        "DROP FUNCTION embedding_similarity(real[], real[])",
        "DROP TABLE enhancement_feedback",
        "DROP INDEX uq_enhancement_history_tenant_id_id",
        "DROP TABLE system_inventory",
        "DROP TABLE knowledge_articles",
        """
        ALTER TABLE ticket_history
            DROP COLUMN search,
            DROP COLUMN embedding_model,
            DROP COLUMN embedding,
            DROP COLUMN url,
            DROP COLUMN priority,
            DROP COLUMN category,
            DROP COLUMN subject
        """,
    )
