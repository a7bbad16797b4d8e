"""Help the planner: know how common each model is, and inline embedding_similarity.

The newest 50 agents with one model, in a tenant of 10,000: 0.7 ms instead of 30 ms, since without statistics on the
expression half a per cent is assumed and all are sorted. The similarity of 5,000 rows: 30 ms instead of 74 to 120 ms;
a function with a SET, or a STRICT one around a CASE, is called per row. Without pgvector it has a subquery, which is
never inlined, and stays as it is.

Revision ID: 7d92c4e8b1f5
Revises: 6c81f2a9d40b
Create Date: 2026-11-21 11:10:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import has_extension, limits, run, scalar

revision: str = "7d92c4e8b1f5"
down_revision: str | None = "6c81f2a9d40b"
branch_labels: None = None
depends_on: None = None

SCHEMA = """
    SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'vector'
"""


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("CREATE STATISTICS st_agents_model ON (llm_config ->> 'model') FROM agents", "ANALYZE agents")
    if not has_extension("vector"):
        return
    # Names in full: without a SET, the caller's search_path must not decide which operator is meant.
    where = scalar(SCHEMA)
    run(
        f"""
        CREATE OR REPLACE FUNCTION embedding_similarity(a real[], b real[]) RETURNS real
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT CASE WHEN pg_catalog.cardinality(a) OPERATOR(pg_catalog.=) pg_catalog.cardinality(b)
                        THEN (OPERATOR(pg_catalog.-) (a::{where}.vector OPERATOR({where}.<#>) b::{where}.vector))::real
                        END
        $$
        """
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP STATISTICS st_agents_model")
    if not has_extension("vector"):
        return
    run(
        """
        CREATE OR REPLACE FUNCTION embedding_similarity(a real[], b real[]) RETURNS real
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, public AS $$
            SELECT CASE WHEN cardinality(a) = cardinality(b) THEN (-(a::vector <#> b::vector))::real END
        $$
        """
    )
