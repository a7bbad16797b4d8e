"""The edges of the shelves: what is refused, what is recorded, and what two do at one moment."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from tests.support.api import Api

from deskhand.audit.models import AuditLog
from deskhand.errors import NotFoundError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory
from deskhand.knowledge.shelves import repository, service
from deskhand.knowledge.shelves.endpoints import router
from deskhand.knowledge.shelves.schemas import (
    ArticleChange,
    ArticleQuery,
    ArticleUpload,
    HistoryQuery,
    SearchQuery,
)
from deskhand.knowledge.upkeep import jobs
from deskhand.knowledge.upkeep.models import JobKind, KnowledgeJob
from deskhand.knowledge.upkeep.schemas import JobView

ARTICLES = f"{router.prefix}/articles"
GOOD: dict[str, Any] = {"article_id": "KB-1", "title": "Printers", "body": "Open the lid."}


@pytest.mark.parametrize(
    "wrong",
    [
        {"article_id": ""},
        {"article_id": "x" * 101},
        {"title": ""},
        {"title": "x" * 501},
        {"title": None},
        {"body": ""},
        {"body": "x" * 200_001},
        {"format": "docx"},
        {"url": "javascript:alert(1)"},
        {"url": "http://a b"},
        {"url": "ftp://files.example.com/x"},
        {"tags": ["x" * 101]},
        {"tags": ["x"] * 51},
        {"tags": "vpn"},
        {"colour": "red"},
    ],
    ids=lambda wrong: str(wrong)[:30],
)
def test_what_is_no_article_is_refused_by_its_field(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        ArticleUpload.model_validate({**GOOD, **wrong})
    assert {error["loc"][0] for error in refusal.value.errors()} == set(wrong)


@pytest.mark.parametrize("model", [ArticleUpload, ArticleChange, JobView])
def test_the_examples_of_the_document_are_what_they_show(model: Any) -> None:
    for example in model.model_config["json_schema_extra"]["examples"]:
        shown = model.model_validate(example).model_dump(mode="json", exclude_unset=True)
        assert shown == example


def test_a_change_tells_what_it_leaves_from_what_it_clears() -> None:
    assert ArticleChange.model_validate({}).model_fields_set == set()
    assert ArticleChange.model_validate({"url": None}).model_fields_set == {"url"}


@pytest.fixture
async def shelf(clean_db: Database, make_tenant: Any, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The tenants acme and globex; words alone."""
    monkeypatch.setattr(service, "has_model", lambda: True)
    monkeypatch.setattr("deskhand.knowledge.search.load_embedder", LexicalOnly)
    await make_tenant("acme")
    await make_tenant("globex")
    return clean_db


async def added(shelf: Database, tenant_id: str = "acme", **more: Any) -> KnowledgeArticle:
    async with shelf.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        data = ArticleUpload.model_validate({**GOOD, **more})
        return await service.add_article(session, tenant_id, data, actor="test")


async def test_each_change_of_an_article_is_on_record(shelf: Database) -> None:
    article = await added(shelf)
    async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
        change = ArticleChange.model_validate({"title": "Other printers"})
        await service.change_article(session, article.id, change, actor="test")
        await service.remove_article(session, article.id, actor="test")
    async with shelf.platform_session() as session:
        query = select(AuditLog).where(AuditLog.operation.like("article.%")).order_by(AuditLog.sequence)
        entries = list(await session.scalars(query))
    assert [entry.operation for entry in entries] == ["article.create", "article.update", "article.delete"]
    assert {entry.resource_id for entry in entries} == {str(article.id)}
    changed = entries[1].details
    assert (changed["before"]["title"], changed["after"]["title"]) == ("Printers", "Other printers")
    # The text itself is not in the log: it can be long, and the log cannot be cleaned.
    assert all("Open the lid" not in str(entry.details) for entry in entries)


