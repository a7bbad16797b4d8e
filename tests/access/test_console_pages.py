"""The console's pages of API keys and of the audit log: the same rules as the API's, one answer shown once."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import httpx2
import pytest
from tests.support.api import Api
from tests.support.people import account, browser, form

from deskhand.access.console import log
from deskhand.access.console.log import LogForm
from deskhand.audit.models import AuditLog

BOSS = "boss@example.com"
KEYS = "/tenants/acme/api-keys"


@pytest.fixture
async def boss(api: Api) -> httpx2.AsyncClient:
    """The browser of Acme's administrator."""
    await api.tenant()
    await account(api, BOSS, acme="tenant_admin")
    return await browser(api, BOSS, "acme")


def key_in(page: str) -> str:
    """The key that a page shows."""
    shown = re.search(r'<code id="key">(dhk_[\w-]+)</code>', page)
    assert shown is not None
    return shown[1]


def ids_in(page: str) -> list[str]:
    return re.findall(r'<tr id="key-([0-9a-f-]+)"', page)


def operations_in(page: str) -> list[str]:
    return re.findall(r'<span class="what"><strong>([\w.]+)</strong>', page)


async def test_a_key_is_made_changed_over_and_revoked_on_its_page(api: Api, boss: httpx2.AsyncClient) -> None:
    made = await form(boss, KEYS, KEYS, name=" night <b>shift</b> ", role="operator", days="30")
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    first = key_in(made.text)
    assert "<b>shift</b>" not in made.text
    assert (await (await api.client(first)).get("/api/v1/agents")).status_code == 200
    listed = await boss.get(KEYS)
    assert first not in listed.text, "it is shown once"
    for words in ("night &lt;b&gt;shift&lt;/b&gt;", first[:12], "Operator", f"user:{BOSS}"):
        assert words in listed.text
    one = ids_in(listed.text)[0]

    rotated = await form(boss, KEYS, f"{KEYS}/{one}/rotate")

    second = key_in(rotated.text)
    assert "goes on for a day at most" in rotated.text
    clients = [await api.client(key) for key in (first, second)]
    assert [(await client.get("/api/v1/agents")).status_code for client in clients] == [200, 200]
    assert (await form(boss, KEYS, f"{KEYS}/{one}/revoke")).headers["location"] == KEYS
    assert [(await client.get("/api/v1/agents")).status_code for client in clients] == [401, 200]
    for verb in ("rotate", "revoke"):
        again = await form(boss, KEYS, f"{KEYS}/{one}/{verb}")
        assert (again.status_code, 'role="alert"' in again.text) == (409, True)
    page = (await boss.get(KEYS)).text
    row = page[page.index(f'id="key-{one}"') :].split("</tr>")[0]
    assert ("Revoked" in row, "/revoke" in row) == (True, False), "nothing is offered that cannot be done"


@pytest.mark.parametrize(
    ("wrong", "words"), [({"name": "  "}, "name"), ({"role": "platform_admin"}, "role"), ({"role": ""}, "role")]
)
async def test_a_key_that_cannot_be_made_leaves_what_was_typed(
    boss: httpx2.AsyncClient, wrong: dict[str, str], words: str
) -> None:
    refused = await form(boss, KEYS, KEYS, **{"name": "night shift", "role": "viewer", "days": "", **wrong})
    assert refused.status_code == 422
    assert words in refused.text
    assert ('value="night shift"' in refused.text) == ("name" not in wrong)
    assert 'id="key"' not in refused.text
    assert len(ids_in((await boss.get(KEYS)).text)) == 1, "the one that the tenant began with"


async def test_a_key_without_an_end_and_one_with_an_end_that_came(api: Api, boss: httpx2.AsyncClient) -> None:
    await form(boss, KEYS, KEYS, name="for ever", role="viewer", days="")
    await form(boss, KEYS, KEYS, name="a month", role="viewer", days="30")
    start = datetime.now(UTC)
    api.state.clock = lambda: start + timedelta(days=31)
    page = (await (await browser(api, BOSS, "acme")).get(KEYS)).text
    month, ever = page.split('<tr id="key-')[1:3]  # the newest first
    assert ("for ever" in ever, "Rotate" in ever) == (True, True)
    assert ("Ended" in month, "Rotate" in month.split("</tr>")[0]) == (True, False)


