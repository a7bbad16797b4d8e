"""Search over what a tenant knows: resolved tickets, articles, systems."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.storable import storable_text
from deskhand.knowledge import repository, stemming
from deskhand.knowledge.audience import Audience
from deskhand.knowledge.boundaries import boundaries_of, is_out, without_kept_out
from deskhand.knowledge.embedding import Embedder, embed_texts, load_embedder
from deskhand.knowledge.ranking import (
    ARTICLES,
    COSINE_CENTRE,
    HISTORY,
    RUNNER_UP_MARGIN,
    Calibration,
    probability,
    weigh_terms,
)
from deskhand.knowledge.schemas import ArticleHit, HistoryHit, SystemHit, TicketNames
from deskhand.knowledge.triage import NEIGHBOURS, Triage, suggest
from deskhand.knowledge.vocabulary import FILLER, SYNONYMS, exact_codes

_SUBJECT_LIMIT = 300
_BODY_LIMIT = 1500
_MAX_STEMS = 60
_TEXT_LIMIT = 20_000
"""Characters of a query that are read: each system's names are looked for in all of them."""
_NEAR_SPELLING = 0.6
_ALIAS_SCORE = 0.8

_TOKEN = re.compile(r"[a-z0-9][a-z0-9._-]{2,254}")


async def search_history(
    session: AsyncSession,
    query: str,
    *,
    limit: int = 5,
    exclude_ticket: TicketNames | None = None,
    embedder: Embedder | None = None,
    floor: float | None = None,
    solved_before: datetime | None = None,
) -> list[HistoryHit]:
    """Find resolved tickets about the same kind of problem.

    Args:
        session: A tenant session; other tenants' tickets are never seen.
        query: The ticket's subject, a line break, its description; or any words.
        limit: Hits at most.
        exclude_ticket: The ticket being worked on, under all its names, so that it does not find itself.
        embedder: None for the installation's own.
        floor: Score below which a hit is not shown; None for the calibrated one.
        solved_before: Only what was solved by then.

    Returns:
        Best first, by score and by what people said of notes that cite it; empty when nothing is near enough.
    """
    rows = await _ranked(
        session, "ticket_history", query, HISTORY, limit=limit, embedder=embedder, floor=floor, exclude=exclude_ticket,
        solved_before=solved_before,
    )  # fmt: skip
    codes = exact_codes(query)
    return [
        HistoryHit(
            tool_type=row.tool_type,
            ticket_id=row.ticket_id,
            subject=row.subject,
            description=row.description,
            resolution=row.resolution,
            category=row.category,
            priority=row.priority,
            url=row.url,
            resolved_date=row.resolved_date,
            source=row.source,
            score=score,
            codes=_codes_in(codes, row.subject, row.description, row.resolution or ""),
            closeness=row.cosine,
            useful=row.useful,
            useless=row.useless,
        )
        for row, score in rows
    ]


async def nearest_history(
    session: AsyncSession,
    query: str,
    *,
    exclude_ticket: TicketNames | None = None,
    embedder: Embedder | None = None,
    solved_before: datetime | None = None,
) -> list[HistoryHit]:
    """The neighbours that vote in ``triage.suggest``: no floor, since the vote weighs them itself."""
    return await search_history(
        session, query, limit=NEIGHBOURS, exclude_ticket=exclude_ticket, embedder=embedder, floor=0.0,
        solved_before=solved_before,
    )  # fmt: skip


async def triage_ticket(
    session: AsyncSession, query: str, *, exclude_ticket: TicketNames | None = None, embedder: Embedder | None = None
) -> Triage:
    """Suggest category and priority from the nearest resolved tickets; each may abstain.

    Args:
        session: A tenant session.
        query: Subject, line break, description.
        exclude_ticket: The ticket itself.
        embedder: None for the installation's own.
    """
    return suggest(await nearest_history(session, query, exclude_ticket=exclude_ticket, embedder=embedder))


async def search_articles(
    session: AsyncSession,
    query: str,
    *,
    limit: int = 3,
    embedder: Embedder | None = None,
    floor: float | None = None,
    known_by: datetime | None = None,
) -> list[ArticleHit]:
    """Find the procedures that fit a ticket.

    Args:
        session: A tenant session.
        query: Subject, line break, description; or any words.
        limit: Hits at most.
        embedder: None for the installation's own.
        floor: Score below which a hit is not shown; None for the calibrated one.
        known_by: Only articles that are as they were by then.

    Returns:
        Best first; empty when no procedure is relevant, which is a common and useful answer.
    """
    rows = await _ranked(
        session, "knowledge_articles", query, ARTICLES, limit=limit, embedder=embedder, floor=floor,
        solved_before=known_by,
    )  # fmt: skip
    codes = exact_codes(query)
    return [
        ArticleHit(
            article_id=row.article_id,
            title=row.title,
            body=row.body,
            url=row.url,
            source=row.source,
            score=score,
            audience=row.audience,
            codes=_codes_in(codes, row.title, row.body),
            closeness=row.cosine,
            useful=row.useful,
            useless=row.useless,
        )
        for row, score in rows
    ]


