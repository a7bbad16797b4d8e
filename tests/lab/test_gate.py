"""The bar of a tenant: an agent that is below it is not activated, unless a person says why."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, update
from tests.support.api import AGENT, Api
from tests.support.lab_rows import kept_ticket, lab_rows
from tests.support.people import account, browser

from deskhand.agents.activation import below_bar
from deskhand.audit.models import AuditLog
from deskhand.lab.comparing import agreement
from deskhand.lab.models import LabCase
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of

RIGHT, WRONG = {"category": "right"}, {"category": "wrong"}
BAR = {"enhancement_preferences": {"replay_bar": {"category": 80}}}


async def barred(admin: httpx2.AsyncClient) -> None:
    assert (await admin.patch("/api/v1/tenants/acme", json=BAR)).is_success


async def proven(api: Api, agent: dict[str, Any], right: int, wrong: int, **run: Any) -> None:
    verdicts = [RIGHT] * right + [WRONG] * wrong
    await lab_rows(api.db, "acme", agent["id"], *verdicts, **{"state": "completed", **run})


def words_of(answer: httpx2.Response) -> list[str]:
    return [one["detail"] for one in answer.json()["errors"]]


async def test_without_a_bar_nothing_is_asked(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin)
    assert (await admin.post(f"/api/v1/agents/{agent['id']}/activate")).status_code == 200


async def test_below_the_bar_it_is_not_activated_and_above_it_is(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin)
    await barred(admin)
    activate = f"/api/v1/agents/{agent['id']}/activate"
    unproven = await admin.post(activate)
    assert (unproven.status_code, unproven.json()["type"].rpartition(":")[2]) == (409, "below-replay-bar")
    assert words_of(unproven) == ["it has not been run in the replay lab on closed tickets to the end"]
    await proven(api, agent, 15, 5)
    below = await admin.post(activate)
    assert words_of(below) == ["category agrees on 15 of 20 tickets, and 80 percent are asked for"]
    # What was stopped half-way proves nothing, nor does another version.
    await proven(api, agent, 20, 0, state="stopped")
    assert (await admin.post(activate)).status_code == 409
    await proven(api, agent, 16, 4)
    answer = await admin.post(activate)
    assert (answer.status_code, answer.json()["status"]) == (200, "active")


async def test_the_newest_run_of_the_very_version_counts(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin)
    await barred(admin)
    await proven(api, agent, 20, 0)
    changed = {"system_prompt": "You help otherwise now, and cite your sources.", "status": "active"}
    assert (await admin.patch(f"/api/v1/agents/{agent['id']}", json=changed)).status_code == 409
    await proven(api, agent, 1, 19)
    assert (await admin.post(f"/api/v1/agents/{agent['id']}/activate")).status_code == 409


async def test_no_other_way_leads_past_the_bar(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin)
    assert (await admin.post(f"/api/v1/agents/{agent['id']}/activate")).is_success
    await barred(admin)
    # What is on stays on, and may be changed; once suspended it has to reach the bar.
    assert (await admin.patch(f"/api/v1/agents/{agent['id']}", json={"name": "Other"})).is_success
    assert (await admin.post(f"/api/v1/agents/{agent['id']}/suspend")).is_success
    assert (await admin.post(f"/api/v1/agents/{agent['id']}/resume")).status_code == 409
    assert (await admin.patch(f"/api/v1/agents/{agent['id']}", json={"status": "active"})).status_code == 409
    assert (await admin.post("/api/v1/agents", json={**AGENT, "status": "active"})).status_code == 409


async def test_test_cases_alone_prove_nothing_of_the_desk(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = await api.agent(admin)
    await barred(admin)
    test = await kept_ticket(api.db, "acme", agent["id"])
    run = await lab_rows(api.db, "acme", agent["id"], *([RIGHT] * 20), state="completed")
    async with api.db.tenant_session("acme") as session:
        of_run = update(LabCase).where(LabCase.lab_run_id == UUID(run))
        await session.execute(of_run.values(test_case_id=UUID(test)))
    assert (await admin.post(f"/api/v1/agents/{agent['id']}/activate")).status_code == 409


async def test_a_person_passes_over_it_with_a_reason_and_the_audit_log_keeps_both(
    api: Api, admin: httpx2.AsyncClient
) -> None:
    agent = await api.agent(admin)
    await barred(admin)
    await proven(api, agent, 15, 5)
    url = f"/agents/{agent['id']}/activate"
    by_key = await admin.post(f"/api/v1{url}", json={"override_reason": "We need it."})
    assert by_key.status_code == 403
    await account(api, "ann@example.com", acme="operator")
    ann = await browser(api, "ann@example.com", "acme")
    form = {"csrf": csrf_token_of(ann.cookies[SESSION_COOKIE]), "revision": "1"}
    refused = await ann.post(url, data={**form, "override_reason": " "})
    assert refused.status_code == 409
    assert "category agrees on 15 of 20 tickets, and 80 percent are asked for" in refused.text
    assert 'name="override_reason"' in refused.text
    done = await ann.post(url, data={**form, "override_reason": "The old desk closes tonight."})
    assert done.status_code in (200, 303), done.text
    assert (await admin.get(f"/api/v1/agents/{agent['id']}")).json()["status"] == "active"
    async with api.db.tenant_session("acme") as session:
        query = select(AuditLog).where(AuditLog.operation == "agent.activate")
        [entry] = (await session.scalars(query)).all()
    assert "ann@example.com" in entry.actor
    assert entry.details["overridden"] == {
        "by": "ann@example.com",
        "reason": "The old desk closes tonight.",
        "below": ["category agrees on 15 of 20 tickets, and 80 percent are asked for"],
    }


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        (7, 3, None),
        (9, 0, "category could be compared on 9 tickets, and 10 are needed"),
        (69, 31, "category agrees on 69 of 100 tickets, and 70 percent are asked for"),
    ],
)
def test_a_share_is_counted_in_whole_tickets(right: int, wrong: int, words: str | None) -> None:
    comparison = agreement([{"category": "right"}] * right + [{"category": "wrong"}] * wrong)
    assert [one.detail for one in below_bar({"category": 70}, comparison)] == ([words] if words else [])
