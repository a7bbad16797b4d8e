"""Any sequence of transitions, concurrent ones included, ends only in states the table allows."""

from __future__ import annotations

import asyncio
import itertools

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.support.api import Api

from deskhand.agents.lifecycle import TRANSITIONS, ensure_transition
from deskhand.agents.schemas import AgentStatus
from deskhand.audit.models import AuditLog
from deskhand.audit.service import verify
from deskhand.errors import InvalidTransitionError

TARGETS = {
    "activate": AgentStatus.ACTIVE,
    "suspend": AgentStatus.SUSPENDED,
    "resume": AgentStatus.ACTIVE,
    "delete": AgentStatus.INACTIVE,
}
steps = st.sampled_from(sorted(TARGETS))
batches = st.lists(st.lists(steps, min_size=1, max_size=4), min_size=1, max_size=4)


@given(before=st.sampled_from(AgentStatus), after=st.sampled_from(AgentStatus))
def test_the_table_decides_and_the_refusal_names_both_states(before: AgentStatus, after: AgentStatus) -> None:
    if after in TRANSITIONS[before]:
        ensure_transition(before, after)
        return
    with pytest.raises(InvalidTransitionError) as refused:
        ensure_transition(before, after)
    assert f"'{before.value}'" in refused.value.detail
    assert f"'{after.value}'" in refused.value.detail


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=batches)
async def test_concurrent_transitions_walk_along_the_table(api: Api, plan: list[list[str]]) -> None:
    tenant = await _tenant(api)
    agent = await api.agent(tenant)
    url = f"/api/v1/agents/{agent['id']}"

    async def take(step: str) -> int:
        answer = await (tenant.delete(url) if step == "delete" else tenant.post(f"{url}/{step}"))
        return answer.status_code

    accepted = 0
    for batch in plan:  # the steps of one batch race each other
        codes = await asyncio.gather(*(take(step) for step in batch))
        assert set(codes) <= {200, 409}
        accepted += codes.count(200)
    async with api.db.tenant_session("acme") as session:
        written = await session.scalars(
            select(AuditLog).where(AuditLog.resource_id == agent["id"]).order_by(AuditLog.sequence)
        )
        path = [AgentStatus(entry.details["after"]["status"]) for entry in written]
        (report,) = await verify(session)
    assert path[0] == AgentStatus.DRAFT
    assert len(path) == accepted + 1
    assert all(after in TRANSITIONS[before] for before, after in itertools.pairwise(path))
    stored = (await tenant.get(url)).json()
    assert (stored["status"], stored["revision"]) == (path[-1].value, accepted + 1)
    assert report.ok, report.reason


async def _tenant(api: Api) -> httpx2.AsyncClient:
    if api.kept is None:
        api.kept = await api.tenant()
    return api.kept
