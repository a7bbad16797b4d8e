"""Every query of the knowledge feature. Private to it; runs inside a tenant session."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.knowledge.models import EnhancementFeedback, KnowledgeArticle, SystemInventory, TicketHistory
from deskhand.knowledge.ranking import FAR_SHARE, SYNONYM_SHARE, Term
from deskhand.tenants.models import EnhancementHistory

TICKET_FIELDS = (
    "subject", "description", "resolution", "category", "priority", "url", "tags", "resolved_date", "source",
)  # fmt: skip
ARTICLE_FIELDS = ("title", "body", "url", "tags", "source")
SYSTEM_FIELDS = ("ip_address", "role", "client", "location", "attributes")

SEARCHABLE = {
    "ticket_history": "tool_type, ticket_id, subject, description, resolution, category, priority, url,"
    " resolved_date, source",
    "knowledge_articles": "article_id, title, body, url, source",
}
"""Tables that have ``embedding`` and ``search``, and the columns a hit shows. The keys are the only table names
that ever reach the SQL texts below."""

TIES = {"ticket_history": ("tool_type", "ticket_id"), "knowledge_articles": ("article_id",)}
"""What orders equal scores: the customer's own ids, so that the same history gives the same answer wherever it was
imported. Compared byte by byte, which is quick and the same on every server."""

_STEMS = text(
    "SELECT tsvector_to_array(to_tsvector('english', CAST(:subject AS text))) AS subject,"
    " tsvector_to_array(to_tsvector('english', CAST(:body AS text))) AS body,"
    " tsvector_to_array(to_tsvector('english', CAST(:filler AS text))) AS filler,"
    " (SELECT json_agg(json_build_array(number, tsvector_to_array(to_tsvector('english', word))))"
    "    FROM unnest(CAST(:words AS text[]), CAST(:numbers AS int[])) AS v(word, number)) AS vocabulary"
)


@dataclass(frozen=True, slots=True)
class Stems:
    """A query in the words of PostgreSQL's English stemmer, with the vocabulary in the same form."""

    subject: frozenset[str]
    body: frozenset[str]
    filler: frozenset[str]
    groups: dict[int, set[str]]


async def stem(
    session: AsyncSession, subject: str, body: str, *, filler: str, synonyms: Sequence[Sequence[str]]
) -> Stems:
    """Stem query and vocabulary by the same rules as the stored texts."""
    pairs = [(word, number) for number, group in enumerate(synonyms) for word in group]
    row = (
        await session.execute(
            _STEMS,
            {
                "subject": subject,
                "body": body,
                "filler": filler,
                "words": [word for word, _ in pairs],
                "numbers": [number for _, number in pairs],
            },
        )
    ).one()
    groups: dict[int, set[str]] = {}
    for number, stems in row.vocabulary:
        groups.setdefault(number, set()).update(stems)
    return Stems(frozenset(row.subject), frozenset(row.body), frozenset(row.filler), groups)