async def test_another_tenants_rows_are_not_there(shelf: Database) -> None:
    article = await added(shelf, "globex")
    async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
        with pytest.raises(NotFoundError):
            await service.get_article(session, article.id)
        await repository.remove(session, KnowledgeArticle, article.id)
        assert (await service.list_articles(session, ArticleQuery(q=None, cursor=None))).items == []
        with pytest.raises(NotFoundError):
            await service.get_solved_ticket(session, article.id)
    async with shelf.tenant_session("globex", companies=EVERY_COMPANY) as session:
        assert (await service.get_article(session, article.id)).title == "Printers"


@pytest.mark.parametrize("words", ["%", "_", "50%_off", "\\", "'", "ß"])
async def test_words_are_looked_for_as_they_are(shelf: Database, words: str) -> None:
    await added(shelf, title="Nothing of that")
    await added(shelf, article_id="KB-2", title=f"About {words} and more")
    async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add(TicketHistory(tenant_id="acme", ticket_id="1", subject=f"x {words} y", description="It jams."))
        session.add(TicketHistory(tenant_id="acme", ticket_id="2", subject="other", description="It jams."))
        await session.flush()
        articles = await service.list_articles(session, ArticleQuery(q=words, cursor=None))
        tickets = await service.list_history(session, HistoryQuery(q=words, tool_type=None, cursor=None))
    assert [one.article_id for one in articles.items] == ["KB-2"]
    assert [one.ticket_id for one in tickets.items] == ["1"]


async def test_a_hit_shows_its_text_where_nobody_wrote_how_it_was_solved(shelf: Database) -> None:
    await added(shelf, title="Label printer prints nothing", body="Look at the ribbon of the label printer.")
    async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add(
            TicketHistory(
                tenant_id="acme", ticket_id="7", subject="Label printer prints nothing", description="Since noon."
            )
        )
    async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
        query = SearchQuery(q="Label printer prints nothing", kind="all", limit=5)
        solved, article = await service.search(session, query)
        assert (solved.kind, solved.ref, solved.excerpt) == ("history", "7", "Since noon.")
        assert (article.kind, article.ref, article.tool_type) == ("article", "KB-1", None)
        assert article.why.words == ["label", "printer", "prints", "nothing"]
        only = await service.search(session, SearchQuery(q="label printer", kind="articles", limit=1))
        assert [one.kind for one in only] == ["article"]


async def test_a_text_that_comes_while_the_last_look_is_made_is_not_forgotten(shelf: Database) -> None:
    """The job that makes vectors ends only when nothing is left, also of what is being written at that moment."""
    await added(shelf)
    writing, ending = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
            await jobs.embed_soon(session, "acme")
            writing.set()
            await ending.wait()

    writer = asyncio.create_task(write())
    await writing.wait()
    async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
        # Held by the writer: a worker that would end the job now waits for it.
        free = await session.scalar(text("SELECT id FROM knowledge_jobs FOR UPDATE SKIP LOCKED"))
        assert free is None
    ending.set()
    await writer
    async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
        rows = list(await session.scalars(select(KnowledgeJob)))
        assert [(row.kind, row.state) for row in rows] == [(JobKind.EMBEDDINGS, "queued")]
        rows[0].state = "done"
    await added(shelf, article_id="KB-2")
    async with shelf.tenant_session("acme", companies=EVERY_COMPANY) as session:
        states = await session.scalars(select(KnowledgeJob.state).order_by(KnowledgeJob.created_at))
        assert list(states) == ["done", "queued"]


async def test_an_upload_that_is_sent_twice_under_one_key_is_one_article(api: Api) -> None:
    acme, viewer = await api.tenant(), await api.member("acme", "viewer")
    headers = {"Idempotency-Key": "upload-0001"}
    answers: list[httpx2.Response] = [await acme.post(ARTICLES, json=GOOD, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert (await viewer.post(ARTICLES, json={**GOOD, "article_id": "KB-2"})).status_code == 403
    assert len((await viewer.get(ARTICLES)).json()["items"]) == 1
