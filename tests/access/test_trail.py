"""The audit log is read by its tenant's administrator alone, whole, and in a form that can be checked elsewhere."""

from __future__ import annotations

import csv
import io
import json

import pytest
from tests.support.api import Api
from tests.support.people import account, browser, sign_in

from deskhand.audit.service import PLATFORM

LOG = "/api/v1/audit"
PLATFORM_LOG = "/api/v1/platform-audit"


async def filled(api: Api):
    acme, globex = await api.tenant("acme"), await api.tenant("globex")
    for number in range(5):
        body = {"name": f"key {number}", "role": "viewer"}
        await acme.post("/api/v1/tenants/acme/api-keys", json=body)
        await globex.post("/api/v1/tenants/globex/api-keys", json=body)
    return acme


async def test_pages_go_back_from_the_newest_and_show_one_tenant(api: Api) -> None:
    acme = await filled(api)
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await acme.get(LOG, params=query)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    sequences = [entry["sequence"] for entry in seen]
    assert sequences == sorted(sequences, reverse=True)
    named = [entry["details"]["after"]["name"] for entry in seen if entry["operation"] == "api_key.create"]
    assert named[:5] == [f"key {number}" for number in (4, 3, 2, 1, 0)]
    assert "globex" not in json.dumps(seen)
    chosen = (await acme.get(LOG, params={"operation": "tenant.create"})).json()["items"]
    assert {entry["operation"] for entry in chosen} == {"tenant.create"}
    none = (await acme.get(LOG, params={"until": "2020-01-01T00:00:00Z"})).json()["items"]
    assert none == []
    for cursor in ("bm9uZQ", "WyJub25lIl0"):  # no list at all, and one of another list
        assert (await acme.get(LOG, params={"cursor": cursor})).status_code == 404


async def test_an_export_continues_its_chain_in_both_forms(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = await filled(api)
    await acme.post("/api/v1/tenants/acme/api-keys", json={"name": "=1+1", "role": "viewer"})
    answer = await acme.get(f"{LOG}/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["previous_hash"] for line in lines] == [None, *(line["entry_hash"] for line in lines[:-1])]
    table = await acme.get(f"{LOG}/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["entry_hash"] for row in rows] == [line["entry_hash"] for line in lines]
    assert json.loads(rows[-1]["details"]) == lines[-1]["details"]
    assert 'filename="audit-acme.csv"' in table.headers["content-disposition"]


async def test_the_installations_own_log_is_read_by_platform_administrators_whole_and_without_the_tenants(
    api: Api,
) -> None:
    acme = await filled(api)
    await account(api, "root@example.com", platform_admin=True)
    await sign_in(await api.client(), "root@example.com")
    await sign_in(await api.client(), "root@example.com", "a wrong one")
    root = await browser(api, "root@example.com")
    page = (await root.get(PLATFORM_LOG, params={"limit": 1})).json()
    older = (await root.get(PLATFORM_LOG, params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert [(one["operation"], one["status"]) for one in page["items"] + older["items"]] == [
        ("console.sign_in", "denied"),
        ("console.sign_in", "success"),
    ]
    answer = await root.get(f"{PLATFORM_LOG}/export")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) >= 2
    assert {line["tenant_id"] for line in lines} == {PLATFORM}
    assert [line["previous_hash"] for line in lines] == [None, *(line["entry_hash"] for line in lines[:-1])]
    table = await root.get(f"{PLATFORM_LOG}/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["entry_hash"] for row in rows] == [line["entry_hash"] for line in lines]
    assert 'filename="audit-platform.csv"' in table.headers["content-disposition"]
    for path in (PLATFORM_LOG, f"{PLATFORM_LOG}/export"):
        assert (await acme.get(path)).status_code == 403, "a tenant's administrator has a log of their own"