async def frequencies(session: AsyncSession, table: str, stems: Sequence[str]) -> tuple[int, dict[str, int]]:
    """How many of the tenant's rows there are, and how many have each stem."""
    assert table in SEARCHABLE
    counted = text(
        f"SELECT (SELECT count(*) FROM {table}) AS documents,"  # noqa: S608 - a name from SEARCHABLE
        f" ARRAY(SELECT (SELECT count(*) FROM {table} WHERE search @@ w.query)"
        "   FROM unnest(CAST(CAST(:queries AS text[]) AS tsquery[])) WITH ORDINALITY AS w(query, place)"
        "  ORDER BY w.place) AS counts"
    )
    row = (await session.execute(counted, {"queries": [_tsquery([one]) for one in stems]})).one()
    return row.documents, dict(zip(stems, row.counts, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search, ready for SQL.

    Attributes:
        terms: Weighted stems.
        vector: Embedding of the query, or None.
        model: Name of the model that made it.
        coefficients: ``intercept, cosine, words, lexical_intercept, lexical_words`` and the cosine's centre.
        exclude: A ticket id to leave out.
    """

    terms: Sequence[Term]
    vector: list[float] | None
    model: str | None
    coefficients: Mapping[str, float]
    exclude: str | None = None


def search_statement(table: str, *, excluding: bool) -> str:
    """The search of one table: both measurements of every row of the tenant, exactly, in one pass.

    No index can help: row-level security lets only leakproof operators be tried before the policy, and
    neither ``@@`` nor the vectors' product is one. A tenant's rows are found by their index, then measured.
    """
    assert table in SEARCHABLE
    condition = "WHERE ticket_id <> :exclude" if excluding else ""
    ties = ", ".join(f'{column} COLLATE "C"' for column in TIES[table])
    keys = ", ".join(f"r.{column}" for column in TIES[table])
    return f"""
        WITH terms AS MATERIALIZED (
            SELECT * FROM unnest(CAST(CAST(:near AS text[]) AS tsquery[]), CAST(CAST(:synonyms AS text[]) AS tsquery[]),
                                 CAST(CAST(:far AS text[]) AS tsquery[]), CAST(:weights AS float8[]))
                          AS t(near, synonym, far, weight)),
        measured AS MATERIALIZED (
            SELECT r.id, {keys},
                   CASE WHEN r.embedding_model = :model
                        THEN embedding_similarity(r.embedding, CAST(:vector AS real[])) END AS cosine,
                   coalesce((SELECT sum(CASE WHEN r.search @@ t.near THEN t.weight
                                             WHEN r.search @@ t.synonym THEN t.weight * :synonym_share
                                             WHEN r.search @@ t.far THEN t.weight * :far_share END)
                               FROM terms t), 0) AS words
              FROM {table} r {condition}),
        best AS (
            SELECT id, cosine, words,
                   CASE WHEN cosine IS NULL THEN :lexical_intercept + :lexical_words * words
                        ELSE :intercept + :cosine * (cosine - :centre) + :words * words END AS log_odds
              FROM measured ORDER BY 4 DESC, {ties} LIMIT :limit)
        SELECT {SEARCHABLE[table]}, cosine, words, log_odds FROM best JOIN {table} USING (id)
         ORDER BY log_odds DESC, {ties}
    """  # noqa: S608 - names from SEARCHABLE only


async def search(session: AsyncSession, table: str, query: Query, *, limit: int) -> Sequence[Row[Any]]:
    """The best rows of one table, best first."""
    statement = text(search_statement(table, excluding=query.exclude is not None))
    return (await session.execute(statement, search_parameters(query, limit=limit))).all()


def search_parameters(query: Query, *, limit: int) -> dict[str, Any]:
    """Parameters of ``search_statement``."""
    parameters = {
        # Subject and description say what a ticket is about; a word of its resolution alone says less.
        "near": [_tsquery([term.stem], "ab") for term in query.terms],
        "synonyms": [_tsquery(term.synonyms, "ab") for term in query.terms],
        "far": [_tsquery([term.stem, *term.synonyms]) for term in query.terms],
        "far_share": FAR_SHARE,
        "weights": [term.weight for term in query.terms],
        "model": query.model or "",
        "vector": query.vector,
        "synonym_share": SYNONYM_SHARE,
        "limit": limit,
        **query.coefficients,
    }
    return parameters if query.exclude is None else {**parameters, "exclude": query.exclude}


def excluding(query: Query, ticket_id: str) -> Query:
    """The same search without one ticket."""
    return replace(query, exclude=ticket_id)


def _tsquery(stems: Sequence[str], weights: str = "") -> str:
    """Any of the stems, each quoted, so that no character of a ticket is an operator."""
    suffix = f":{weights}" if weights else ""
    return " | ".join("'" + one.replace("\\", "\\\\").replace("'", "''") + "'" + suffix for one in stems)


# -- systems -------------------------------------------------------------------------------------

_SYSTEMS = text(
    "SELECT hostname, ip_address, role, client, location, attributes,"
    "       (SELECT max(similarity(regexp_replace(lower(hostname), '[^a-z0-9]', '', 'g'), token))"
    "          FROM unnest(CAST(:squeezed AS text[])) AS token) AS likeness"
    "  FROM system_inventory"
    " WHERE strpos(:text, lower(hostname)) > 0 OR ip_address = ANY(CAST(:addresses AS text[]))"
    "    OR split_part(lower(hostname), '.', 1) = ANY(CAST(:tokens AS text[]))"
    "    OR EXISTS (SELECT 1 FROM unnest(CAST(:squeezed AS text[])) AS token"
    "                WHERE similarity(regexp_replace(lower(hostname), '[^a-z0-9]', '', 'g'), token) >= :near)"
    "    OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(CASE jsonb_typeof(attributes->'aliases')"
    "                 WHEN 'array' THEN attributes->'aliases' ELSE '[]' END) AS alias"
    "                WHERE alias <> '' AND strpos(:text, lower(alias)) > 0)"
    " ORDER BY hostname LIMIT 200"
)


async def systems_named_in(
    session: AsyncSession, lowered: str, *, tokens: Sequence[str], addresses: Sequence[str], near: float
) -> Sequence[Row[Any]]:
    """Systems whose name, address or alias may be in a text; the service looks at word boundaries."""
    squeezed = [re.sub(r"[^a-z0-9]", "", token) for token in tokens]
    parameters = {
        "text": lowered,
        "tokens": list(tokens),
        "squeezed": squeezed,
        "addresses": list(addresses),
        "near": near,
    }
    return (await session.execute(_SYSTEMS, parameters)).all()


# -- imports -------------------------------------------------------------------------------------


async def stored_tickets(
    session: AsyncSession, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """What is stored under these (tool_type, ticket_id) pairs."""
    t = TicketHistory
    columns = [getattr(t, name) for name in TICKET_FIELDS]
    found = await session.execute(
        select(t.tool_type, t.ticket_id, t.embedding_model, *columns).where(tuple_(t.tool_type, t.ticket_id).in_(keys))
    )
    return {(row["tool_type"], row["ticket_id"]): dict(row) for row in found.mappings()}


async def stored_articles(session: AsyncSession, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is stored under these article ids."""
    a = KnowledgeArticle
    columns = [getattr(a, name) for name in ARTICLE_FIELDS]
    found = await session.execute(select(a.article_id, a.embedding_model, *columns).where(a.article_id.in_(ids)))
    return {row["article_id"]: dict(row) for row in found.mappings()}


async def stored_systems(session: AsyncSession, hostnames: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is stored under these host names."""
    s = SystemInventory
    columns = [getattr(s, name) for name in SYSTEM_FIELDS]
    found = await session.execute(select(s.hostname, *columns).where(s.hostname.in_(hostnames)))
    return {row["hostname"]: dict(row) for row in found.mappings()}


async def upsert_tickets(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Insert or replace by tenant, tool and ticket."""
    await _upsert(session, TicketHistory, rows, ("tenant_id", "tool_type", "ticket_id"), ingested=True)


async def upsert_articles(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Insert or replace by tenant and article id."""
    await _upsert(session, KnowledgeArticle, rows, ("tenant_id", "article_id"))


async def upsert_systems(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Insert or replace by tenant and host name."""
    await _upsert(session, SystemInventory, rows, ("tenant_id", "hostname"))


async def _upsert(
    session: AsyncSession, model: Any, rows: Sequence[dict[str, Any]], key: tuple[str, ...], *, ingested: bool = False
) -> None:
    if not rows:
        return
    statement = insert(model).values(list(rows))
    changes: dict[str, Any] = {name: statement.excluded[name] for name in rows[0] if name not in key}
    changes["updated_at"] = func.now()
    if ingested:
        changes["ingested_at"] = func.now()
    await session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))


async def newest_resolution(session: AsyncSession, tool_type: str, source: str) -> datetime | None:
    """When the newest stored ticket of one desk was resolved."""
    t = TicketHistory
    return await session.scalar(select(func.max(t.resolved_date)).where(t.tool_type == tool_type, t.source == source))


async def count_tickets(session: AsyncSession) -> int:
    """How many resolved tickets the tenant has."""
    return await session.scalar(select(func.count()).select_from(TicketHistory)) or 0


# -- articles and feedback -----------------------------------------------------------------------


async def list_articles(
    session: AsyncSession, *, after: tuple[str, UUID] | None, limit: int, contains: str | None
) -> Sequence[KnowledgeArticle]:
    """Articles by title, at most ``limit``."""
    a = KnowledgeArticle
    query = select(a).order_by(a.title, a.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(a.title, a.id) > after)
    if contains:
        query = query.where(a.search.op("@@")(func.websearch_to_tsquery("english", contains)))
    return (await session.scalars(query)).all()


async def get_article(session: AsyncSession, article_id: str) -> KnowledgeArticle | None:
    """One article by its own id."""
    return await session.scalar(
        select(KnowledgeArticle)
        .where(KnowledgeArticle.article_id == article_id)
        .execution_options(populate_existing=True)
    )


async def delete_article(session: AsyncSession, article_id: str) -> bool:
    """True if there was one."""
    gone = await session.execute(
        delete(KnowledgeArticle).where(KnowledgeArticle.article_id == article_id).returning(KnowledgeArticle.id)
    )
    return gone.first() is not None


async def enhancement_exists(session: AsyncSession, enhancement_id: UUID) -> bool:
    """Whether the tenant has this note."""
    return (
        await session.scalar(select(EnhancementHistory.id).where(EnhancementHistory.id == enhancement_id)) is not None
    )


async def add_feedback(session: AsyncSession, row: EnhancementFeedback) -> EnhancementFeedback:
    """Store a verdict."""
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row


async def list_feedback(
    session: AsyncSession, *, ticket_id: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[EnhancementFeedback]:
    """Verdicts, newest first."""
    f = EnhancementFeedback
    query = select(f).order_by(f.created_at.desc(), f.id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(f.created_at, f.id) < after)
    if ticket_id is not None:
        query = query.where(f.ticket_id == ticket_id)
    return (await session.scalars(query)).all()
