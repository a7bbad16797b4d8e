"""Articles and feedback as the API uses them."""

from __future__ import annotations

import uuid

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from tests.conftest import MakeTenant
from tests.knowledge.conftest import Remembering

from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.kit.db.session import Database
from deskhand.knowledge import service
from deskhand.knowledge.schemas import ArticleIn, FeedbackIn

ARTICLE = ArticleIn(
    article_id="KB-1",
    title="Reset the coffee machine",
    body="Use this when it leaks.\n\n1. Unplug it.",
    tags=["coffee"],
)


async def test_an_article_is_found_at_once_replaced_and_deleted(
    clean_db: Database, tenant: str, embedder: Remembering
) -> None:
    async with clean_db.tenant_session(tenant) as session:
        made = await service.upsert_article(session, tenant, "tester", ARTICLE, embedder=embedder)
        hits = await service.search_articles(session, "The coffee machine is leaking", embedder=embedder)
        assert [hit.article_id for hit in hits] == ["KB-1"]
        changed = ARTICLE.model_copy(update={"title": "Renew a parking permit", "body": "Ask the porter."})
        again = await service.upsert_article(session, tenant, "tester", changed, embedder=embedder)
        assert (again.id, again.title) == (made.id, "Renew a parking permit")
        assert await service.search_articles(session, "The coffee machine is leaking", embedder=embedder) == []
    async with clean_db.tenant_session(tenant) as session:
        await service.delete_article(session, tenant, "tester", "KB-1")
        for call in (service.get_article(session, "KB-1"), service.delete_article(session, tenant, "t", "KB-1")):
            with pytest.raises(NotFoundError):
                await call
        log = await session.execute(text("SELECT operation FROM audit_log ORDER BY sequence"))
        assert [row[0] for row in log] == [
            "knowledge_article.upsert", "knowledge_article.upsert", "knowledge_article.delete",
        ]  # fmt: skip


async def test_articles_are_listed_in_pages_and_by_words(
    clean_db: Database, tenant: str, embedder: Remembering
) -> None:
    async with clean_db.tenant_session(tenant) as session:
        for number in range(5):
            article = ArticleIn(article_id=f"KB-{number}", title=f"Title {number}", body=f"About topic{number}.")
            await service.upsert_article(session, tenant, "tester", article, embedder=embedder)
        titles, cursor = [], None
        while True:
            page = await service.list_articles(session, cursor=cursor, limit=2)
            titles += [one.title for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert titles == [f"Title {number}" for number in range(5)]
        assert [one.article_id for one in (await service.list_articles(session, contains="topic3")).items] == ["KB-3"]
        with pytest.raises(InvalidInputError):
            await service.list_articles(session, cursor="nonsense")


async def test_another_tenants_article_is_not_there(
    clean_db: Database, tenant: str, make_tenant: MakeTenant, embedder: Remembering
) -> None:
    await make_tenant("other")
    async with clean_db.tenant_session(tenant) as session:
        await service.upsert_article(session, tenant, "tester", ARTICLE, embedder=embedder)
    async with clean_db.tenant_session("other") as session:
        with pytest.raises(NotFoundError):
            await service.get_article(session, "KB-1")
        await service.upsert_article(session, "other", "tester", ARTICLE, embedder=embedder)  # its own, same id


async def test_feedback_is_kept_newest_first(clean_db: Database, tenant: str) -> None:
    for verdict in (
        FeedbackIn(ticket_id="1", feedback_type="thumbs_up", technician_email="a@example.com"),
        FeedbackIn(ticket_id="2", feedback_type="rating", rating_value=2, feedback_comment="Wrong printer."),
    ):
        async with clean_db.tenant_session(tenant) as session:
            await service.record_feedback(session, tenant, verdict)
    async with clean_db.tenant_session(tenant) as session:
        page = await service.list_feedback(session, limit=1)
        rest = await service.list_feedback(session, limit=1, cursor=page.next_cursor)
        only = await service.list_feedback(session, ticket_id="1")
        with pytest.raises(NotFoundError, match="no note"):
            await service.record_feedback(
                session, tenant, FeedbackIn(ticket_id="1", feedback_type="thumbs_up", enhancement_id=uuid.uuid4())
            )
    assert [one.ticket_id for one in [*page.items, *rest.items]] == ["2", "1"]
    assert [one.feedback_type for one in only.items] == ["thumbs_up"]


@pytest.mark.parametrize(
    "fields",
    [
        {"feedback_type": "rating"},
        {"feedback_type": "thumbs_up", "rating_value": 3},
        {"feedback_type": "rating", "rating_value": 6},
        {"feedback_type": "love"},
    ],
)
def test_a_verdict_that_means_nothing_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FeedbackIn.model_validate({"ticket_id": "1", **fields})