async def read_article(
    session: AsyncSession, article_id: str, *, known_by: datetime | None = None
) -> ArticleHit | None:
    """One article by its id; None if there is none, or none that is as it was by then."""
    row = await repository.article(session, _storable(article_id))
    if row is None or row.audience == Audience.RESTRICTED or (known_by is not None and row.updated_at >= known_by):
        return None
    of_whom = {"tool_type": row.tool_type, "company_id": row.company_id, "company_name": row.company_name}
    if is_out(await boundaries_of(session), "knowledge_articles", of_whom):
        return None
    return ArticleHit(
        article_id=row.article_id, title=row.title, body=row.body, url=row.url, source=row.source, score=1.0,
        audience=row.audience,
    )  # fmt: skip


async def _ranked(
    session: AsyncSession,
    table: str,
    query: str,
    calibration: Calibration,
    *,
    limit: int,
    embedder: Embedder | None,
    floor: float | None,
    exclude: TicketNames | None = None,
    solved_before: datetime | None = None,
) -> list[tuple[Row[Any], float]]:
    query = _storable(query)
    if not query:
        return []
    # The model takes longest, and it needs no connection; the caller's session only waits.
    embedder = embedder or load_embedder()
    (vector,) = await embed_texts(embedder, [query])
    prepared = await prepare_query(session, table, query, calibration, vector=vector, model=embedder.name)
    # A ticket is always most similar to itself; an edit of it would cite its own past.
    if exclude is not None:
        prepared = repository.excluding(prepared, exclude)
    if solved_before is not None:
        prepared = replace(prepared, solved_before=solved_before)
    rows = await without_kept_out(session, table, await repository.search(session, table, prepared, limit=limit))
    least = calibration.floor if floor is None else floor
    # Not the first one's: verdicts order hits and hide none.
    best = max((row.log_odds for row in rows), default=0.0)
    scored = [(row, round(probability(row.log_odds), 3)) for row in rows]
    # Who names a floor wants to judge the hits; the margin is for readers, who see the list as it is.
    margin = float("inf") if floor is not None else RUNNER_UP_MARGIN
    return [(row, score) for row, score in scored if score >= least and best - row.log_odds <= margin]


async def prepare_query(
    session: AsyncSession,
    table: str,
    query: str,
    calibration: Calibration,
    *,
    vector: list[float] | None,
    model: str | None,
) -> repository.Query:
    """Stem and weigh the words of a query against the tenant's own texts."""
    # A subject says in ten words what a body says in two hundred, so its words weigh more.
    subject, _, body = query.strip().partition("\n")
    stems = await stemming.stem(
        session, subject[:_SUBJECT_LIMIT], f"{subject[_SUBJECT_LIMIT:]} {body}"[:_BODY_LIMIT],
        filler=FILLER, synonyms=SYNONYMS,
    )  # fmt: skip
    synonyms = _synonyms_by_stem(stems.groups)
    words = _most_telling(stems.subject - stems.filler, stems.body - stems.filler - stems.subject, synonyms)
    documents, frequency = await repository.frequencies(session, table, words, stems.roots)
    terms = weigh_terms(
        words, in_subject=stems.subject, frequency=frequency, documents=documents, synonyms=synonyms, roots=stems.roots
    )
    coefficients = {
        "intercept": calibration.intercept,
        "cosine": calibration.cosine,
        "words": calibration.words,
        "lexical_intercept": calibration.lexical_intercept,
        "lexical_words": calibration.lexical_words,
        "centre": COSINE_CENTRE,
    }
    return repository.Query(terms=terms, vector=vector, model=model, coefficients=coefficients)


def _storable(text: str) -> str:
    """A stranger's text as PostgreSQL can take it, and no more of it than is looked at."""
    return storable_text(text[:_TEXT_LIMIT]).strip()


def _synonyms_by_stem(groups: dict[int, set[str]]) -> dict[str, frozenset[str]]:
    synonyms: dict[str, frozenset[str]] = {}
    for group in groups.values():
        for stem in group:
            synonyms[stem] = synonyms.get(stem, frozenset()) | (group - {stem})
    return synonyms


