"""Replay, retry with another input, answer a doubt, dismiss many: over real HTTP, on rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from tests.support.console import Console
from tests.support.decisions import MARK, in_doubt, second_version, set_agent, set_payload_schema, write

from deskhand.audit.models import AuditLog
from deskhand.engine.models import AgentExecution
from deskhand.executions.doubts import UNKNOWN

LIST = "/api/v1/executions"
LANE = "servicedesk_plus/1042"


async def audited(console: Console) -> list[tuple[str, str | None]]:
    async with console.db.tenant_session("acme") as session:
        rows = (await session.execute(select(AuditLog).order_by(AuditLog.sequence))).scalars()
        return [(row.operation, row.resource_id) for row in rows]


async def row_of(console: Console, execution_id: str | UUID) -> AgentExecution:
    async with console.db.tenant_session("acme") as session:
        return await session.get_one(AgentExecution, UUID(str(execution_id)))


async def jobs(console: Console) -> int:
    async with console.db.tenant_session("acme") as session:
        return (await session.execute(text("SELECT count(*) FROM pgqueuer"))).scalar_one()


# -- replay ----------------------------------------------------------------------------------


async def test_an_ended_run_is_replayed_dry_by_default(console: Console) -> None:
    agent = await console.agent()
    await second_version(console, agent)
    original = await console.execution(agent, status="completed", attempt=3, lane=LANE)
    client = await console.client(role="operator")

    answer = await client.post(f"{LIST}/{original}/replay", json={})

    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{LIST}/{body['id']}"
    assert (body["status"], body["mode"], body["agent_version"], body["attempt"]) == ("queued", "dry_run", 1, 0)
    assert body["replay_of"] == str(original)
    row, before = await row_of(console, body["id"]), await row_of(console, original)
    assert (row.replay_of, row.lane, row.input_payload) == (original, None, before.input_payload)
    assert (row.ticket_ref, row.tool_type, row.trigger_id) == ("1042", "servicedesk_plus", before.trigger_id)
    assert (before.status, before.attempt) == ("completed", 3)
    assert await jobs(console) == 1
    assert await audited(console) == [("execution.replay", body["id"])]


async def test_what_may_be_done_again_depends_on_how_it_stands(console: Console) -> None:
    agent = await console.agent()
    client = await console.client()
    allowed: dict[str, list[str]] = {"replay": [], "retry-with": []}
    for status in ("queued", "running", "waiting", "completed", "failed", "cancelled"):
        run = await console.execution(agent, status=status, ticket=None, tool_type=None)
        for verb, body in (("replay", {}), ("retry-with", {"input": {"a": 1}})):
            answer = await client.post(f"{LIST}/{run}/{verb}", json=body)
            assert answer.status_code in (202, 409), answer.text
            assert answer.status_code == 202 or status in answer.json()["detail"]
            allowed[verb] += [status] * (answer.status_code == 202)

    assert allowed == {"replay": ["completed", "failed", "cancelled"], "retry-with": ["failed"]}


async def test_a_version_that_is_not_there_is_named_beside_those_that_are(console: Console) -> None:
    agent = await console.agent()
    await second_version(console, agent)
    run = await console.execution(agent, status="completed")

    answer = await (await console.client()).post(f"{LIST}/{run}/replay", json={"agent_version": 7})

    [fault] = answer.json()["errors"]
    assert answer.status_code == 422
    assert fault["pointer"] == "/agent_version"
    assert fault["detail"] == "the agent has no version 7; there is 1, 2"


async def test_a_version_without_the_runs_tool_is_refused(console: Console) -> None:
    agent = await console.agent()
    await second_version(console, agent, tools=[{"tool_id": "jira", "operations": []}])
    run = await console.execution(agent, status="completed")

    answer = await (await console.client()).post(f"{LIST}/{run}/replay", json={"agent_version": 2})

    assert answer.status_code == 422
    assert "has no tool 'servicedesk_plus'; it has jira" in answer.json()["detail"]


async def test_a_live_replay_stands_in_line_on_its_ticket_and_a_dry_one_does_not(console: Console) -> None:
    agent = await console.agent()
    run = await console.execution(agent, status="completed", lane=LANE)
    waiting = await console.execution(agent, status="queued", lane=LANE)
    client = await console.client()

    refused = await client.post(f"{LIST}/{run}/replay", json={"mode": "live"})
    dry = [await client.post(f"{LIST}/{run}/replay", json={}) for _ in range(2)]
    await client.post(f"{LIST}/{waiting}/cancel")
    live = await client.post(f"{LIST}/{run}/replay", json={"mode": "live"})

    assert refused.status_code == 409
    assert "already waits for its start" in refused.json()["detail"]
    assert [answer.status_code for answer in (*dry, live)] == [202] * 3
    assert (await row_of(console, live.json()["id"])).lane == LANE


async def test_an_agent_that_is_not_active_runs_nothing(console: Console) -> None:
    agent = await console.agent()
    run = await console.execution(agent, status="failed")
    client = await console.client()
    for status in ("suspended", "inactive"):
        await set_agent(console, agent, status=status)
        answers = [
            await client.post(f"{LIST}/{run}/replay", json={}),
            await client.post(f"{LIST}/{run}/retry-with", json={"ticket_ref": "1"}),
        ]
        assert [answer.status_code for answer in answers] == [409, 409]
        assert all(f"The agent is '{status}'" in answer.json()["detail"] for answer in answers)
    assert await jobs(console) == 0


# -- retry with another input ----------------------------------------------------------------


async def test_a_failed_run_is_repeated_with_what_was_changed(console: Console) -> None:
    agent = await console.agent()
    await second_version(console, agent)
    secret = {"request": {"id": "1042", "subject": "Printer"}, "api_key": "very-secret"}
    old = await console.execution(agent, status="failed", attempt=4, lane=LANE, input_payload=secret)
    client = await console.client(role="operator")
    shown = (await client.get(f"{LIST}/{old}")).json()["input_payload"]
    shown["request"]["subject"] = "Printer offline"

    answer = await client.post(f"{LIST}/{old}/retry-with", json={"input": shown, "ticket_ref": "1043"})

    assert answer.status_code == 202, answer.text
    new, before = await row_of(console, answer.json()["id"]), await row_of(console, old)
    assert (answer.json()["agent_version"], new.attempt, new.mode) == (2, 0, "live")
    assert (new.retry_of, new.ticket_ref, new.lane) == (old, "1043", "servicedesk_plus/1043")
    assert new.input_payload == {"request": {"id": "1042", "subject": "Printer offline"}, "api_key": "very-secret"}
    assert (before.status, before.dismissed_at, before.input_payload) == ("failed", new.queued_at, secret)
    assert await audited(console) == [("execution.retry_with", str(new.id)), ("execution.dismiss", str(old))]
    detail = (await client.get(f"{LIST}/{old}")).json()
    assert detail["retried_as"]["id"] == str(new.id)
    assert (await client.post(f"{LIST}/{old}/retry-with", json={"ticket_ref": "1"})).status_code == 409


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"input": None, "ticket_ref": None}, ""),
    ({"ticket_ref": ""}, "/ticket_ref"),
    ({"input": []}, "/input"),
    ({"input": {"request": {"id": 7}}}, "/input/request/id"),
    ({"tool_type": "jira"}, "/tool_type"),
    ({"ticket_ref": "1", "tickets": []}, "/tickets"),
]


async def test_what_cannot_be_retried_with_is_named(console: Console) -> None:
    agent = await console.agent()
    await second_version(console, agent)
    schema = {"properties": {"request": {"properties": {"id": {"type": "string"}}}}, "required": ["request"]}
    await set_payload_schema(console, agent, schema)
    run = await console.execution(agent, status="failed")
    client = await console.client()

    for body, pointer in UNFIT:
        answer = await client.post(f"{LIST}/{run}/retry-with", json=body)
        assert answer.status_code == 422, answer.text
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert (await row_of(console, run)).dismissed_at is None


async def test_what_was_written_already_is_said_before_it_is_written_again(console: Console) -> None:
    agent = await console.agent()
    await second_version(console, agent)
    run = await console.execution(agent, status="failed")
    await write(console, run, output={"id": "50311"})
    client = await console.client()

    refused = await client.post(f"{LIST}/{run}/retry-with", json={"ticket_ref": "1"})
    allowed = await client.post(f"{LIST}/{run}/retry-with", json={"ticket_ref": "1", "even_though_written": True})

    assert refused.status_code == 409
    for words in ("ticket 1042", "add_note", "Check the certificate", "50311", "even_though_written"):
        assert words in refused.json()["detail"]
    assert allowed.status_code == 202


# -- answer ----------------------------------------------------------------------------------


async def test_the_question_says_what_to_look_for(console: Console) -> None:
    run = await in_doubt(console, await console.agent())

    question = (await (await console.client(role="viewer")).get(f"{LIST}/{run}")).json()["question"]

    assert (question["step_key"], question["operation"], question["mark"]) == ("add_note:note", "add_note", MARK)
    assert "Check the certificate" in question["text"]
    assert question["ticket_url"] == "https://desk.example.com/WorkOrder.do?woID=1042"


@pytest.mark.parametrize(("done", "state"), [(True, "finished"), (False, "failed")])
async def test_an_answer_settles_the_step_and_queues_the_run(console: Console, done: bool, state: str) -> None:
    run = await in_doubt(console, await console.agent(), crashes=3)
    client = await console.client(role="operator")
    body = {"step_key": "add_note:note", "done": done}

    nothing = await client.post(f"{LIST}/{run}/answer", json={**body, "done": False, "receipt_id": "1"})
    wrong = await client.post(f"{LIST}/{run}/answer", json={**body, "step_key": "get_ticket#1"})
    answer = await client.post(f"{LIST}/{run}/answer", json=body)
    repeated = await client.post(f"{LIST}/{run}/answer", json=body)

    assert (nothing.status_code, wrong.status_code, repeated.status_code) == (422, 409, 409)
    assert "no doubt about a step 'get_ticket#1'" in wrong.json()["detail"]
    assert (answer.status_code, answer.json()["status"], answer.json()["error_message"]) == (200, "queued", None)
    assert answer.json()["max_attempts"] > answer.json()["attempt"] == 2
    assert (await row_of(console, run)).crashes == 0
    [step] = [one for one in (await client.get(f"{LIST}/{run}/steps")).json() if one["name"] == "add_note"]
    assert step["state"] == state
    who = (step["output"] or {}).get("given_by") if done else step["error"]
    assert "api-key:" in who
    assert await jobs(console) == 1
    assert await audited(console) == [("execution.answer", str(run))]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize(("done", "state"), [(True, "finished"), (False, "failed")])
async def test_a_run_that_ended_in_doubt_asks_and_is_answered_as_one_that_waits_and_stays_ended(
    console: Console, status: str, done: bool, state: str
) -> None:
    reason = "" if status == "completed" else "It ended early. "
    told = f"{reason}{UNKNOWN}add_note (mark {MARK}), update_ticket (mark {MARK}x)."
    run = await in_doubt(console, await console.agent(), status=status, error_message=told)
    second = {"step_key": "update_ticket#1", "mark": f"{MARK}x", "kind": "write", "state": "in_doubt"}
    await console.step("acme", run, "update_ticket", idempotent=True, finished_at=None, **second)
    client = await console.client(role="operator")

    for key, left in (("add_note:note", f"{UNKNOWN}update_ticket (mark {MARK}x)."), ("update_ticket#1", "")):
        before = (await client.get(f"{LIST}/{run}")).json()
        assert before["question"]["step_key"] == key
        answer = await client.post(f"{LIST}/{run}/answer", json={"step_key": key, "done": done})
        assert (answer.status_code, answer.json()["status"]) == (200, status), answer.text
        assert answer.json()["error_message"] == (f"{reason}{left}".strip() or None)
        assert (await client.post(f"{LIST}/{run}/answer", json={"step_key": key, "done": done})).status_code == 409

    after = (await client.get(f"{LIST}/{run}")).json()
    assert after["question"] is None
    assert {step["state"] for step in after["steps"] if step["kind"] == "write"} == {state}
    assert await jobs(console) == 0
    assert await audited(console) == [("execution.answer", str(run))] * 2


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_a_run_that_goes_on_is_not_answered(console: Console, status: str) -> None:
    run = await in_doubt(console, await console.agent(), status=status)
    client = await console.client(role="operator")
    assert (await client.get(f"{LIST}/{run}")).json()["question"] is None
    refused = await client.post(f"{LIST}/{run}/answer", json={"step_key": "add_note:note", "done": True})
    assert (refused.status_code, status in refused.json()["detail"]) == (409, True)


# -- many at once, and who may ---------------------------------------------------------------


async def test_bulk_dismiss_takes_the_oldest_failures_and_bulk_retry_can_leave_them(console: Console) -> None:
    agent = await console.agent()
    runs = [await console.execution(agent, ticket=str(n), status="failed", ago=100 - n) for n in range(3)]
    await console.execution(agent, ticket="8", status="waiting")
    client = await console.client()

    first = (await client.post(f"{LIST}/dismiss", json={"limit": 2})).json()
    retried = (await client.post(f"{LIST}/retry", json={"dismissed": False})).json()
    rest = (await client.post(f"{LIST}/dismiss", json={})).json()

    assert first == {"dismissed": [str(run) for run in runs[:2]], "more": True}
    assert retried["retried"] == [str(runs[2])]
    assert rest == {"dismissed": [], "more": False}
    assert await audited(console) == [
        *(("execution.dismiss", str(run)) for run in runs[:2]),
        ("execution.retry", str(runs[2])),
    ]


BODIES = {
    "replay": {},
    "retry-with": {"ticket_ref": "1"},
    "answer": {"step_key": "add_note:note", "done": True},
    "cancel": {},
    "retry": {},
    "dismiss": {},
}


async def test_every_change_of_a_run_is_for_its_tenants_operators_alone(console: Console) -> None:
    document = console.app.openapi()["paths"]
    verbs = {path.rsplit("/", 1)[1] for path, item in document.items() if "{execution_id}" in path and "post" in item}
    theirs = await in_doubt(console, await console.agent("globex"))
    own = await in_doubt(console, await console.agent())
    viewer, operator = await console.client(role="viewer"), await console.client(role="operator")

    # A verdict on a note changes no run, and is every reader's (tests/knowledge/verdicts).
    assert verbs - {"feedback"} == set(BODIES), "a new endpoint belongs into this test"
    for verb, body in BODIES.items():
        foreign = await operator.post(f"{LIST}/{theirs}/{verb}", json=body)
        unknown = await operator.post(f"{LIST}/{uuid4()}/{verb}", json=body)
        looking = await viewer.post(f"{LIST}/{own}/{verb}", json=body)
        assert (foreign.status_code, unknown.status_code, looking.status_code) == (404, 404, 403), verb
    assert (await viewer.post(f"{LIST}/dismiss", json={})).status_code == 403
    assert (await operator.post(f"{LIST}/dismiss", json={})).json()["dismissed"] == []
    assert (await (await console.client("globex")).get(f"{LIST}/{theirs}")).json()["status"] == "waiting"
    assert await audited(console) == []
