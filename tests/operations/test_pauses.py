"""Pauses over the API: who begins and ends which, who reads what of them, and what is on record."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import select
from tests.support.api import Api

from deskhand.audit.models import AuditLog

WHY = {"reason": "The desk moves."}


async def begun(client: httpx2.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/pauses", json={**WHY, **wanted})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def listed(client: httpx2.AsyncClient) -> list[tuple[str, str | None, str]]:
    answer = await client.get("/api/v1/pauses")
    assert answer.status_code == 200, answer.text
    return [(one["scope"], one["agent_name"] or one["tenant_id"], one["reason"]) for one in answer.json()]


async def test_each_sees_what_holds_their_runs_and_no_more(api: Api) -> None:
    acme, globex, platform = await api.tenant(), await api.tenant("globex"), await api.platform()
    agent = await api.agent(acme, name="<b>Triage</b>")
    await begun(acme, agent_id=agent["id"], reason="It asks too often.")
    await begun(globex, reason="Night.")
    await begun(platform, tenant_id="acme", reason="Unpaid.")
    everything = await begun(platform, reason="The database moves.")
    assert (everything["scope"], everything["tenant_id"], everything["by_platform"]) == ("everything", None, True)

    assert await listed(acme) == [
        ("everything", None, "The database moves."),
        ("tenant", "acme", "Unpaid."),
        ("agent", "<b>Triage</b>", "It asks too often."),
    ]
    assert await listed(globex) == [("everything", None, "The database moves."), ("tenant", "globex", "Night.")]
    assert await listed(platform) == [
        ("everything", None, "The database moves."),
        ("tenant", "globex", "Night."),
        ("tenant", "acme", "Unpaid."),
    ]
    shown = {one["scope"]: one["paused_by"] for one in (await acme.get("/api/v1/pauses")).json()}
    assert (shown["everything"], shown["tenant"]) == ("the platform", "the platform")
    assert shown["agent"].startswith("api-key:dhk_")
    assert (await platform.get("/api/v1/pauses")).json()[0]["paused_by"].startswith("platform-key:")


async def test_what_is_paused_is_not_paused_again_and_both_sides_have_their_own(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    agent = await api.agent(acme)
    for client, wanted in ((acme, {}), (acme, {"agent_id": agent["id"]}), (platform, {"tenant_id": "acme"})):
        await begun(client, **wanted)
        again = await client.post("/api/v1/pauses", json={**WHY, **wanted})
        assert (again.status_code, again.json()["type"].rsplit(":", 1)[-1]) == (409, "conflict")
    await begun(platform)
    assert (await platform.post("/api/v1/pauses", json=WHY)).status_code == 409
    assert len(await listed(acme)) == 4


async def test_a_tenant_ends_its_own_and_the_platform_every_tenants(api: Api) -> None:
    acme, globex, platform = await api.tenant(), await api.tenant("globex"), await api.platform()
    own, theirs = await begun(acme), await begun(platform, tenant_id="acme")
    everything = await begun(platform)
    assert (await globex.delete(f"/api/v1/pauses/{own['id']}")).status_code == 404
    for one in (theirs, everything):
        refused = await acme.delete(f"/api/v1/pauses/{one['id']}")
        assert (refused.status_code, "they alone" in refused.json()["detail"]) == (403, True)
    assert (await platform.delete(f"/api/v1/pauses/{own['id']}")).status_code == 204
    assert (await platform.delete(f"/api/v1/pauses/{own['id']}")).status_code == 404
    for one in (theirs, everything):
        assert (await platform.delete(f"/api/v1/pauses/{one['id']}")).status_code == 204
    assert await listed(acme) == []


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"reason": "   "}, 422),
        ({"reason": "x" * 301}, 422),
        ({}, 422),
        ({**WHY, "agent_id": str(uuid4())}, 404),
        ({**WHY, "tenant_id": "globex"}, 404),
        ({**WHY, "tenant_id": "acme"}, 201),
    ],
)
async def test_what_a_tenant_may_ask_for(api: Api, wanted: dict[str, Any], status: int) -> None:
    acme = await api.tenant()
    await api.tenant("globex")
    assert (await acme.post("/api/v1/pauses", json=wanted)).status_code == status


async def test_what_the_platform_may_ask_for(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    agent = await api.agent(acme)
    of_agent = await platform.post("/api/v1/pauses", json={**WHY, "agent_id": agent["id"]})
    assert of_agent.status_code == 403
    assert "the platform pauses the tenant" in of_agent.json()["detail"]
    assert (await platform.post("/api/v1/pauses", json={**WHY, "tenant_id": "nobody"})).status_code == 404
    kept = await begun(acme, agent_id=agent["id"])
    assert (await platform.delete(f"/api/v1/pauses/{kept['id']}")).status_code == 404


async def test_viewers_and_editors_pause_nothing(api: Api) -> None:
    await api.tenant()
    for role in ("viewer", "editor"):
        member = await api.member("acme", role)
        assert (await member.post("/api/v1/pauses", json=WHY)).status_code == 403
        assert (await member.get("/api/v1/operations")).status_code == 403
    operator = await api.member("acme", "operator")
    assert (await operator.post("/api/v1/pauses", json=WHY)).status_code == 201


async def test_what_was_paused_when_why_and_by_whom_is_on_record(api: Api) -> None:
    acme, platform = await api.tenant(), await api.platform()
    agent = await api.agent(acme)
    pauses = [
        (acme, await begun(acme, agent_id=agent["id"])),
        (platform, await begun(platform, tenant_id="acme")),
        (platform, await begun(platform)),
    ]
    for client, one in pauses:
        assert (await client.delete(f"/api/v1/pauses/{one['id']}")).status_code == 204
    async with api.db.platform_session() as session:
        wanted = select(AuditLog).where(AuditLog.operation.like("pause.%")).order_by(AuditLog.sequence)
        entries = list(await session.scalars(wanted))
    kinds = [("agent", agent["id"], "acme"), ("tenant", "acme", "acme"), ("installation", None, "")]
    assert [(one.operation, one.resource_type, one.resource_id, one.tenant_id) for one in entries] == [
        *(("pause.begin", *kind) for kind in kinds),
        *(("pause.end", *kind) for kind in kinds),
    ]
    for entry in entries:
        state = entry.details["after" if entry.operation == "pause.begin" else "before"]
        assert (state["paused"], state["reason"]) == (True, "The desk moves.")
    assert entries[0].actor.startswith("api-key:dhk_")


async def test_a_request_that_is_repeated_by_its_key_pauses_once(api: Api) -> None:
    for client in (await api.tenant(), await api.platform()):
        answers = [
            await client.post("/api/v1/pauses", json=WHY, headers={"Idempotency-Key": "night-1"}) for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
