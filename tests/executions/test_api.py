"""Executions over real HTTP: what is listed, what may be changed, and by whom."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import select, text
from tests.support.console import Console

from deskhand.audit.models import AuditLog
from deskhand.engine.models import AgentExecution
from deskhand.engine.queue import Waker
from deskhand.kit.edge import StreamSlots

LIST = "/api/v1/executions"


async def audited(console: Console, tenant_id: str = "acme") -> list[tuple[str, str | None]]:
    async with console.db.tenant_session(tenant_id) as session:
        rows = await session.execute(select(AuditLog).order_by(AuditLog.sequence))
        return [(row.operation, row.resource_id) for row in rows.scalars() if row.resource_type == "execution"]


async def queued_jobs(console: Console, execution_id: UUID) -> int:
    async with console.db.tenant_session("acme") as session:
        payload = f"acme:{execution_id}".encode()
        found = await session.execute(
            text("SELECT count(*) FROM pgqueuer WHERE payload = :payload"), {"payload": payload}
        )
        return found.scalar_one()


async def test_the_list_is_newest_first_and_reads_on_by_cursor(console: Console) -> None:
    agent = await console.agent()
    made = [await console.execution(agent, ticket=str(n), ago=100 - n) for n in range(5)]
    client = await console.client(role="viewer")

    first = (await client.get(LIST, params={"limit": 2})).json()
    await console.execution(agent, ticket="later")
    second = (await client.get(LIST, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    third = (await client.get(LIST, params={"limit": 2, "cursor": second["next_cursor"]})).json()

    ids = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert ids == [str(one) for one in reversed(made)]
    assert third["next_cursor"] is None


async def test_a_summary_names_what_people_look_for(console: Console) -> None:
    agent = await console.agent(name="Printer helper")
    now = await console.now()
    run = await console.execution(
        agent, status="completed", attempt=1, started_at=now - timedelta(seconds=5), completed_at=now
    )
    await console.step(
        "acme", run, "draft_note", kind="model", tokens_in=1000, tokens_out=50, cost_usd=Decimal("0.003")
    )
    await console.step("acme", run, "get_ticket")
    client = await console.client()

    [item] = (await client.get(LIST)).json()["items"]

    assert item["subject"] == "Printer offline"
    assert item["agent_name"] == "Printer helper"
    assert item["agent_version"] == 1
    assert item["trigger_type"] == "webhook"
    assert item["duration_ms"] == 5000
    assert (item["tokens_in"], item["tokens_out"], item["step_count"]) == (1000, 50, 2)
    assert Decimal(item["cost_usd"]) == Decimal("0.003")


async def test_one_unknown_price_makes_the_cost_unknown_not_smaller(console: Console) -> None:
    agent = await console.agent()
    run = await console.execution(agent, status="running", attempt=1)
    await console.step("acme", run, "draft_note", kind="model", cost_usd=Decimal("0.5"))
    await console.step("acme", run, "check_note", kind="model", cost_usd=None)
    client = await console.client()

    assert (await client.get(f"{LIST}/{run}")).json()["cost_usd"] is None


async def test_filters_narrow_the_list(console: Console) -> None:
    agent, other = await console.agent(), await console.agent(name="Other")
    failed = await console.execution(agent, ticket="1", status="failed", ago=10)
    dismissed = await console.execution(agent, ticket="2", status="failed", ago=20, dismissed_at=await console.now())
    waiting = await console.execution(other, ticket="3", status="waiting", ago=7200)
    client = await console.client()

    async def ids(**params: str | list[str]) -> set[str]:
        return {item["id"] for item in (await client.get(LIST, params=params)).json()["items"]}

    hour_ago = (await console.now() - timedelta(hours=1)).isoformat()
    assert await ids(status="failed") == {str(failed), str(dismissed)}
    assert await ids(status=["failed", "waiting"]) == {str(failed), str(dismissed), str(waiting)}
    assert await ids(needs_attention="true") == {str(failed), str(waiting)}
    assert await ids(agent_id=str(other.id)) == {str(waiting)}
    assert await ids(ticket_ref="2") == {str(dismissed)}
    assert await ids(since=hour_ago) == {str(failed), str(dismissed)}
    counts = (await client.get(f"{LIST}/counts", params={"agent_id": str(agent.id)})).json()
    assert (counts["failed"], counts["waiting"]) == (2, 0)


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"cursor": "bm90IGEgY3Vyc29y"}, "/cursor"),
        ({"limit": "0"}, "/limit"),
        ({"status": "lost"}, "/status/0"),
        ({"staus": "failed"}, "/staus"),
    ],
)
async def test_a_wrong_query_is_refused_with_its_place(console: Console, params: dict[str, str], pointer: str) -> None:
    answer = await (await console.client()).get(LIST, params=params)

    assert answer.status_code == (404 if pointer == "/cursor" else 422)
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_the_steps_come_in_order_without_credentials(console: Console) -> None:
    agent = await console.agent()
    run = await console.execution(
        agent,
        input_payload={
            "request": {"subject": "VPN"},
            "technician_key": "5CB8A1F0-secret",
            "Authorization": "Bearer abc",
        },
    )
    given = {"headers": {"authtoken": "very-secret"}, "max_tokens": 800, "text": "use dhk_0123456789abcdefABCDEF now"}
    await console.step("acme", run, "get_ticket", input=given, output={"url": "https://bob:hunter2@desk.example.com/x"})
    await console.step("acme", run, "add_note", kind="write", state="failed", error="refused: Bearer abcdefghijklmnop")
    client = await console.client(role="viewer")

    detail = await client.get(f"{LIST}/{run}")
    steps = (await client.get(f"{LIST}/{run}/steps")).json()

    assert [step["name"] for step in steps] == ["get_ticket", "add_note"]
    assert steps == detail.json()["steps"]
    assert steps[0]["input"] == {"headers": {"authtoken": "[hidden]"}, "max_tokens": 800, "text": "use [hidden] now"}
    for secret in ("5CB8A1F0", "Bearer abc", "very-secret", "hunter2", "dhk_0123"):
        assert secret not in detail.text
    assert "desk.example.com" in detail.text


async def test_the_note_and_its_sources_are_read_from_the_result(console: Console) -> None:
    agent = await console.agent()
    result = {
        "note": {
            "markdown": "## Similar\n* #7",
            "confidence": "high",
            "word_count": 3,
            "sources": [{"ref": "7", "title": "Jam"}],
        }
    }
    run = await console.execution(agent, status="completed", output_result=result)

    note = (await (await console.client()).get(f"{LIST}/{run}")).json()["note"]

    assert note["markdown"] == "## Similar\n* #7"
    assert note["sources"] == [{"ref": "7", "kind": None, "title": "Jam", "url": None}]


async def test_another_tenants_execution_does_not_exist(console: Console) -> None:
    run = await console.execution(await console.agent("globex"), status="failed")
    client = await console.client("acme")

    answers = [await client.get(f"{LIST}/{run}"), await client.get(f"{LIST}/{run}/steps")]
    answers += [await client.post(f"{LIST}/{run}/{verb}") for verb in ("cancel", "retry", "dismiss")]
    unknown = await client.get(f"{LIST}/{uuid4()}")

    assert [answer.status_code for answer in answers] == [404] * 5
    assert {answer.json()["code"] for answer in (*answers, unknown)} == {"not-found"}
    assert (await client.get(LIST)).json()["items"] == []
    assert (await client.post(f"{LIST}/retry", json={})).json()["retried"] == []


async def test_a_viewer_may_look_but_not_touch(console: Console) -> None:
    run = await console.execution(await console.agent(), status="failed")
    client = await console.client(role="viewer")

    answers = [await client.post(f"{LIST}/{run}/{verb}") for verb in ("cancel", "retry", "dismiss")]
    answers.append(await client.post(f"{LIST}/retry", json={}))

    assert [answer.status_code for answer in answers] == [403] * 4
    assert (await client.get(f"{LIST}/{run}")).json()["status"] == "failed"


@pytest.mark.parametrize("status", ["queued", "waiting"])
async def test_what_no_worker_holds_is_cancelled_at_once(console: Console, status: str) -> None:
    run = await console.execution(await console.agent(), status=status)
    client = await console.client(role="operator")

    answer = (await client.post(f"{LIST}/{run}/cancel")).json()

    assert answer["status"] == "cancelled"
    assert answer["completed_at"]
    assert await audited(console) == [("execution.cancel", str(run))]


async def test_a_running_one_is_asked_to_stop_once(console: Console) -> None:
    run = await console.execution(await console.agent(), status="running", attempt=1)
    client = await console.client()

    first = (await client.post(f"{LIST}/{run}/cancel")).json()
    again = (await client.post(f"{LIST}/{run}/cancel")).json()

    assert first["status"] == "running"
    assert first["cancel_requested_at"] == again["cancel_requested_at"] is not None
    assert await audited(console) == [("execution.cancel", str(run))]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_an_ended_run_cannot_be_cancelled(console: Console, status: str) -> None:
    run = await console.execution(await console.agent(), status=status)

    answer = await (await console.client()).post(f"{LIST}/{run}/cancel")

    assert answer.status_code == 409
    assert status in answer.json()["detail"]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_retry_queues_again_and_keeps_the_journal(console: Console, status: str) -> None:
    now = await console.now()
    run = await console.execution(
        await console.agent(), status=status, attempt=4, error_code="model-away", error_message="The model is away.",
        completed_at=now, cancel_requested_at=now, dismissed_at=now, not_before=now + timedelta(hours=1),
    )  # fmt: skip
    await console.step("acme", run, "get_ticket", output={"id": "1042"})
    client = await console.client()

    answer = await client.post(f"{LIST}/{run}/retry")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["attempt"], body["max_attempts"]) == ("queued", 4, 19)
    assert [
        body[name]
        for name in ("error_code", "error_message", "completed_at", "cancel_requested_at", "dismissed_at", "not_before")
    ] == [None] * 6
    assert [step["name"] for step in (await client.get(f"{LIST}/{run}/steps")).json()] == ["get_ticket"]
    assert await queued_jobs(console, run) == 1
    assert await audited(console) == [("execution.retry", str(run))]


@pytest.mark.parametrize("status", ["queued", "running", "waiting", "completed"])
async def test_only_an_ended_run_without_result_can_be_retried(console: Console, status: str) -> None:
    run = await console.execution(await console.agent(), status=status)

    answer = await (await console.client()).post(f"{LIST}/{run}/retry")

    assert answer.status_code == 409
    assert await queued_jobs(console, run) == 0


async def test_retry_is_refused_while_another_run_of_the_ticket_waits_to_start(console: Console) -> None:
    agent = await console.agent()
    old = await console.execution(agent, status="cancelled", lane="servicedesk_plus:1042")
    await console.execution(agent, status="queued", lane="servicedesk_plus:1042")
    client = await console.client()

    answer = await client.post(f"{LIST}/{old}/retry")
    bulk = (await client.post(f"{LIST}/retry", json={"status": ["cancelled"]})).json()

    assert answer.status_code == 409
    assert "already waits" in answer.json()["detail"]
    assert bulk == {"retried": [], "skipped": [str(old)], "more": False}
    assert (await client.get(f"{LIST}/{old}")).json()["status"] == "cancelled"


async def test_retry_wakes_the_workers_after_the_commit(console: Console, database_urls) -> None:
    run = await console.execution(await console.agent(), status="failed")
    client = await console.client()
    listener = await asyncpg.connect(database_urls.app_url)
    woken: asyncio.Queue[str] = asyncio.Queue()
    state = console.app.state.deskhand
    try:
        await listener.add_listener("ch_pgqueuer", lambda *args: woken.put_nowait(args[-1]))
        async with Waker(state.pool) as waker:
            state.db.on_handover = waker.wake
            await client.post(f"{LIST}/{run}/retry")
            event = json.loads(await asyncio.wait_for(woken.get(), 60))
    finally:
        state.db.on_handover = None
        await listener.close()
    assert event["type"] == "table_changed_event"


async def test_bulk_retry_takes_the_oldest_that_match(console: Console) -> None:
    agent = await console.agent()
    runs = [
        await console.execution(agent, ticket=str(n), status="failed", error_code="model-unavailable", ago=100 - n)
        for n in range(3)
    ]
    refused = await console.execution(agent, ticket="9", status="failed", error_code="desk-permission", ago=500)
    client = await console.client()
    wanted = {"error_code": "model-unavailable", "limit": 2}

    first = (await client.post(f"{LIST}/retry", json=wanted)).json()
    second = (await client.post(f"{LIST}/retry", json=wanted)).json()

    assert first == {"retried": [str(run) for run in runs[:2]], "skipped": [], "more": True}
    assert second == {"retried": [str(runs[2])], "skipped": [], "more": False}
    assert (await client.get(f"{LIST}/{refused}")).json()["status"] == "failed"
    assert await audited(console) == [("execution.retry", str(run)) for run in runs]


async def test_dismiss_takes_a_failure_off_the_desk(console: Console) -> None:
    agent = await console.agent()
    failed, done = await console.execution(agent, status="failed"), await console.execution(agent, status="completed")
    client = await console.client()

    answer = (await client.post(f"{LIST}/{failed}/dismiss")).json()
    conflict = await client.post(f"{LIST}/{done}/dismiss")

    assert answer["status"] == "failed"
    assert answer["dismissed_at"]
    assert conflict.status_code == 409
    assert (await client.get(LIST, params={"needs_attention": "true"})).json()["items"] == []


async def test_the_stream_shows_what_is_there_and_then_each_change(console: Console) -> None:
    run = await console.execution(await console.agent(), status="queued")
    client = await console.client(role="viewer")
    seen: list[str] = []

    async with asyncio.timeout(30), client.stream("GET", f"{LIST}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if not line.startswith("data: "):
                continue
            seen.append(json.loads(line.removeprefix("data: "))["status"])
            if len(seen) == 1:
                await console.change("acme", run, status="running", attempt=1)
            if len(seen) == 2:
                break

    assert seen == ["queued", "running"]


async def test_streams_are_capped(console: Console) -> None:
    console.app.state.deskhand.streams = StreamSlots(0)

    answer = await (await console.client()).get(f"{LIST}/events")

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "30"


async def test_a_cancelled_row_is_really_in_the_table(console: Console) -> None:
    run = await console.execution(await console.agent())
    await (await console.client()).post(f"{LIST}/{run}/cancel")

    async with console.db.tenant_session("acme") as session:
        row = await session.get_one(AgentExecution, run)

    assert (row.status, row.completed_at is not None, row.attempt) == ("cancelled", True, 0)
