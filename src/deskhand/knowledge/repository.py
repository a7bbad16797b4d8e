"""Every query of the knowledge feature. Private to it; runs inside a tenant session."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.db.companies import NAME_SIGN
from deskhand.knowledge import ranking
from deskhand.knowledge.audience import with_audience
from deskhand.knowledge.identity import Settled, settle
from deskhand.knowledge.models import KnowledgeArticle, SystemInventory, TicketHistory
from deskhand.knowledge.schemas import TicketNames
from deskhand.knowledge.stemming import tsquery
from deskhand.tenants.companies import ids_by_name, note_companies
from deskhand.tenants.models import TenantConfig

TICKET_FIELDS = (
    "ticket_id", "desk_id", "subject", "description", "resolution", "category", "priority", "url", "tags",
    "resolved_date", "source", "company_id", "company_name", "shared",
)  # fmt: skip
OF_COMPANY = ("tool_type", "company_id", "company_name", "shared")
ARTICLE_FIELDS = ("title", "body", "url", "tags", "source", "audience", "audience_groups", *OF_COMPANY)
SYSTEM_FIELDS = ("ip_address", "role", "client", "location", "attributes", *OF_COMPANY)

SEARCHABLE = {
    "ticket_history": "tool_type, ticket_id, subject, description, resolution, category, priority, url,"
    " resolved_date, source, tags, company_id, company_name",
    "knowledge_articles": "article_id, title, body, url, source, audience, tool_type, company_id, company_name",
}
"""Tables that have ``embedding`` and ``search``, and the columns that a hit shows or a tenant's rules ask. The keys are
the only table names that ever reach the SQL texts below."""

TIES = {"ticket_history": ("tool_type", "ticket_id"), "knowledge_articles": ("article_id",)}
"""What orders equal scores: the customer's own ids, so that the same history gives the same answer wherever it was
imported. Compared byte by byte, which is quick and the same on every server."""

_BY_THEN = {
    "ticket_history": "r.resolved_date < :solved_before AND coalesce(r.opened_at, r.resolved_date) < :solved_before",
    # An article is kept as it is now alone, so one that was saved since is not what people had.
    "knowledge_articles": "r.updated_at < :solved_before",
}


async def frequencies(
    session: AsyncSession, table: str, stems: Sequence[str], roots: Mapping[str, str]
) -> tuple[int, dict[str, int]]:
    """How many of the tenant's rows there are, and how many have each stem or what begins with its root."""
    assert table in SEARCHABLE
    # Counted among the tenant's own rows, because row-level security holds in here: what says much differs by tenant.
    counted = text(
        f"SELECT (SELECT count(*) FROM {table}) AS documents,"  # noqa: S608 - a name from SEARCHABLE
        f" ARRAY(SELECT (SELECT count(*) FROM {table} WHERE search @@ w.query)"
        "   FROM unnest(CAST(CAST(:queries AS text[]) AS tsquery[])) WITH ORDINALITY AS w(query, place)"
        "  ORDER BY w.place) AS counts"
    )
    queries = [tsquery([one], root=roots.get(one, "")) for one in stems]
    row = (await session.execute(counted, {"queries": queries})).one()
    return row.documents, dict(zip(stems, row.counts, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search, ready for SQL.

    Attributes:
        terms: Weighted stems.
        vector: Embedding of the query, or None.
        model: Name of the model that made it.
        coefficients: ``intercept, cosine, words, lexical_intercept, lexical_words`` and the cosine's centre.
        exclude: Names of a ticket to leave out, as number or internal id, and its desk.
        solved_before: Only tickets that were solved by then, and articles that are as they were by then: what somebody
            could have known at that time.
    """

    terms: Sequence[ranking.Term]
    vector: list[float] | None
    model: str | None
    coefficients: Mapping[str, float]
    exclude: TicketNames | None = None
    solved_before: datetime | None = None


_JUDGED = """
            SELECT source_id,
                   count(*) FILTER (WHERE v.helped) AS useful, count(*) FILTER (WHERE NOT v.helped) AS useless
              FROM (SELECT tenant_id, enhancement_id,
                           feedback_type = 'thumbs_up' OR coalesce(rating_value, 0) > 3 AS helped
                      FROM enhancement_feedback
                     WHERE created_at > now() - make_interval(days => :verdict_days)
                       AND rating_value IS DISTINCT FROM 3 {by_then}) v
              JOIN note_grounds g USING (tenant_id, enhancement_id)
             CROSS JOIN unnest(g.sources) AS s (source_id)
             WHERE g.embedding_model = :model AND embedding_similarity(g.embedding, CAST(:vector AS real[])) >= :alike
             GROUP BY source_id"""
"""Of each source, the verdicts on notes that cited it for a ticket like this one, as far as the session sees them."""


_OFTEN = "CASE WHEN t.rooted THEN 1 ELSE ts_rank('{0,0,1,1}', r.search, t.near) * pi() * pi() / 6 END"
"""How much more a word says that a text has often: 1 for once, 1.25 for twice, never above 1.65 (the sum of the inverse
squares, which PostgreSQL divides by its limit). Forms of one root would count as so many words; they count once."""
_LENGTH = f""" / ({1 - ranking.BY_LENGTH} + {ranking.BY_LENGTH}
                      * coalesce(length(r.search) / nullif(avg(length(r.search)) OVER (), 0), 1))"""
_WORDS = {"ticket_history": ("1", ""), "knowledge_articles": (_OFTEN, _LENGTH)}
"""What a word found is worth, and what by the length of the text. Articles are a line or a chapter; tickets differ
less, and counting each word once finds them as well."""


def search_statement(table: str, *, excluding: bool, solved_before: bool = False) -> str:
    """The search of one table: both measurements of every row of the tenant, exactly, in one pass.

    No index can help: row-level security lets only leakproof operators be tried before the policy, and
    neither ``@@`` nor the vectors' product is one. A tenant's rows are found by their index, then measured.
    """
    assert table in SEARCHABLE
    conditions = [
        "NOT (tool_type = :excluded_tool"
        " AND (ticket_id = ANY(CAST(:excluded AS text[])) OR coalesce(desk_id, '') = ANY(CAST(:excluded AS text[]))))"
        if excluding
        else "",
        _BY_THEN[table] if solved_before else "",
        # One for a few people is found by nobody until an administrator opens it, whoever looks.
        "r.audience <> 'restricted'" if table == "knowledge_articles" else "",
    ]
    # Who asks what could be known at a time asks also what people had said by then.
    judged = _JUDGED.format(by_then="AND created_at < :solved_before" if solved_before else "")
    condition = f"WHERE {' AND '.join(filter(None, conditions))}" if any(conditions) else ""
    often, length = _WORDS[table]
    ties = ", ".join(f'{column} COLLATE "C"' for column in TIES[table])
    keys = ", ".join(f"r.{column}" for column in TIES[table])
    return f"""
        WITH terms AS MATERIALIZED (
            SELECT * FROM unnest(CAST(CAST(:near AS text[]) AS tsquery[]), CAST(CAST(:synonyms AS text[]) AS tsquery[]),
                                 CAST(CAST(:far AS text[]) AS tsquery[]), CAST(:weights AS float8[]),
                                 CAST(:rooted AS boolean[]))
                          AS t(near, synonym, far, weight, rooted)),
        measured AS MATERIALIZED (
            SELECT r.id, {keys},
                   CASE WHEN r.embedding_model = :model
                        THEN embedding_similarity(r.embedding, CAST(:vector AS real[])) END AS cosine,
                   coalesce((SELECT sum(CASE WHEN r.search @@ t.near THEN t.weight * {often}
                                             WHEN r.search @@ t.synonym THEN t.weight * :synonym_share
                                             WHEN r.search @@ t.far THEN t.weight * :far_share END)
                               FROM terms t), 0){length} AS words
              FROM {table} r {condition}),
        judged AS MATERIALIZED ({judged}),
        best AS (
            SELECT m.id, m.cosine, m.words, m.log_odds,
                   coalesce(j.useful, 0) AS useful, coalesce(j.useless, 0) AS useless,
                   -- Cast, or the numbers are taken to be whole, as the counts are.
                   m.log_odds + CAST(:verdict AS float8)
                   * greatest(least(coalesce(j.useful - j.useless, 0), CAST(:most AS bigint)), - CAST(:most AS bigint))
                   AS standing
              FROM (SELECT measured.*,
                           CASE WHEN cosine IS NULL THEN :lexical_intercept + :lexical_words * words
                                ELSE :intercept + :cosine * (cosine - :centre) + :words * words END AS log_odds
                      FROM measured) m
              LEFT JOIN judged j ON j.source_id = m.id
             ORDER BY standing DESC, {ties} LIMIT :limit)
        SELECT {SEARCHABLE[table]}, cosine, words, log_odds, useful, useless FROM best JOIN {table} USING (id)
         ORDER BY standing DESC, {ties}
    """  # noqa: S608 - names from SEARCHABLE only


async def search(session: AsyncSession, table: str, query: Query, *, limit: int) -> Sequence[Row[Any]]:
    """The best rows of one table, best first."""
    bounds = {"excluding": query.exclude is not None, "solved_before": query.solved_before is not None}
    statement = text(search_statement(table, **bounds))
    return (await session.execute(statement, search_parameters(query, limit=limit))).all()


def search_parameters(query: Query, *, limit: int) -> dict[str, Any]:
    """Parameters of ``search_statement``."""
    parameters: dict[str, Any] = {
        # Subject and description say what a ticket is about; a word of its resolution alone says less.
        "near": [tsquery([term.stem], root=term.root, weights="ab") for term in query.terms],
        "synonyms": [tsquery(term.synonyms, weights="ab") for term in query.terms],
        "far": [tsquery([term.stem, *term.synonyms], root=term.root) for term in query.terms],
        "far_share": ranking.FAR_SHARE,
        "weights": [term.weight for term in query.terms],
        "rooted": [bool(term.root) for term in query.terms],
        # No stored vector has an empty model's name, so without one every row is measured by its words.
        "model": query.model or "",
        "vector": query.vector,
        "synonym_share": ranking.SYNONYM_SHARE,
        "limit": limit,
        "verdict": ranking.VERDICT_LOG_ODDS,
        "most": ranking.MOST_VERDICTS,
        "verdict_days": ranking.VERDICT_DAYS,
        "alike": ranking.ALIKE,
        **query.coefficients,
    }
    if query.solved_before is not None:
        parameters["solved_before"] = query.solved_before
    if query.exclude is None:
        return parameters
    return {**parameters, "excluded_tool": query.exclude.tool_type, "excluded": list(query.exclude.names)}


def excluding(query: Query, ticket: TicketNames) -> Query:
    """The same search without one ticket."""
    return replace(query, exclude=ticket)


# -- systems -------------------------------------------------------------------------------------

_SYSTEMS = text(
    "SELECT hostname, ip_address, role, client, location, attributes, tool_type, company_id, company_name,"
    "       (SELECT max(similarity(regexp_replace(lower(hostname), '[^a-z0-9]', '', 'g'), token))"
    "          FROM unnest(CAST(:squeezed AS text[])) AS token) AS likeness"
    "  FROM system_inventory"
    " WHERE (CAST(:known_by AS timestamptz) IS NULL OR updated_at < CAST(:known_by AS timestamptz))"
    "   AND (strpos(:text, lower(hostname)) > 0 OR ip_address = ANY(CAST(:addresses AS text[]))"
    "    OR split_part(lower(hostname), '.', 1) = ANY(CAST(:tokens AS text[]))"
    "    OR EXISTS (SELECT 1 FROM unnest(CAST(:squeezed AS text[])) AS token"
    "                WHERE similarity(regexp_replace(lower(hostname), '[^a-z0-9]', '', 'g'), token) >= :near)"
    "    OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(CASE jsonb_typeof(attributes->'aliases')"
    "                 WHEN 'array' THEN attributes->'aliases' ELSE '[]' END) AS alias"
    "                WHERE alias <> '' AND strpos(:text, lower(alias)) > 0))"
    " ORDER BY hostname LIMIT 200"
)


async def systems_named_in(
    session: AsyncSession,
    lowered: str,
    *,
    tokens: Sequence[str],
    addresses: Sequence[str],
    near: float,
    known_by: datetime | None = None,
) -> Sequence[Row[Any]]:
    """Systems whose name, address or alias may be in a text; the service looks at word boundaries."""
    squeezed = [re.sub(r"[^a-z0-9]", "", token) for token in tokens]
    parameters = {
        "text": lowered,
        "tokens": list(tokens),
        "squeezed": squeezed,
        "addresses": list(addresses),
        "near": near,
        "known_by": known_by,
    }
    return (await session.execute(_SYSTEMS, parameters)).all()


async def article(session: AsyncSession, article_id: str) -> KnowledgeArticle | None:
    """The article of that id."""
    query = select(KnowledgeArticle).where(KnowledgeArticle.article_id == article_id).limit(1)
    return (await session.execute(query)).scalar_one_or_none()


# -- imports -------------------------------------------------------------------------------------


async def stored_tickets(session: AsyncSession, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows that have one of these as number or internal id."""
    t = TicketHistory
    columns = [getattr(t, name) for name in TICKET_FIELDS]
    rows = await session.execute(
        select(t.id, t.tool_type, t.listed_at, t.opened_at, t.embedding_model, *columns).where(
            or_(t.ticket_id.in_(names), t.desk_id.in_(names))
        )
    )
    return [dict(row) for row in rows.mappings()]


async def told_apart(session: AsyncSession, incoming: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Incoming rows with the ids of companies that they name, where a desk has told which one is called so now."""
    desks = {row["tool_type"] for row in incoming if str(row.get("company_id") or "").startswith(NAME_SIGN)}
    ids = await ids_by_name(session, desks - {None}) if desks else {}
    return [
        {**row, "company_id": ids.get((row["tool_type"], row["company_id"]), row["company_id"])} for row in incoming
    ]


async def settle_tickets(session: AsyncSession, incoming: Sequence[dict[str, Any]]) -> list[Settled]:
    """Each incoming ticket with the stored rows that are the same ticket."""
    names = {name for row in incoming for name in (row["ticket_id"], row["desk_id"]) if name is not None}
    return settle(incoming, await stored_tickets(session, sorted(names)))


async def settle_articles(session: AsyncSession, incoming: Sequence[dict[str, Any]]) -> list[Settled]:
    """Each incoming article with the stored one of its id."""
    names = ("embedding_model", "audience_chosen", *ARTICLE_FIELDS)
    settled = await _settle_by(session, KnowledgeArticle, "article_id", names, incoming)
    return [replace(one, values=with_audience(one.values, one.stored)) for one in settled]


async def settle_systems(session: AsyncSession, incoming: Sequence[dict[str, Any]]) -> list[Settled]:
    """Each incoming system with the stored one of its host name."""
    return await _settle_by(session, SystemInventory, "hostname", SYSTEM_FIELDS, incoming)


async def _settle_by(
    session: AsyncSession, model: Any, key: str, names: Sequence[str], incoming: Sequence[dict[str, Any]]
) -> list[Settled]:
    # Of two rows with one key, the later counts; one statement may not touch a row twice.
    places = {row[key]: place for place, row in enumerate(incoming)}
    columns = [getattr(model, name) for name in (key, *names)]
    rows = await session.execute(select(*columns).where(getattr(model, key).in_(list(places))))
    stored = {row[key]: dict(row) for row in rows.mappings()}
    return [
        Settled(incoming[place], place, (stored[name],) if name in stored else ()) for name, place in places.items()
    ]


async def write_tickets(session: AsyncSession, settled: Sequence[Settled]) -> None:
    """Insert or replace tickets; rows under a ticket's other name are renamed, or go where both are stored."""
    t = TicketHistory
    duplicates = [row["id"] for one in settled for row in one.rows[1:]]
    if duplicates:
        await session.execute(delete(t).where(t.id.in_(duplicates)))
    # Renamed before the upsert: its conflict is by number, so a row under its old name would be inserted a second time.
    for one in settled:
        names = {name: one.values[name] for name in ("ticket_id", "desk_id")}
        if one.stored is not None and any(one.stored[name] != value for name, value in names.items()):
            await session.execute(update(t).where(t.id == one.stored["id"]).values(**names))
    rows = [one.values for one in settled]
    await _upsert(session, t, rows, ("tenant_id", "tool_type", "ticket_id"), ingested=True)
    # In the transaction that stores the first ticket of a company, so that no run finds it while the wall is not up.
    named = [(row["tool_type"], row["company_id"], row["company_name"] or row["company_id"]) for row in rows
             if row["company_id"] is not None]  # fmt: skip
    if named:
        await note_companies(session, rows[0]["tenant_id"], named)


async def write_articles(session: AsyncSession, settled: Sequence[Settled]) -> None:
    """Insert or replace by tenant and article id."""
    await _upsert(session, KnowledgeArticle, [one.values for one in settled], ("tenant_id", "article_id"))


async def write_systems(session: AsyncSession, settled: Sequence[Settled]) -> None:
    """Insert or replace by tenant and host name."""
    await _upsert(session, SystemInventory, [one.values for one in settled], ("tenant_id", "hostname"))


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


async def default_desk(session: AsyncSession) -> str | None:
    """The desk of the session's tenant where nothing else is said; None if there is no such tenant."""
    return await session.scalar(select(TenantConfig.tool_type))


async def newest_listing(session: AsyncSession, tool_type: str) -> datetime | None:
    """The latest place in a desk's own listing that is stored."""
    t = TicketHistory
    return await session.scalar(select(func.max(t.listed_at)).where(t.tool_type == tool_type))


async def holds_at_least(session: AsyncSession, count: int) -> bool:
    """Whether the tenant has so many solved tickets and articles together."""
    # Bounded: a million rows are not counted to learn that they are more than a hundred.
    parts = (select(column).limit(count).subquery() for column in (TicketHistory.id, KnowledgeArticle.id))
    known = [await session.scalar(select(func.count()).select_from(part)) or 0 for part in parts]
    return sum(known) >= count


async def count_tickets(session: AsyncSession) -> int:
    """How many resolved tickets the tenant has."""
    return await session.scalar(select(func.count()).select_from(TicketHistory)) or 0
