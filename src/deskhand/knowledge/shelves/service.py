"""What people do with knowledge: look through it, add and mend articles, take entries out, search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.errors import ConflictError, FieldProblem, ForbiddenError, InvalidInputError, NotFoundError
from deskhand.kit.html.read import html_to_markdown
from deskhand.kit.page import Page
from deskhand.knowledge.audience import Audience
from deskhand.knowledge.embedding import has_model
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory
from deskhand.knowledge.schemas import ArticleHit, HistoryHit
from deskhand.knowledge.search import search_articles, search_history
from deskhand.knowledge.shelves import repository
from deskhand.knowledge.shelves.schemas import (
    ArticleChange,
    ArticleQuery,
    ArticleUpload,
    HistoryQuery,
    Hit,
    SearchQuery,
    Why,
)
from deskhand.knowledge.upkeep import jobs

CLOSED = "The article is for a few groups alone; an administrator of the tenant reads, changes and opens it."
UPLOADED = "upload"
"""The source of an article that people here keep; others came by an import, which would bring them again."""
_EXCERPT = 400
_MOST_WORDS = 12
_WORD = re.compile(r"[^\W_]{3,40}")


async def list_articles(session: AsyncSession, query: ArticleQuery) -> Page[KnowledgeArticle]:
    """Articles, by their ids."""
    return await repository.list_articles(
        session, q=query.q, audience=query.audience, limit=query.limit, cursor=query.cursor
    )


async def get_article(session: AsyncSession, row_id: UUID, *, lock: bool = False) -> KnowledgeArticle:
    """One article with its text.

    Raises:
        NotFoundError: There is no such article.
    """
    article = await repository.article(session, row_id, lock=lock)
    if article is None:
        raise NotFoundError(f"There is no article '{row_id}'.")
    return article


def is_closed(article: KnowledgeArticle, *, may_open: bool) -> bool:
    """Whether an article is for a few groups, whose members nobody here knows, and the asker opens none."""
    return article.audience == Audience.RESTRICTED and not may_open


async def kept_articles(session: AsyncSession) -> Sequence[KnowledgeArticle]:
    """Every article that people here keep, by its id, with its text."""
    return await repository.articles_of(session, UPLOADED)


async def find_article(session: AsyncSession, article_id: str) -> KnowledgeArticle | None:
    """The article of that id, wherever it came from."""
    return await repository.find_article(session, article_id)


async def add_article(session: AsyncSession, tenant_id: str, data: ArticleUpload, *, actor: str) -> KnowledgeArticle:
    """Add an article; it is found by its words at once, and by its meaning when a worker has made its vector.

    Raises:
        ConflictError: The id is taken.
        InvalidInputError: The HTML has no text.
    """
    article = await repository.add_article(
        session, tenant_id=tenant_id, article_id=data.article_id, title=data.title,
        body=_markdown(data.body, data.format), url=data.url, tags=data.tags, source=UPLOADED,
        audience=data.audience.value, audience_groups=_groups(data.audience, data.audience_groups),
        audience_chosen=True,
    )  # fmt: skip
    if article is None:
        raise ConflictError(f"There is an article '{data.article_id}' already; change that one.")
    await _audit(session, article, "article.create", actor, after=_facts(article))
    await _embed_soon(session, tenant_id)
    return article


async def change_article(
    session: AsyncSession, row_id: UUID, data: ArticleChange, *, actor: str, may_open: bool = False
) -> KnowledgeArticle:
    """Change what the request names.

    Args:
        session: A tenant session.
        row_id: Which article.
        data: What changes.
        actor: Who.
        may_open: Whether that one may read and open an article for a few groups.

    Raises:
        NotFoundError: There is no such article.
        InvalidInputError: A title or a body is null, or the HTML has no text.
        ForbiddenError: It is for a few groups, which is an administrator's to change.
    """
    article = await get_article(session, row_id, lock=True)
    before = _facts(article)
    was_hidden = article.audience == Audience.RESTRICTED
    if is_closed(article, may_open=may_open):
        raise ForbiddenError(CLOSED)
    for name in data.model_fields_set - {"format"}:
        value = getattr(data, name)
        if value is None and name != "url":
            raise InvalidInputError(f"{name} cannot be null.", errors=[FieldProblem(f"/{name}", "cannot be null")])
        setattr(article, name, _markdown(value, data.format) if name == "body" else _plain(value))
    if data.model_fields_set & {"audience", "audience_groups"}:
        article.audience_groups = _groups(article.audience, article.audience_groups)
        article.audience_chosen = True
    if data.model_fields_set & {"title", "body"} or was_hidden is not (article.audience == Audience.RESTRICTED):
        # The old vector is of another text, or of one that nobody finds; without one it is found by its words.
        article.embedding = article.embedding_model = None
        await _embed_soon(session, article.tenant_id)
    await session.flush()
    await session.refresh(article)
    await _audit(session, article, "article.update", actor, before=before, after=_facts(article))
    return article


async def remove_article(session: AsyncSession, row_id: UUID, *, actor: str) -> None:
    """Delete an article.

    Raises:
        NotFoundError: There is no such article.
    """
    article = await get_article(session, row_id, lock=True)
    await repository.remove(session, KnowledgeArticle, row_id)
    await _audit(session, article, "article.delete", actor, before=_facts(article))


async def list_history(session: AsyncSession, query: HistoryQuery) -> Page[TicketHistory]:
    """Solved tickets, the one that came in last first."""
    return await repository.list_history(
        session, q=query.q, tool_type=query.tool_type, limit=query.limit, cursor=query.cursor
    )


async def get_solved_ticket(session: AsyncSession, row_id: UUID) -> TicketHistory:
    """One solved ticket with its texts.

    Raises:
        NotFoundError: There is no such ticket in the history.
    """
    ticket = await repository.solved_ticket(session, row_id)
    if ticket is None:
        raise NotFoundError(f"There is no solved ticket '{row_id}'.")
    return ticket


async def remove_solved_ticket(session: AsyncSession, row_id: UUID, *, actor: str) -> None:
    """Take a ticket out of the history; it comes back if its desk reports it again.

    Raises:
        NotFoundError: There is no such ticket in the history.
    """
    ticket = await get_solved_ticket(session, row_id)
    await repository.remove(session, TicketHistory, row_id)
    facts = {"tool_type": ticket.tool_type, "ticket_id": ticket.ticket_id}
    await _audit(session, ticket, "solved_ticket.delete", actor, before=facts)


async def search(session: AsyncSession, query: SearchQuery) -> list[Hit]:
    """Search as a run does, and say why each hit was found."""
    hits: list[Hit] = []
    if query.kind != "articles":
        hits += [_solved(hit, query.q) for hit in await search_history(session, query.q, limit=query.limit)]
    if query.kind != "history":
        hits += [_article(hit, query.q) for hit in await search_articles(session, query.q, limit=query.limit)]
    return hits


def _solved(hit: HistoryHit, query: str) -> Hit:
    texts = (hit.subject, hit.description, hit.resolution or "")
    return Hit(
        kind="history",
        ref=hit.ticket_id,
        tool_type=hit.tool_type,
        title=hit.subject,
        excerpt=(hit.resolution or hit.description)[:_EXCERPT],
        url=hit.url,
        source=hit.source,
        audience=Audience.INTERNAL,
        score=hit.score,
        why=_why(hit, query, texts),
    )


def _article(hit: ArticleHit, query: str) -> Hit:
    return Hit(
        kind="article",
        ref=hit.article_id,
        tool_type=None,
        title=hit.title,
        excerpt=hit.body[:_EXCERPT],
        url=hit.url,
        source=hit.source,
        audience=Audience(hit.audience),
        score=hit.score,
        why=_why(hit, query, (hit.title, hit.body)),
    )


def _why(hit: HistoryHit | ArticleHit, query: str, texts: tuple[str, ...]) -> Why:
    there = set(_WORD.findall("\n".join(texts).casefold()))
    words = [word for word in dict.fromkeys(_WORD.findall(query.casefold())) if word in there]
    near = None if hit.closeness is None else round(min(1.0, max(0.0, hit.closeness)), 3)
    return Why(codes=list(hit.codes), words=words[:_MOST_WORDS], closeness=near, useful=hit.useful, useless=hit.useless)


def _markdown(body: str, form: str) -> str:
    text = html_to_markdown(body) if form == "html" else body
    if not text.strip():
        raise InvalidInputError("The body has no text.", errors=[FieldProblem("/body", "has no text")])
    return text


async def _embed_soon(session: AsyncSession, tenant_id: str) -> None:
    # By a worker: the caller should not wait for a model, and the API does not need the memory for a batch.
    if has_model():
        await jobs.embed_soon(session, tenant_id)


def _facts(article: KnowledgeArticle) -> dict[str, Any]:
    names = ("article_id", "title", "url", "tags", "audience", "audience_groups")
    return {name: getattr(article, name) for name in names}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Audience) else value


def _groups(audience: str, groups: Sequence[str]) -> list[str]:
    """Groups mean something of a restricted article alone."""
    return list(groups) if audience == Audience.RESTRICTED else []


async def _audit(
    session: AsyncSession,
    row: KnowledgeArticle | TicketHistory,
    operation: str,
    actor: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    await audit.record(
        session,
        tenant_id=row.tenant_id,
        actor=actor,
        operation=operation,
        resource_type="knowledge",
        resource_id=row.id,
        before=before,
        after=after,
    )
