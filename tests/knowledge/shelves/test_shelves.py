"""Articles, solved tickets and the search over both, through the API as it is served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api
from tests.support.logins import open_pool
from tests.support.upkeep import reach_of

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import embedding, importer
from deskhand.knowledge.batches import Import
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import ExportRow
from deskhand.knowledge.shelves import service
from deskhand.knowledge.upkeep.keeper import KnowledgeKeeper

BASE = "/api/v1/knowledge"
ARTICLE: dict[str, Any] = {
    "article_id": "KB-12",
    "title": "VPN drops after an update",
    "body": "# VPN\n\nUpdate the client, then disable power management.",
    "url": "https://wiki.example.com/KB-12",
    "tags": ["vpn"],
}


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """Without a model: words alone say the same on every machine."""
    monkeypatch.setattr(service, "has_model", lambda: False)
    monkeypatch.setattr("deskhand.knowledge.search.load_embedder", LexicalOnly)
    async with running_api(database_urls.app_url) as running:
        yield running


async def ok(call: Any, status: int = 200) -> Any:
    answer: httpx2.Response = await call
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def solved(db: Database, tenant_id: str, *tickets: tuple[str, str, str]) -> None:
    importing = Import(db, tenant_id, importer.DESK_TICKETS, on_error="stop", embedder=LexicalOnly())
    await importing.run(
        ExportRow(number, {"tool_type": "jira", "ticket_id": number, "subject": subject, "resolution": how})
        for number, subject, how in tickets
    )


async def test_an_article_is_added_read_changed_and_deleted(api: Api) -> None:
    acme, globex = await api.tenant(), await api.tenant("globex")
    made = await ok(acme.post(f"{BASE}/articles", json=ARTICLE), 201)
    assert {name: made[name] for name in ARTICLE} == ARTICLE
    assert made["source"] == "upload"
    again = await ok(acme.post(f"{BASE}/articles", json=ARTICLE), 409)
    assert "KB-12" in again["detail"]
    await ok(globex.post(f"{BASE}/articles", json=ARTICLE), 201)  # an id is a tenant's own
    url = f"{BASE}/articles/{made['id']}"
    assert (await ok(acme.get(url)))["body"] == ARTICLE["body"]
    for method, body in (("GET", None), ("PATCH", {"title": "Taken"}), ("DELETE", None)):
        await ok(globex.request(method, url, json=body), 404)
    html = {"body": "<p>Update the <b>client</b>.</p><script>alert(1)</script>", "format": "html", "url": None}
    changed = await ok(acme.patch(url, json=html))
    assert (changed["body"], changed["title"], changed["url"]) == ("Update the **client**.", ARTICLE["title"], None)
    for wrong, pointer in (({"title": None}, "/title"), ({"body": "<p> </p>", "format": "html"}, "/body")):
        refused = await ok(acme.patch(url, json=wrong), 422)
        assert refused["errors"][0]["pointer"] == pointer
    await ok(acme.delete(url), 204)
    await ok(acme.get(url), 404)
    await ok(acme.delete(url), 404)


async def test_lists_are_read_page_by_page_and_narrowed_by_words(api: Api) -> None:
    acme = await api.tenant()
    for number in range(5):
        await ok(
            acme.post(f"{BASE}/articles", json={**ARTICLE, "article_id": f"KB-{number}", "title": f"100% {number}"}),
            201,
        )
    await solved(api.db, "acme", *((f"HELP-{number}", f"Printer_{number}", "Cleaned it well.") for number in range(5)))
    for path, name in (("articles", "article_id"), ("history", "ticket_id")):
        seen: list[str] = []
        cursor = None
        while True:
            page = await ok(acme.get(f"{BASE}/{path}", params={"limit": 2, **({"cursor": cursor} if cursor else {})}))
            seen += [one[name] for one in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 5
    assert len((await ok(acme.get(f"{BASE}/articles", params={"q": "100% 3"})))["items"]) == 1
    assert len((await ok(acme.get(f"{BASE}/history", params={"q": "printer_4"})))["items"]) == 1
    assert (await ok(acme.get(f"{BASE}/history", params={"tool_type": "zendesk"})))["items"] == []


async def test_a_solved_ticket_is_read_and_taken_out(api: Api) -> None:
    acme, globex = await api.tenant(), await api.tenant("globex")
    await solved(api.db, "acme", ("HELP-1", "Printer jams", "Cleaned the rollers."))
    (row,) = (await ok(acme.get(f"{BASE}/history")))["items"]
    url = f"{BASE}/history/{row['id']}"
    assert (await ok(acme.get(url)))["resolution"] == "Cleaned the rollers."
    for method in ("GET", "DELETE"):
        await ok(globex.request(method, url), 404)
        await ok(acme.request(method, f"{BASE}/history/{uuid4()}"), 404)
    await ok(acme.delete(url), 204)
    assert (await ok(acme.get(f"{BASE}/history")))["items"] == []


async def test_a_search_says_why(api: Api) -> None:
    acme, globex = await api.tenant(), await api.tenant("globex")
    await ok(acme.post(f"{BASE}/articles", json=ARTICLE), 201)
    await solved(
        api.db, "acme", ("HELP-1", "VPN drops with error 809", "Opened the port for IPsec."),
        ("HELP-2", "Coffee machine leaks", "Exchanged the seal."),
    )  # fmt: skip
    query = {"q": "VPN drops with error 809"}
    items = (await ok(acme.get(f"{BASE}/search", params=query)))["items"]
    first = items[0]
    assert (first["kind"], first["ref"], first["excerpt"]) == ("history", "HELP-1", "Opened the port for IPsec.")
    assert first["why"] == {"codes": ["809"], "words": ["vpn", "drops", "with", "error", "809"], "closeness": None,
                            "useful": 0, "useless": 0}  # fmt: skip
    assert "HELP-2" not in [one["ref"] for one in items]
    only = (await ok(acme.get(f"{BASE}/search", params={**query, "kind": "history"})))["items"]
    assert {one["kind"] for one in only} == {"history"}
    assert (await ok(globex.get(f"{BASE}/search", params=query)))["items"] == []
    for wrong in ({"q": ""}, {"q": "x", "limit": 21}, {"q": "x", "kind": "nothing"}, {}):
        await ok(acme.get(f"{BASE}/search", params=wrong), 422)


class Counting:
    """A model for which every text is the same: what counts is which texts it sees."""

    name: str | None = "counting-1"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Any) -> list[list[float] | None]:
        self.texts += texts
        return [[1.0, *[0.0] * 383] for _ in texts]


async def test_a_changed_text_gets_its_vector_by_a_worker(
    api: Api, database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "has_model", lambda: True)
    acme = await api.tenant()
    await solved(api.db, "acme", ("HELP-1", "Printer jams", "Cleaned the rollers."))
    made = await ok(acme.post(f"{BASE}/articles", json=ARTICLE), 201)
    await ok(acme.post(f"{BASE}/articles", json={**ARTICLE, "article_id": "KB-13"}), 201)
    model = Counting()
    job = await worked(api, database_urls.app_url, model)
    assert (job["state"], job["seen"], job["total"], job["updated"]) == ("done", 3, 3, 3)
    assert len(model.texts) == 3
    await ok(acme.patch(f"{BASE}/articles/{made['id']}", json={"title": "Another title"}))
    await ok(acme.patch(f"{BASE}/articles/{made['id']}", json={"tags": ["other"]}))  # which no vector is made of
    job = await worked(api, database_urls.app_url, model)
    assert (job["state"], job["seen"]) == ("done", 1)
    assert model.texts[-1].startswith("Another title")
    async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        counts = await session.execute(
            text("SELECT count(*), count(embedding) FROM knowledge_articles WHERE embedding_model = 'counting-1'")
        )
        assert tuple(counts.one()) == (2, 2)


async def test_without_a_model_a_job_says_so(api: Api, database_urls: DatabaseUrls) -> None:
    acme = await api.tenant()
    await ok(acme.post(f"{BASE}/jobs", json={"kind": "embeddings"}), 201)
    job = await worked(api, database_urls.app_url, LexicalOnly())
    assert job["state"] == "failed"
    assert "no model" in job["error"]
    wrong = await ok(acme.post(f"{BASE}/jobs", json={"kind": "history", "tool_type": "zendesk"}), 422)
    assert wrong["errors"][0]["pointer"] == "/tool_type"


async def worked(api: Api, app_url: str, model: Any) -> dict[str, Any]:
    """The newest job of vectors, once a keeper found nothing more to do."""
    pool = await open_pool(app_url, min_size=1, max_size=1)
    try:
        async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
            # The desk of this tenant is nowhere: its history is not what is looked at here.
            await session.execute(text("DELETE FROM knowledge_jobs WHERE kind <> 'embeddings'"))
        keeper = KnowledgeKeeper(pool, reach_of(api.db, Fernet.generate_key().decode(), model))
        while await keeper.work() == 0.0:
            pass
    finally:
        await pool.close()
    acme = await api.member("acme", "viewer")
    page = await ok(acme.get(f"{BASE}/jobs", params={"kind": "embeddings"}))
    return dict(page["items"][0])


def test_a_model_is_there_or_not() -> None:
    assert embedding.has_model() is (type(embedding.load_embedder()) is not LexicalOnly)