async def test_keys_are_paged_and_another_tenants_do_not_exist(api: Api, boss: httpx2.AsyncClient) -> None:
    globex = await api.tenant("globex")
    foreign = (await globex.post("/api/v1/tenants/globex/api-keys", json={"name": "g", "role": "viewer"})).json()["id"]
    for verb in ("rotate", "revoke"):
        assert (await form(boss, KEYS, f"{KEYS}/{foreign}/{verb}")).status_code == 404
    for path in ("/tenants/globex/api-keys", "/tenants/nobody/api-keys"):
        assert (await boss.get(path)).status_code == 404
    assert (await boss.post(KEYS, data={"name": "x", "role": "viewer"})).status_code == 403, "without the form's token"
    assert len(ids_in((await boss.get(KEYS)).text)) == 1, "the one that the tenant began with"


async def test_the_log_is_filtered_paged_and_read_as_a_file(
    api: Api, boss: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "PAGE_SIZE", 2)
    for number in range(5):
        await form(boss, KEYS, KEYS, name=f"key {number}", role="viewer", days="")
    acme = await api.member("acme", "tenant_admin")
    await acme.post("/api/v1/tenants/acme/api-keys", json={"name": "by a key", "role": "viewer"})

    address, seen = f"/audit?actor=user:{BOSS}&operation=api_key.create", []
    while address:
        answer = await boss.get(address)
        assert answer.status_code == 200, answer.text
        page = answer.text
        assert 1 <= len(operations_in(page)) <= 2, page[page.index("<main") :]
        seen += re.findall(r'id="entry-(\d+)"', page)
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        address = unescape(onward[1]) if onward else ""

    assert len(set(seen)) == len(seen) == 5, "the filter goes along from page to page"
    assert "by a key" not in page
    export = re.search(r'href="(/api/v1/audit/export\?format=jsonl[^"]*)"', page)
    assert export is not None
    file = await boss.get(unescape(export[1]))
    assert sorted(str(json.loads(line)["sequence"]) for line in file.text.splitlines()) == sorted(seen)
    csv = await boss.get(unescape(export[1]).replace("jsonl", "csv"))
    assert csv.headers["content-type"].startswith("text/csv")
    assert len(csv.text.splitlines()) == 6
    for nothing in ("actor=nobody", "since=2031-01-01", "until=2021-01-01", "outcome=denied&actor=nobody"):
        assert "No entry fits" in (await boss.get(f"/audit?{nothing}")).text
    today = api.state.clock().date().isoformat()
    assert operations_in((await boss.get(f"/audit?since={today}&until={today}")).text), "both days count"
    for wrong in ("since=yesterday", "cursor=nonsense", "until=2026-13-01", "who=ann"):
        assert (await boss.get(f"/audit?{wrong}")).status_code in (404, 422), wrong


async def test_an_entry_shows_what_was_and_what_is(api: Api, boss: httpx2.AsyncClient) -> None:
    user = await account(api, "ann@example.com", acme="viewer")
    await form(boss, "/tenants/acme/people", f"/tenants/acme/people/{user.id}/role", role="editor")
    page = (await boss.get("/audit?operation=person.role")).text
    assert '<th scope="row">Role</th><td class="before">viewer</td><td class="after">editor</td>' in page
    for words in ("ann@example.com", str(user.id), "127.0.0.1", f"user:{BOSS}"):
        assert words in page
    for role in ("viewer", "operator", "editor"):
        member = await api.member("acme", role)
        assert (await member.get("/audit")).status_code == 403
    globex = await api.tenant("globex")
    assert "ann@example.com" not in (await globex.get("/audit")).text


@pytest.mark.parametrize(
    ("details", "changes", "facts"),
    [
        ({}, [], []),
        ({"email": "a@b"}, [], [("email", "a@b")]),
        ({"after": {"name": "x"}}, [("name", "", "x")], []),
        ({"before": {"n": 1}, "after": {"n": None}}, [("n", "1", "null")], []),
        ({"before": {"a": "x"}, "after": {"b": ["y"]}}, [("a", "x", ""), ("b", "", '[\n  "y"\n]')], []),
        ({"before": "not a mapping", "more": {"x": True}}, [], [("more", '{\n  "x": true\n}')]),
    ],
)
def test_what_an_entry_says_is_told_field_by_field(
    details: dict[str, object], changes: list[tuple[str, str, str]], facts: list[tuple[str, str]]
) -> None:
    entry = AuditLog(details=details)
    assert log.changes_of(entry) == changes
    assert log.facts_of(entry) == facts


def test_a_day_at_the_end_of_time_is_an_end_like_any_other() -> None:
    asked = LogForm.model_validate({"since": "", "until": "9999-12-31", "cursor": ""})
    assert asked.is_empty
    assert asked.export("csv") == "/api/v1/audit/export?format=csv"
