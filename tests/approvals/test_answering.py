"""People's side over HTTP: batches, four eyes, and the page across all tenants that a person works in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from tests.support.api import Api
from tests.support.approvals import LIST, waiting_approval
from tests.support.console import Console
from tests.support.people import account, browser

from deskhand.agents.models import Agent
from deskhand.approvals import repository
from deskhand.audit.service import record
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of


async def waiting(api: Api, admin: httpx2.AsyncClient, tenant: str = "acme", **columns: Any) -> tuple[UUID, UUID]:
    """A run that waits for an approval; ids of the run and of the approval."""
    agents = (await admin.get("/api/v1/agents")).json()["items"]
    made = agents[0] if agents else await api.agent(admin)
    async with api.db.tenant_session(tenant) as session:
        agent = await session.get_one(Agent, UUID(made["id"]))
    console = Console(api.url, api.db, api.app)
    run = await console.execution(agent, status="waiting", attempt=1, error_code="approval-needed")
    return run, await waiting_approval(api.db, tenant, run, **columns)


async def post(client: httpx2.AsyncClient, url: str, **fields: Any) -> httpx2.Response:
    """A form of the console."""
    csrf = csrf_token_of(str(client.cookies[SESSION_COOKIE]))
    return await client.post(url, data={"csrf": csrf, "digest": "0" * 64, **fields})


async def states(api: Api, tenant: str = "acme") -> dict[str, str]:
    async with api.db.tenant_session(tenant) as session:
        rows = await session.execute(text("SELECT id, state FROM approvals"))
        return {str(row.id): row.state for row in rows}


async def test_equal_calls_of_low_risk_are_approved_at_once_and_no_others(api: Api) -> None:
    admin = await api.tenant()
    same = [(await waiting(api, admin))[1] for _ in range(3)]
    other = (await waiting(api, admin, likeness="2" * 64))[1]
    risky = [(await waiting(api, admin, likeness="3" * 64, risk="high"))[1] for _ in range(2)]

    async def approve(*ids: UUID, digest: str = "0" * 64) -> httpx2.Response:
        items = [{"id": str(one), "digest": digest} for one in ids]
        return await admin.post(f"{LIST}/approve", json={"items": items})

    for ids in ((*same, other), risky, (risky[0],)):
        refused = await approve(*ids)
        assert refused.status_code == 422, refused.text
    assert set((await states(api)).values()) == {"waiting"}
    await admin.post(f"{LIST}/{same[0]}/decline", json={"digest": "0" * 64, "reason": "Not this one."})
    done = (await approve(*same, same[1])).json()
    assert sorted(done["approved"]) == sorted(map(str, same[1:]))
    assert [(one["id"], "declined already" in one["why"]) for one in done["left"]] == [(str(same[0]), True)]
    runs = (await admin.get("/api/v1/executions/counts")).json()
    assert (runs["queued"], runs["waiting"]) == (3, 3)
    assert [one["why"] for one in (await approve(other, digest="9" * 64)).json()["left"]]


async def test_of_answers_that_come_at_once_one_acts(api: Api) -> None:
    admin = await api.tenant()
    run, approval = await waiting(api, admin)
    said = await asyncio.gather(
        *(admin.post(f"{LIST}/{approval}/approve", json={"digest": "0" * 64}) for _ in range(4)),
        admin.post(f"{LIST}/{approval}/decline", json={"digest": "0" * 64, "reason": "No."}),
    )
    assert sorted(one.status_code for one in said) == [200, 409, 409, 409, 409]
    log = (await admin.get("/api/v1/audit", params={"resource_id": str(approval)})).json()["items"]
    assert len(log) == 1
    async with api.db.tenant_session("acme") as session:
        jobs = "SELECT count(*) FROM pgqueuer WHERE dedupe_key LIKE :run"
        assert (await session.execute(text(jobs), {"run": f"{run}:%"})).scalar_one() == 1
        # What the people took is known, and ended with the answer.
        waited = await repository.time_waited(session, run)
        assert timedelta() < waited == await repository.time_waited(session, run)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"changed_by": "user:ann@acme.example"}, "you changed these arguments"),
        ({"started": True}, "you started this run"),
        ({"wrote": True}, "you wrote this version"),
        ({}, ""),
    ],
    ids=["changed", "started", "wrote", "new eyes"],
)
async def test_where_the_tenant_wants_four_eyes_whoever_made_the_call_does_not_approve_it(
    api: Api, made: dict[str, Any], why: str
) -> None:
    admin = await api.tenant(enhancement_preferences={"approvals": {"four_eyes": True}})
    await account(api, "ann@acme.example", acme="tenant_admin")
    ann = await browser(api, "ann@acme.example", "acme")
    if made.pop("wrote", False):
        await api.agent(ann, name="Hers")
    started = made.pop("started", False)
    run, approval = await waiting(api, admin, **made)
    if started:
        async with api.db.tenant_session("acme") as session:
            await record(
                session,
                tenant_id="acme",
                actor="user:ann@acme.example",
                operation="execution.replay",
                resource_type="execution",
                resource_id=run,
            )
    body = {"digest": "0" * 64}
    by_key = await admin.post(f"{LIST}/{approval}/approve", json=body)
    assert (by_key.status_code, "sign in as a person" in by_key.json()["detail"]) == (403, True)
    by_ann = await ann.post(f"{LIST}/{approval}/approve", json=body, headers={"Accept": "application/json"})
    if not why:
        assert (by_ann.status_code, by_ann.json()["answered_by"]) == (200, "user:ann@acme.example")
        return
    assert (by_ann.status_code, why in by_ann.json()["detail"]) == (403, True), by_ann.text
    await account(api, "bob@acme.example", acme="operator")
    bob = await browser(api, "bob@acme.example", "acme")
    by_bob = await bob.post(f"{LIST}/{approval}/approve", json=body)
    assert by_bob.status_code == 200, by_bob.text


async def test_one_page_shows_what_waits_in_every_tenant_and_each_is_answered_in_its_own(api: Api) -> None:
    admins = {name: await api.tenant(name) for name in ("acme", "globex", "initech", "umbrella")}
    ids = {name: (await waiting(api, admin, name))[1] for name, admin in admins.items()}
    hers = (await waiting(api, admins["acme"], likeness="4" * 64, approver="tenant_admin"))[1]
    await account(api, "ann@provider.example", acme="operator", globex="tenant_admin", initech="viewer")
    ann = await browser(api, "ann@provider.example", "initech")

    page = await ann.get("/approvals")
    assert page.status_code == 200
    shown = {name for name, one in ids.items() if str(one) in page.text}
    assert shown == {"acme", "globex"}
    assert str(hers) not in page.text
    assert "Half the floor reports it." in page.text
    for name, expected in {"acme": 200, "globex": 200, "initech": 403, "umbrella": 404}.items():
        assert (await ann.get(f"/approvals/{name}/{ids[name]}")).status_code == expected, name
    assert (await ann.get(f"/approvals/acme/{ids['globex']}")).status_code == 404
    refused = await post(ann, f"/approvals/acme/{hers}/approve")
    assert (refused.status_code, "needs the role tenant_admin" in refused.text) == (403, True)

    done = await post(ann, f"/approvals/globex/{ids['globex']}/approve")
    assert (done.status_code, done.headers["location"].startswith("/approvals?done=approved")) == (303, True), done.text
    assert (await states(api, "globex"))[str(ids["globex"])] == "approved"
    log = (await admins["globex"].get("/api/v1/audit", params={"operation": "approval.approve"})).json()["items"]
    assert [entry["actor"] for entry in log] == ["user:ann@provider.example"]
    again = await post(ann, f"/approvals/globex/{ids['globex']}/decline", reason="Late.")
    assert (again.status_code, "was approved already by user:ann" in again.text) == (409, True)
    without = await ann.post(f"/approvals/acme/{ids['acme']}/approve", data={"digest": "0" * 64})
    assert without.status_code == 403
    assert (await post(ann, f"/approvals/acme/{ids['acme']}/decline", reason=" ")).status_code == 422
    assert (await states(api))[str(ids["acme"])] == "waiting"


async def test_arguments_are_changed_on_the_page_and_faults_are_shown_beside_what_was_typed(api: Api) -> None:
    admin = await api.tenant()
    _, approval = await waiting(api, admin)
    await account(api, "ann@acme.example", acme="operator")
    ann = await browser(api, "ann@acme.example", "acme")
    url = f"/approvals/acme/{approval}"
    for typed, says in (
        ("{", "not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"priority": "huge"}', "/arguments/priority"),
    ):
        refused = await post(ann, f"{url}/change", arguments=typed)
        assert (refused.status_code, says in refused.text) == (422, True), refused.text
    done = await post(ann, f"{url}/change", arguments='{"priority": "medium"}')
    assert (done.status_code, done.headers["location"]) == (303, url)
    page = (await ann.get(url)).text
    assert "Changed by user:ann@acme.example" in page
    stale = await post(ann, f"{url}/approve")
    assert (stale.status_code, "changed meanwhile" in stale.text) == (409, True)


async def test_a_batch_is_approved_on_the_page(api: Api) -> None:
    admin = await api.tenant()
    same = [str((await waiting(api, admin))[1]) for _ in range(3)]
    await account(api, "ann@acme.example", acme="operator")
    ann = await browser(api, "ann@acme.example", "acme")
    page = (await ann.get("/approvals")).text
    assert "Approve all 3" in page
    assert page.count('<table class="differences">') == 3
    short = await post(ann, "/approvals/acme/batch", id=same)
    assert short.status_code == 422
    done = await post(ann, "/approvals/acme/batch", id=same, digest=["0" * 64] * 3)
    assert done.headers["location"] == "/approvals?done=approved&number=3&left=0"
    assert set((await states(api)).values()) == {"approved"}
    assert "3 calls are approved" in (await ann.get(done.headers["location"])).text


async def test_who_may_answer_nothing_is_told_who_does(api: Api) -> None:
    admin = await api.tenant()
    await waiting(api, admin)
    await account(api, "ann@acme.example", acme="viewer")
    ann = await browser(api, "ann@acme.example", "acme")
    assert "Somebody with the role operator answers" in (await ann.get("/approvals")).text
