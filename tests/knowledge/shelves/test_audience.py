"""The audience of articles: said, set, searched by, and held by the database whatever somebody asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.readers import Readers
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.batches import Import
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import ExportRow
from deskhand.knowledge.search import read_article, search_articles, search_history
from deskhand.knowledge.shelves import service
from deskhand.knowledge.upkeep import repository as upkeep

ARTICLES = "/api/v1/knowledge/articles"
ARTICLE = {"article_id": "KB-1", "title": "VPN drops with error 809", "body": "Open port 500 for error 809."}


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """Without a model: words alone say the same on every machine."""
    monkeypatch.setattr(service, "has_model", lambda: False)
    monkeypatch.setattr("deskhand.knowledge.search.load_embedder", LexicalOnly)
    async with running_api(database_urls.app_url) as running:
        yield running


async def add(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(ARTICLES, json={**ARTICLE, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def imported(api: Api, folder: Path, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """What is stored after an import of these rows."""
    file = folder / "articles.json"
    file.write_text(json.dumps([{**ARTICLE, **row} for row in rows]))
    await importer.import_articles(api.db, "acme", file, embedder=LexicalOnly())
    async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        columns = "article_id, audience, audience_groups, audience_chosen"
        found = await session.execute(text(f"SELECT {columns} FROM knowledge_articles ORDER BY 1"))
        return [dict(row) for row in found.mappings()]


async def test_an_article_is_internal_unless_somebody_says_otherwise_and_lists_are_narrowed_by_it(api: Api) -> None:
    acme = await api.tenant()
    quiet = await add(acme)
    assert (quiet["audience"], quiet["audience_groups"], quiet["audience_chosen"]) == ("internal", [], True)
    public = await add(acme, article_id="KB-2", audience="public", audience_groups=["HR"])
    assert (public["audience"], public["audience_groups"]) == ("public", [])
    hidden = await add(acme, article_id="KB-3", audience="restricted", audience_groups=["HR"])
    assert hidden["audience_groups"] == ["HR"]
    for audience, ref in (("internal", "KB-1"), ("public", "KB-2"), ("restricted", "KB-3")):
        listed = (await acme.get(ARTICLES, params={"audience": audience})).json()["items"]
        assert [one["article_id"] for one in listed] == [ref]
    assert (await acme.get(ARTICLES, params={"audience": "nobody"})).status_code == 422
    hits = (await acme.get("/api/v1/knowledge/search", params={"q": "VPN drops with error 809"})).json()["items"]
    assert {one["ref"]: one["audience"] for one in hits} == {"KB-1": "internal", "KB-2": "public"}
    changed = await acme.patch(f"{ARTICLES}/{quiet['id']}", json={"audience": "public"})
    assert changed.json()["audience"] == "public"
    assert (await acme.patch(f"{ARTICLES}/{quiet['id']}", json={"audience": None})).status_code == 422


async def test_an_administrator_alone_opens_what_is_for_a_few(api: Api) -> None:
    acme = await api.tenant()
    editor = await api.member("acme", "editor")
    hidden = await add(acme, audience="restricted", audience_groups=["HR"])
    url = f"{ARTICLES}/{hidden['id']}"
    refused = await editor.patch(url, json={"audience": "internal"})
    assert (refused.status_code, "administrator" in refused.text) == (403, True)
    assert (await editor.patch(url, json={"title": "VPN"})).status_code == 403
    assert [(await one.get(url)).json()["body"] for one in (editor, acme)] == ["", ARTICLE["body"]]
    opened = await acme.patch(url, json={"audience": "internal"})
    assert (opened.json()["audience"], opened.json()["audience_groups"]) == ("internal", [])
    assert (await editor.patch(url, json={"audience": "restricted"})).status_code == 200


async def test_an_import_says_whom_its_pages_are_for_and_leaves_what_a_person_chose(api: Api, tmp_path: Path) -> None:
    acme = await api.tenant()
    rows = ({"user_segment_id": None}, {"article_id": "KB-2", "user_segment_id": 7}, {"article_id": "KB-3"})
    first = await imported(api, tmp_path, *rows)
    assert [row["audience"] for row in first] == ["public", "restricted", "internal"]
    assert first[1]["audience_groups"] == ["user segment 7"]
    assert not any(row["audience_chosen"] for row in first)
    listed = (await acme.get(ARTICLES)).json()["items"]
    for one, audience in zip(listed, ("internal", "internal", "public"), strict=True):
        assert (await acme.patch(f"{ARTICLES}/{one['id']}", json={"audience": audience})).status_code == 200
    again = await imported(api, tmp_path, *rows)
    assert [row["audience"] for row in again] == ["internal", "internal", "public"]


class Named(LexicalOnly):
    """A model by name, that is told what it is asked for."""

    name = "test-model"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Any) -> Any:
        self.asked += texts
        return [[1.0] + [0.0] * 383 for _ in texts]


async def test_of_a_page_for_a_few_no_vector_is_made_and_one_that_it_had_goes(api: Api) -> None:
    await api.tenant()
    model = Named()

    async def bring(audience: str) -> tuple[str | None, int]:
        importing = Import(api.db, "acme", importer.ARTICLES, on_error="stop", embedder=model)
        report = await importing.run([ExportRow("1", {**ARTICLE, "audience": audience})])
        async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
            stored = await session.scalar(text("SELECT embedding_model FROM knowledge_articles"))
            assert await upkeep.count_foreign_vectors(session, "test-model") == 0
        return stored, report.updated

    assert await bring("restricted") == (None, 0)
    assert model.asked == []
    assert await bring("restricted") == (None, 0)
    assert await bring("internal") == ("test-model", 1)
    assert await bring("restricted") == (None, 1)
    assert len(model.asked) == 1


async def test_the_database_shows_no_look_up_for_outside_what_is_not_public(api: Api) -> None:
    acme = await api.tenant()
    for ref, audience in (("KB-1", "public"), ("KB-2", "internal"), ("KB-3", "restricted")):
        await add(acme, article_id=ref, audience=audience)
    importing = Import(api.db, "acme", importer.DESK_TICKETS, on_error="stop", embedder=LexicalOnly())
    solved = {"tool_type": "jira", "ticket_id": "HELP-1", "subject": ARTICLE["title"], "resolution": "Opened it."}
    await importing.run([ExportRow("1", solved)])
    seen: dict[Readers | None, Any] = {}
    for readers in (None, Readers.HOUSE, Readers.OUTSIDE):
        async with api.db.tenant_session("acme", companies=EVERY_COMPANY, readers=readers) as session:
            rows = (await session.scalars(text("SELECT article_id FROM knowledge_articles ORDER BY 1"))).all()
            found = await search_articles(session, str(ARTICLE["title"]), embedder=LexicalOnly(), floor=0.0)
            read = [one for ref in ("KB-1", "KB-2", "KB-3") if (one := await read_article(session, ref))]
            past = await search_history(session, str(ARTICLE["title"]), embedder=LexicalOnly(), floor=0.0)
            seen[readers] = (
                list(rows), sorted(hit.article_id for hit in found), [hit.article_id for hit in read], len(past)
            )  # fmt: skip
    # People look after all of them; no search finds the one for a few.
    assert seen[None] == (["KB-1", "KB-2", "KB-3"], ["KB-1", "KB-2"], ["KB-1", "KB-2"], 1)
    assert seen[Readers.HOUSE] == (["KB-1", "KB-2"], ["KB-1", "KB-2"], ["KB-1", "KB-2"], 1)
    assert seen[Readers.OUTSIDE] == (["KB-1"], ["KB-1"], ["KB-1"], 0)
