"""Knowledge of a tenant: search, articles, feedback, imports. What the API, the worker and the CLI call.

Search and imports live in modules of their own (``search``, ``importer``) and are offered here as well.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.errors import NotFoundError
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.knowledge import repository
from deskhand.knowledge.embedding import Embedder, article_text, embed_texts, load_embedder
from deskhand.knowledge.importer import (
    ImportStoppedError,
    import_articles,
    import_from_desk,
    import_systems,
    import_tickets,
    resume_point,
)
from deskhand.knowledge.models import EnhancementFeedback
from deskhand.knowledge.schemas import ArticleIn, ArticleOut, ArticleSummary, FeedbackIn, FeedbackOut
from deskhand.knowledge.search import (
    find_systems,
    nearest_history,
    search_articles,
    search_history,
    triage_ticket,
)


async def list_articles(
    session: AsyncSession, *, cursor: str | None = None, limit: int = 50, contains: str | None = None
) -> Page[ArticleSummary]:
    """Articles of the tenant by title.

    Args:
        session: A tenant session.
        cursor: ``next_cursor`` of the page before.
        limit: Articles on the page.
        contains: Words to look for, as in a web search (quotes and minus work).

    Raises:
        InvalidInputError: The cursor is not one of this list.
    """
    key = decode_cursor(cursor, str, UUID)
    after = None if key is None else (str(key[0]), UUID(str(key[1])))
    rows = await repository.list_articles(session, after=after, limit=limit + 1, contains=contains)
    return cut_page([ArticleSummary.model_validate(row) for row in rows], limit, lambda one: (one.title, one.id))


async def get_article(session: AsyncSession, article_id: str) -> ArticleOut:
    """One article with its text.

    Raises:
        NotFoundError: The tenant has no such article.
    """
    row = await repository.get_article(session, article_id)
    if row is None:
        raise NotFoundError(f"There is no article {article_id!r}.")
    return ArticleOut.model_validate(row)


async def upsert_article(
    session: AsyncSession, tenant_id: str, actor: str, article: ArticleIn, *, embedder: Embedder | None = None
) -> ArticleOut:
    """Create an article or replace the one of the same id; it is found by search at once.

    Args:
        session: A tenant session of ``tenant_id``.
        tenant_id: Whose article.
        actor: For the audit log.
        article: Markdown and its particulars.
        embedder: None for the installation's own.
    """
    embedder = embedder or load_embedder()
    (vector,) = await embed_texts(embedder, [article_text(article.title, article.body)])
    values = {"tenant_id": tenant_id, **article.model_dump(), "embedding": vector, "embedding_model": embedder.name}
    await repository.upsert_articles(session, [values])
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="knowledge_article.upsert",
        resource_type="knowledge_article",
        resource_id=article.article_id,
        details={"title": article.title, "characters": len(article.body)},
    )
    return await get_article(session, article.article_id)


async def delete_article(session: AsyncSession, tenant_id: str, actor: str, article_id: str) -> None:
    """Remove an article.

    Raises:
        NotFoundError: The tenant has no such article.
    """
    if not await repository.delete_article(session, article_id):
        raise NotFoundError(f"There is no article {article_id!r}.")
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="knowledge_article.delete",
        resource_type="knowledge_article",
        resource_id=article_id,
    )


async def record_feedback(session: AsyncSession, tenant_id: str, feedback: FeedbackIn) -> FeedbackOut:
    """Keep a technician's verdict on a note.

    Args:
        session: A tenant session of ``tenant_id``.
        tenant_id: Whose ticket.
        feedback: Thumb or rating.

    Raises:
        NotFoundError: ``enhancement_id`` names no note of this tenant.
    """
    if feedback.enhancement_id is not None and not await repository.enhancement_exists(
        session, feedback.enhancement_id
    ):
        raise NotFoundError(f"There is no note {feedback.enhancement_id}.")
    row = EnhancementFeedback(tenant_id=tenant_id, **feedback.model_dump())
    return FeedbackOut.model_validate(await repository.add_feedback(session, row))


async def list_feedback(
    session: AsyncSession, *, ticket_id: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[FeedbackOut]:
    """Verdicts, newest first, of one ticket or of all.

    Raises:
        InvalidInputError: The cursor is not one of this list.
    """
    key = decode_cursor(cursor, datetime, UUID)
    after = None if key is None else (key[0], key[1])
    rows = await repository.list_feedback(session, ticket_id=ticket_id, after=after, limit=limit + 1)
    return cut_page([FeedbackOut.model_validate(row) for row in rows], limit, lambda one: (one.created_at, one.id))


async def count_tickets(session: AsyncSession) -> int:
    """How many resolved tickets the tenant's history has."""
    return await repository.count_tickets(session)


__all__ = [
    "ImportStoppedError",
    "count_tickets",
    "delete_article",
    "find_systems",
    "get_article",
    "import_articles",
    "import_from_desk",
    "import_systems",
    "import_tickets",
    "list_articles",
    "list_feedback",
    "nearest_history",
    "record_feedback",
    "resume_point",
    "search_articles",
    "search_history",
    "triage_ticket",
    "upsert_article",
]
