"""A run of the lab goes on: few at a time, within its money, behind live runs, and from wherever it was left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select, update
from tests.support.api import Api
from tests.support.lab_rows import AS_OF, EXPECTED, kept_ticket, ticket_of

from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.errors import ConflictError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import TicketHistory
from deskhand.lab import keeper, repository
from deskhand.lab.models import LabCase, LabRun
from deskhand.lab.running import advance


@dataclass
class Bench:
    """An agent of acme in the lab, and the hands of its workers."""

    api: Api
    admin: httpx2.AsyncClient
    agent_id: str

    async def history(self, count: int) -> None:
        """Closed tickets, the latest last."""
        async with self.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
            session.add_all(
                TicketHistory(
                    tenant_id="acme", ticket_id=f"{number}", desk_id=f"9{number}", description="It stops.",
                    subject=f"Printer {number}", resolved_date=AS_OF + timedelta(hours=number), source="desk",
                )
                for number in range(count)
            )  # fmt: skip
            common = {"tenant_id": "acme", "description": "x", "resolved_date": datetime.now(UTC)}
            session.add(TicketHistory(**common, ticket_id="invented", source="synthetic"))
            session.add(TicketHistory(**common, ticket_id="elsewhere", tool_type="jira"))

    async def begin(self, **wanted: Any) -> dict[str, Any]:
        answer = await self.admin.post(f"/api/v1/agents/{self.agent_id}/lab-runs", json={"tickets": 20, **wanted})
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/api/v1/lab-runs/{answer.json()['id']}"
        return dict(answer.json())

    async def look(self) -> None:
        """One look of a worker."""
        async with self.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
            for run in await repository.lock_running(session):
                await advance(session, run)

    async def open_runs(self) -> list[UUID]:
        async with self.api.db.tenant_session("acme") as session:
            query = select(AgentExecution.id).where(AgentExecution.status == "queued", AgentExecution.mode == "dry_run")
            return list(await session.scalars(query))

    async def finish(
        self, *, cost: str = "0.01", said: str = "Network", truth: dict[str, Any] | None = EXPECTED
    ) -> None:
        """What is queued ends, as a worker would end it."""
        async with self.api.db.tenant_session("acme") as session:
            ids = list(await session.scalars(select(AgentExecution.id).where(AgentExecution.status == "queued")))
            now = datetime.now(UTC)
            ended = {"status": "completed", "started_at": now - timedelta(seconds=2), "completed_at": now}
            output = {"outcome": "fields", "fields": {"set": {"category": said}}}
            await session.execute(
                update(AgentExecution)
                .where(AgentExecution.id.in_(ids))
                .values(**ended, cost_usd=Decimal(cost), output_result=output)
            )
            await session.execute(update(LabCase).where(LabCase.execution_id.in_(ids)).values(truth=truth, as_of=AS_OF))

    async def get(self, lab_run_id: str) -> dict[str, Any]:
        return dict((await self.admin.get(f"/api/v1/lab-runs/{lab_run_id}")).json())


@pytest.fixture
async def bench(api: Api, admin: httpx2.AsyncClient) -> Bench:
    return Bench(api, admin, (await api.agent(admin))["id"])


async def test_it_begins_few_at_a_time_and_ends_with_the_last(bench: Bench) -> None:
    await bench.history(23)
    run = await bench.begin(parallel=8)
    assert (run["state"], run["tickets"], run["waiting"]) == ("running", 20, 20)
    await bench.look()
    await bench.look()
    assert len(await bench.open_runs()) == 8
    async with bench.api.db.tenant_session("acme") as session:
        begun = (await session.scalars(select(AgentExecution))).all()
    assert {one.mode for one in begun} == {"dry_run"}
    # The latest first, by the desk's own id, and nothing of the ticket beside its number.
    assert {one.ticket_ref for one in begun} == {f"9{number}" for number in range(15, 23)}
    one = next(one for one in begun if one.ticket_ref == "922")
    asked = {"lab_run_id": run["id"], "ticket": "22", "requested_by": run["started_by"]}
    assert one.input_payload == {"lab": asked}
    for said in ("Network", "Hardware", "Network"):
        await bench.finish(said=said)
        await bench.look()
    run = await bench.get(run["id"])
    assert (run["state"], run["compared"], run["wrong"], run["running"]) == ("completed", 20, 8, 0)
    category = run["comparison"]["category"]
    assert (category["right"], category["wrong"], category["agreement"]) == (12, 8, 0.6)
    assert category["low"] < 0.6 < category["high"]
    assert Decimal(run["comparison"]["cost_usd"]) == Decimal("0.20")
    assert run["comparison"]["took_p95_ms"] == 2000
    assert run["ended_at"]


async def test_where_it_was_wrong_comes_first_over_all_pages(bench: Bench) -> None:
    await bench.history(20)
    run = await bench.begin(parallel=8)
    for said in ("Network", "Hardware", "Network"):
        await bench.look()
        await bench.finish(said=said)
    await bench.look()
    seen: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        url = f"/api/v1/lab-runs/{run['id']}/cases?limit=3" + (f"&cursor={cursor}" if cursor else "")
        page = (await bench.admin.get(url)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
    assert [one["is_wrong"] for one in seen] == [True] * 8 + [False] * 12
    assert len({one["id"] for one in seen}) == 20
    assert seen[0]["verdicts"] == {"category": "wrong", "solution": "silent"}
    assert seen[0]["said"] == {"category": "Hardware"}


async def test_it_sets_money_aside_and_stops_where_that_would_not_do(bench: Bench) -> None:
    await bench.history(20)
    run = await bench.begin(parallel=4, max_cost_usd="0.50")
    await bench.look()
    await bench.finish(cost="0.11")
    await bench.look()
    # 0.44 is spent, and the next may cost 0.11 again.
    run = await bench.get(run["id"])
    assert (run["state"], run["compared"], run["left_out"]) == ("stopped", 4, 16)
    assert run["why"] == "The limit of 0.5 USD would be passed."
    assert await bench.open_runs() == []


async def test_live_runs_go_first_and_do_not_starve_it(bench: Bench) -> None:
    await bench.history(20)
    run = await bench.begin(parallel=2)
    await bench.look()
    await bench.finish()
    event = {"event": "request.created", "request_id": "1042"}
    tried = await bench.admin.post(f"/api/v1/agents/{bench.agent_id}/try", json={"payload": event})
    async with bench.api.db.tenant_session("acme") as session:
        live = update(AgentExecution).where(AgentExecution.id == UUID(tried.json()["id"]))
        await session.execute(live.values(mode="live"))
    await bench.look()
    assert await bench.open_runs() == []
    async with bench.api.db.tenant_session("acme") as session:
        await session.execute(update(LabRun).values(stepped_at=func.now() - timedelta(minutes=1)))
    await bench.look()
    assert len(await bench.open_runs()) == 2
    assert (await bench.get(run["id"]))["running"] == 2


async def test_cancelled_it_begins_nothing_and_keeps_what_it_compared(bench: Bench) -> None:
    await bench.history(20)
    run = await bench.begin(parallel=3)
    await bench.look()
    await bench.finish()
    await bench.look()
    answer = await bench.admin.post(f"/api/v1/lab-runs/{run['id']}/cancel")
    assert answer.status_code == 200, answer.text
    ended = answer.json()
    assert (ended["state"], ended["compared"], ended["left_out"], ended["running"]) == ("cancelled", 3, 17, 0)
    await bench.look()
    assert await bench.open_runs() == []
    again = await bench.admin.post(f"/api/v1/lab-runs/{run['id']}/cancel")
    assert again.status_code == 409


async def test_an_agent_that_starts_nothing_any_more_stops_it(bench: Bench) -> None:
    await bench.history(20)
    run = await bench.begin()
    for step in ("activate", "suspend"):
        assert (await bench.admin.post(f"/api/v1/agents/{bench.agent_id}/{step}")).is_success
    await bench.look()
    run = await bench.get(run["id"])
    assert (run["state"], run["left_out"]) == ("stopped", 20)
    assert run["why"] == "The agent is 'suspended', not 'active'. Nothing more was begun."


async def test_a_ticket_of_which_nothing_is_known_is_left_out_and_says_why(bench: Bench) -> None:
    await kept_ticket(bench.api.db, "acme", bench.agent_id)
    run = await bench.begin(tickets=0)
    await bench.look()
    async with bench.api.db.tenant_session("acme") as session:
        failed = {"status": "failed", "error_code": "desk-not-found", "error_message": "There is no ticket 1042."}
        await session.execute(update(AgentExecution).values(**failed, completed_at=func.now()))
        await session.execute(update(LabCase).values(truth=None))
    await bench.look()
    [case] = (await bench.admin.get(f"/api/v1/lab-runs/{run['id']}/cases")).json()["items"]
    assert (case["state"], case["why"]) == ("left_out", "There is no ticket 1042.")
    # With the people's word known, a run that failed has said nothing, and that counts.
    run = await bench.begin(tickets=0)
    await bench.look()
    async with bench.api.db.tenant_session("acme") as session:
        await session.execute(update(AgentExecution).values(**failed, completed_at=func.now()))
    await bench.look()
    assert (await bench.get(run["id"]))["comparison"]["category"]["silent"] == 1


@pytest.mark.parametrize(
    ("wanted", "status", "words"),
    [
        ({"tickets": 20}, 409, "Of servicedesk_plus 19 closed tickets are known, and fewer than 20 say too little."),
        ({"tickets": 19}, 422, "tickets must be at least 20"),
        ({"tickets": 201}, 422, "less than or equal to 200"),
        ({"tickets": 0}, 422, "has no test case of this desk"),
        ({"tickets": 20, "agent_version": 7}, 422, "the agent has no version 7; it is at 1"),
        ({"tickets": 20, "tool_type": "jira"}, 422, "'jira' is no connected desk of this version"),
    ],
)
async def test_what_cannot_be_begun_says_why(bench: Bench, wanted: dict[str, Any], status: int, words: str) -> None:
    await bench.history(19)
    answer = await bench.admin.post(f"/api/v1/agents/{bench.agent_id}/lab-runs", json=wanted)
    assert answer.status_code == status, answer.text
    assert words.casefold() in answer.text.casefold()


async def test_an_agent_has_one_run_of_the_lab_at_a_time(bench: Bench) -> None:
    await bench.history(20)
    await bench.begin()
    again = await bench.admin.post(f"/api/v1/agents/{bench.agent_id}/lab-runs", json={"tickets": 20})
    assert again.status_code == 409
    listed = (await bench.admin.get(f"/api/v1/agents/{bench.agent_id}/lab-runs?limit=1")).json()
    assert (len(listed["items"]), listed["next_cursor"]) == (1, None)


async def test_a_ticket_that_a_run_read_is_kept_and_run_again(bench: Bench) -> None:
    event = {"event": "request.created", "request_id": "1042"}
    tried = (await bench.admin.post(f"/api/v1/agents/{bench.agent_id}/try", json={"payload": event})).json()["id"]
    url = f"/api/v1/agents/{bench.agent_id}/test-cases"
    wanted = {"execution_id": tried, "name": "VPN", "expected": {"category": "Network", "solution": ["KB-1"]}}
    early = await bench.admin.post(url, json=wanted)
    assert (early.status_code, early.json()["errors"][0]["pointer"]) == (422, "/execution_id")
    assert (await bench.admin.post(url, json={**wanted, "expected": {}})).status_code == 422
    async with bench.api.db.tenant_session("acme") as session:
        session.add(
            ExecutionStep(
                tenant_id="acme", execution_id=UUID(tried), step_key="get_ticket#1", kind="tool", state="finished",
                attempt=1, name="get_ticket", output=ticket_of("servicedesk_plus"),
            )
        )  # fmt: skip
    kept = await bench.admin.post(url, json=wanted)
    assert kept.status_code == 201, kept.text
    assert (kept.json()["subject"], kept.json()["number"]) == ("VPN drops", "1042")
    assert kept.json()["expected"] == {"category": "Network", "priority": None, "group": None, "solution": ["KB-1"]}

    run = await bench.begin(tickets=0)
    assert run["tickets"] == 1
    await bench.look()
    await bench.finish(said="Network")
    await bench.look()
    [case] = (await bench.admin.get(f"/api/v1/lab-runs/{run['id']}/cases")).json()["items"]
    assert case["test_case_id"] == kept.json()["id"]
    assert case["verdicts"] == {"category": "right", "solution": "silent"}

    gone = f"/api/v1/test-cases/{kept.json()['id']}"
    assert (await bench.admin.delete(gone)).status_code == 204
    assert (await bench.admin.delete(gone)).status_code == 404
    assert (await bench.admin.get(url)).json() == []
    assert (await bench.get(run["id"]))["compared"] == 1


async def test_a_run_that_a_person_cancelled_says_nothing_about_the_agent(bench: Bench) -> None:
    await kept_ticket(bench.api.db, "acme", bench.agent_id)
    run = await bench.begin(tickets=0)
    await bench.look()
    [execution] = await bench.open_runs()
    assert (await bench.admin.post(f"/api/v1/executions/{execution}/cancel")).is_success
    await bench.look()
    [case] = (await bench.admin.get(f"/api/v1/lab-runs/{run['id']}/cases")).json()["items"]
    assert (case["state"], case["why"], case["verdicts"]) == ("left_out", "Its run was cancelled.", {})


@pytest.mark.parametrize("error", [KeyError("sources"), AttributeError("list"), ConflictError("Not now.")])
async def test_one_that_cannot_go_on_stops_and_keeps_nobody_else_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def broken(*_: object) -> None:
        raise error

    await kept_ticket(bench.api.db, "acme", bench.agent_id)
    run = await bench.begin(tickets=0)
    monkeypatch.setattr(keeper, "advance", broken)
    async with bench.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        for one in await repository.lock_running(session):
            await keeper._go_on(session, one)
    stopped = await bench.get(run["id"])
    assert stopped["state"] == "stopped"
    kind = type(error).__name__
    assert stopped["why"] == f"Something unexpected happened ({kind}); the worker's log has more."


async def test_a_database_that_is_away_is_the_loops_to_wait_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    await kept_ticket(bench.api.db, "acme", bench.agent_id)
    run = await bench.begin(tickets=0)
    monkeypatch.setattr(keeper, "advance", away)
    async with bench.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        [one] = await repository.lock_running(session)
        with pytest.raises(ConnectionRefusedError):
            await keeper._go_on(session, one)
    assert (await bench.get(run["id"]))["state"] == "running"