def _most_telling(subject: frozenset[str], body: frozenset[str], topics: dict[str, frozenset[str]]) -> list[str]:
    """At most ``_MAX_STEMS``: topic words and codes first, then the subject's, then the rest by the alphabet."""

    def rank(stem: str) -> tuple[bool, bool, str]:
        telling = stem in topics or any(letter.isdigit() for letter in stem)
        return (not telling, stem not in subject, stem)

    return sorted(subject | body, key=rank)[:_MAX_STEMS]


def _codes_in(codes: Sequence[str], *texts: str) -> tuple[str, ...]:
    text = "\n".join(texts).lower()
    return tuple(code for code in codes if re.search(rf"(?<![\w-]){re.escape(code)}(?![\w-])", text))


# -- systems -------------------------------------------------------------------------------------


async def find_systems(
    session: AsyncSession, text: str, *, limit: int = 5, known_by: datetime | None = None
) -> list[SystemHit]:
    """Recognise the systems a text names: host names, addresses, and what people call them.

    Args:
        session: A tenant session.
        text: Subject and description of a ticket; its first 20,000 characters are read.
        limit: Systems at most.
        known_by: Only systems that are as they were by then.

    Returns:
        Exact names first, then aliases (the longest first), then near-spellings of host names.
    """
    lowered = _storable(text).lower()
    tokens = list(dict.fromkeys(token.rstrip(".-_") for token in _TOKEN.findall(lowered)))[:200]
    # A near-spelling is only looked for where the word looks like a host name: "prn204" is one, "printer" is not.
    looks_like_host = [token for token in tokens if any(map(str.isdigit, token)) and any(map(str.isalpha, token))]
    # The pattern is wide ("12:30" fits it); ipaddress says which of them is an address.
    addresses = [token for token in _address_like(lowered) if _is_address(token)]
    rows = await repository.systems_named_in(
        session, lowered, tokens=looks_like_host, addresses=addresses, near=_NEAR_SPELLING, known_by=known_by
    )
    rows = await without_kept_out(session, "system_inventory", rows)
    hits = [hit for row in rows if (hit := _system_hit(row, lowered, addresses, looks_like_host)) is not None]
    # The longest name first: "printer 3rd floor" says more than "printer".
    hits.sort(key=lambda hit: (-hit.score, -len(hit.matched), hit.hostname))
    return hits[:limit]


def _system_hit(row: Row[Any], lowered: str, addresses: Sequence[str], tokens: Sequence[str]) -> SystemHit | None:
    host = row.hostname.lower()
    short = host.split(".")[0]
    aliases = [alias for alias in row.attributes.get("aliases") or [] if isinstance(alias, str)]
    match: tuple[str, Literal["hostname", "ip_address", "alias", "similar"], float] | None = None
    if _has_word(lowered, host) or short in tokens:
        match = (host if _has_word(lowered, host) else short, "hostname", 1.0)
    elif row.ip_address and row.ip_address in addresses:
        match = (row.ip_address, "ip_address", 1.0)
    elif named := [alias for alias in aliases if alias and _has_word(lowered, alias.lower())]:
        match = (max(named, key=len), "alias", _ALIAS_SCORE)
    elif row.likeness is not None and row.likeness >= _NEAR_SPELLING:
        # A misspelt name usually keeps its beginning; likeness alone also finds its neighbours in the same naming
        # scheme.
        near = next((token for token in tokens if token[:2] == host[:2]), None)
        # The digits tell one device from the next, so they must agree.
        same = near is not None and re.sub(r"\D", "", near) == re.sub(r"\D", "", short)
        match = (near, "similar", round(row.likeness, 2)) if near is not None and same else None
    if match is None:
        return None
    matched, how, score = match
    return SystemHit(
        hostname=row.hostname,
        ip_address=row.ip_address,
        role=row.role,
        client=row.client,
        location=row.location,
        matched=matched,
        match=how,
        score=score,
        # Aliases are for finding; the note shows the one that matched.
        attributes={key: value for key, value in row.attributes.items() if key != "aliases"},
    )


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def _address_like(text: str) -> list[str]:
    return [token.strip(".,;:()[]") for token in re.findall(r"[0-9a-f.:]{4,45}", text)]


def _is_address(token: str) -> bool:
    try:
        ipaddress.ip_address(token)
    except ValueError:
        return False
    return True


async def holds_at_least(session: AsyncSession, count: int) -> bool:
    """Whether the tenant has so many solved tickets and articles together."""
    return await repository.holds_at_least(session, count)


__all__ = [
    "find_systems",
    "holds_at_least",
    "nearest_history",
    "prepare_query",
    "read_article",
    "search_articles",
    "search_history",
    "triage_ticket",
]
