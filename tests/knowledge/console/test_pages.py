"""Knowledge in the console, without a browser's scripts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import select, text
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api
from tests.support.console import Console

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer
from deskhand.knowledge.batches import Import
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.exports import ExportRow
from deskhand.knowledge.models import KnowledgeArticle
from deskhand.knowledge.shelves import service

Reader = Callable[..., Awaitable[httpx2.AsyncClient]]
TYPED = {
    "article_id": "KB-12",
    "title": "VPN drops <b>after</b> an update",
    "body": "# VPN\n\n1. Update the client.\n2. Error <script>alert(809)</script> means the adapter sleeps.",
    "url": "https://wiki.example.com/KB-12",
    "tags": "vpn, network ,",
}


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """Without a model: words alone say the same on every machine."""
    monkeypatch.setattr(service, "has_model", lambda: False)
    monkeypatch.setattr("deskhand.knowledge.search.load_embedder", LexicalOnly)
    async with running_api(database_urls.app_url) as running:
        await running.tenant()
        await running.tenant("globex")
        yield running


@pytest.fixture
async def reader(api: Api) -> AsyncIterator[Reader]:
    """Signs somebody in, without scripts: cookies and forms only."""
    console = Console(api.url, api.db, api.app)

    async def signed_in(role: str = "tenant_admin", tenant: str = "acme") -> httpx2.AsyncClient:
        return await console.browser(tenant, role)

    async with console.clients:
        yield signed_in


async def send(client: httpx2.AsyncClient, path: str, at: str | None = None, **fields: str) -> httpx2.Response:
    """Fill in the form of a page and send it."""
    page = (await client.get(at or path)).text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token, page
    return await client.post(path, data={**fields, "csrf": token[1]})


async def solved(api: Api, *tickets: dict[str, Any]) -> None:
    importing = Import(api.db, "acme", importer.DESK_TICKETS, on_error="stop", embedder=LexicalOnly())
    await importing.run(ExportRow(n, {"tool_type": "jira", **ticket}) for n, ticket in enumerate(tickets, 1))


async def test_an_article_is_written_found_changed_and_deleted(api: Api, reader: Reader) -> None:
    editor = await reader("editor")
    assert "No articles yet" in (await editor.get("/knowledge/articles")).text

    made = await send(editor, "/knowledge/articles", "/knowledge/articles/new", **TYPED)
    assert made.status_code == 303
    at = made.headers["location"]
    page = (await editor.get(at)).text
    assert "VPN drops &lt;b&gt;after&lt;/b&gt; an update" in page
    assert "<script>alert" not in page
    assert "<li>Update the client.</li>" in page
    assert "vpn, network" in page
    assert "kept here" in page

    again = await send(editor, "/knowledge/articles", "/knowledge/articles/new", **TYPED)
    assert again.status_code == 409
    assert "There is an article &#39;KB-12&#39; already" in again.text
    assert "Update the client." in again.text, "what was typed is still there"

    found = (await editor.get("/knowledge", params={"q": "error 809, the VPN drops"})).text
    assert "/knowledge/articles?q=KB-12" in found
    assert "Why it was found" in found
    assert "Nothing found" in (await editor.get("/knowledge", params={"q": "coffee machine"})).text

    refused = await send(editor, f"{at}/edit", **{**TYPED, "title": " ", "url": "wiki"})
    assert refused.status_code == 422
    assert "<li>title: " in refused.text
    assert "<li>url: " in refused.text
    changed = await send(editor, f"{at}/edit", **{**TYPED, "title": "VPN drops", "url": "", "tags": ""})
    assert changed.status_code == 303
    async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        row = (await session.execute(select(KnowledgeArticle))).scalar_one()
    assert (row.title, row.url, row.tags, row.article_id) == ("VPN drops", None, [], "KB-12")

    assert (await send(editor, f"{at}/remove", at)).status_code == 303
    assert (await editor.get(at)).status_code == 404


async def test_what_an_import_brought_says_that_it_will_bring_it_again(api: Api, reader: Reader) -> None:
    async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        row = KnowledgeArticle(tenant_id="acme", article_id="A", title="Fax", body="Send it twice.", source="wiki")
        session.add(row)
    editor = await reader()
    assert "The next one brings its text again" in (await editor.get(f"/knowledge/articles/{row.id}/edit")).text
    assert "except by the next import" in (await editor.get(f"/knowledge/articles/{row.id}")).text


async def test_solved_tickets_are_read_and_left_out(api: Api, reader: Reader) -> None:
    editor = await reader("editor")
    assert "No solved tickets yet" in (await editor.get("/knowledge/history")).text
    await solved(
        api,
        {"ticket_id": "HELP-1", "subject": "Printer jams", "resolution": "Cleaned the *rollers*.", "category": "Print"},
        {"ticket_id": "HELP-2", "subject": "<img src=x onerror=alert(1)>", "description": "مرحبا 🖨️"},
    )
    listed = (await editor.get("/knowledge/history")).text
    assert "<img src=x" not in listed
    some = (await editor.get("/knowledge/history", params={"q": "printer"})).text
    assert "HELP-1" in some
    assert "HELP-2" not in some
    assert "No solved ticket fits" in (await editor.get("/knowledge/history", params={"q": "%"})).text

    [at] = re.findall(r'href="(/knowledge/history/[0-9a-f-]{36})"', some)
    page = (await editor.get(at)).text
    assert "Cleaned the <em>rollers</em>." in page
    [other] = set(re.findall(r'href="(/knowledge/history/[0-9a-f-]{36})"', listed)) - {at}
    assert "Nobody wrote how" in (await editor.get(other)).text
    assert (await send(editor, f"{at}/remove", at)).status_code == 303
    assert (await editor.get(at)).status_code == 404
    assert (await (await reader(tenant="globex")).get(other)).status_code == 404


async def test_long_lists_have_pages_that_keep_the_words(
    api: Api, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskhand.knowledge.console.pages.PAGE_SIZE", 2)
    await solved(api, *({"ticket_id": f"H-{n}", "subject": f"Printer {n} & co"} for n in range(3)))
    viewer = await reader("viewer")
    first = (await viewer.get("/knowledge/history", params={"q": "& co"})).text
    [more] = re.findall(r'rel="next" href="([^"]+)"', first)
    second = (await viewer.get(more.replace("&amp;", "&"))).text
    numbers = [re.findall(r"#(H-\d)", page) for page in (first, second)]
    assert [len(some) for some in numbers] == [2, 1]
    assert sorted(number for page in numbers for number in page) == ["H-0", "H-1", "H-2"]
    assert (await viewer.get("/knowledge/history", params={"cursor": "nobody's"})).status_code == 404


async def test_imports_are_started_paused_and_let_go_on(api: Api, reader: Reader) -> None:
    operator = await reader("operator")
    at = "/knowledge/imports"
    assert "Nothing was imported yet" in (await operator.get(at)).text
    assert (await send(operator, at, kind="history")).status_code == 303
    page = (await operator.get(at)).text
    assert 'hx-trigger="every 2s"' in page
    part = (await operator.get(at, headers={"HX-Request": "true"})).text
    assert part.startswith('<section id="jobs"')

    again = await send(operator, at, kind="history")
    assert again.status_code == 409
    assert "is open already" in again.text
    [pause] = re.findall(rf'action="({at}/[0-9a-f-]{{36}}/pause)"', page)
    assert (await send(operator, pause, at)).status_code == 303
    assert ">Paused</span>" in (await operator.get(at)).text
    assert (await send(operator, pause.replace("/pause", "/resume"), at)).status_code == 303
    assert ">Queued</span>" in (await operator.get(at)).text


async def test_an_import_shows_what_it_found_and_what_it_could_not_read(api: Api, reader: Reader) -> None:
    operator = await reader("operator")
    await send(operator, "/knowledge/imports", kind="history")
    async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        await session.execute(
            text(
                "UPDATE knowledge_jobs SET state = 'done', seen = 1840, created = 1838, failed = 2, judged = 200,"
                " answerable = 121, ended_at = now(), problems = CAST(:problems AS jsonb)"
            ),
            {"problems": '[{"where": "ticket <b>7</b>", "field": null, "detail": "is too long"}]'},
        )
    page = (await operator.get("/knowledge/imports")).text
    assert "Of your last 200 tickets I would have found a solution for 121." in page
    assert "1,838 new" in page.replace("\u202f", ",").replace("\xa0", ",")
    assert "ticket &lt;b&gt;7&lt;/b&gt;: is too long" in page
    assert "hx-get" not in page, "nothing is at work"


async def test_a_desk_that_is_not_connected_is_named(api: Api, reader: Reader) -> None:
    async with api.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE tenant_configs SET servicedesk_api_key_encrypted = NULL"))
    refused = await send(await reader(), "/knowledge/imports", kind="reconcile")
    assert refused.status_code == 422
    assert "Start one" in refused.text


async def test_a_reader_sees_no_button_that_is_refused(api: Api, reader: Reader) -> None:
    await solved(api, {"ticket_id": "HELP-1", "subject": "Printer jams"})
    viewer = await reader("viewer")
    for path in ("/knowledge", "/knowledge/articles", "/knowledge/history", "/knowledge/imports"):
        page = (await viewer.get(path)).text
        assert 'method="post"' not in page.replace('action="/logout"', "").partition("<main")[2], path
        assert "/knowledge/articles/new" not in page, path
    assert (await viewer.get("/knowledge/articles/new")).status_code == 403
    assert (await viewer.get(f"/knowledge/articles/{uuid4()}")).status_code == 404
    assert (await viewer.post("/knowledge/imports", data={"kind": "history"})).status_code == 403


async def test_the_audience_of_an_article_is_shown_set_and_filtered_by(api: Api, reader: Reader) -> None:
    editor, admin = await reader("editor"), await reader()
    fresh = (await editor.get("/knowledge/articles/new")).text
    assert "A new article is internal unless you say otherwise" in fresh
    assert re.search(r'value="internal" checked', fresh)
    told = {**TYPED, "audience": "restricted", "audience_groups": "HR, Payroll"}
    at = (await send(editor, "/knowledge/articles", "/knowledge/articles/new", **told)).headers["location"]
    assert "Restricted: HR, Payroll" in (await editor.get(at)).text
    listed = (await editor.get("/knowledge/articles", params={"audience": "restricted"})).text
    assert at in listed
    assert re.search(r'value="restricted" selected', listed)
    assert "No public article" in (await editor.get("/knowledge/articles", params={"audience": "public"})).text
    both = await editor.get("/knowledge/articles", params={"audience": "public", "q": "KB-12"})
    assert "in ids and titles of public articles" in both.text
    assert "Nothing found" in (await editor.get("/knowledge", params={"q": "error 809, the VPN drops"})).text

    # Its text is an administrator's to read and to change, and it is opened by nobody else.
    opening = {**told, "title": "VPN", "audience": "public"}
    closed = (await editor.get(at)).text
    assert "For a few groups alone" in closed
    assert "Update the client" not in closed
    assert (await editor.get(f"{at}/edit")).status_code == 403
    assert (await send(editor, f"{at}/edit", at, **opening)).status_code == 403
    assert "Update the client" in (await admin.get(at)).text
    assert (await send(admin, f"{at}/edit", **opening)).status_code == 303
    page = (await editor.get(at)).text
    assert "Answers to requesters may rest on it." in page
    assert "HR, Payroll" not in page
    assert "public: answers to requesters may rest on it" in (await editor.get("/knowledge", params={"q": "VPN"})).text
