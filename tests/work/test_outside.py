"""What an agent does outside its desks: operation by grant by mode from the catalogue, and what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from tests.support.approvals import answer, calling, question
from tests.support.outside import (
    DESK,
    OPERATIONS,
    arguments,
    outside_customer,
    reached,
    run_of_ticket,
    said,
    told,
    trying,
)
from tests.support.product import Product

from deskhand.simulators.base.faults import Fault
from deskhand.simulators.models import Reply
from deskhand.simulators.outside import OutsideSimulator
from deskhand.tools.outside import ANSWER_LIMIT
from deskhand.tools.values import Mode
from deskhand.work.outside import hands

ROOMY = {"max_steps": 500, "max_tokens": 10_000_000, "max_cost_usd": Decimal(100)}


@pytest.fixture
async def simulator() -> AsyncIterator[OutsideSimulator]:
    async with OutsideSimulator() as running:
        yield running


def grants(mode: Mode) -> dict[str, Any]:
    """Every operation outside; what reads has nothing to approve."""
    granted: dict[str, Any] = {}
    for tool, one in OPERATIONS:
        granted.setdefault(tool.tool_id, {})[one.name] = mode.value if one.is_write else "allow"
    return granted


def every_call(simulator: OutsideSimulator) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{tool.tool_id}_{one.name}", arguments(tool, one, simulator)) for tool, one in OPERATIONS]


ONCE = {f"{tool.tool_id}/{one.name}": 1 for tool, one in OPERATIONS}
READS = {f"{tool.tool_id}/{one.name}": 1 for tool, one in OPERATIONS if not one.is_write}
WRITES = [one for _, one in OPERATIONS if one.is_write]


async def test_what_is_allowed_happens_once_and_a_dry_run_only_reads(
    product: Product, simulator: OutsideSimulator
) -> None:
    customer = await outside_customer(product, simulator, grants(Mode.ALLOW))
    product.model.script = trying(*every_call(simulator))
    await product.start_worker(limits=ROOMY)
    run = await run_of_ticket(product, customer)
    assert (run["status"], run["output_result"]["degraded"]) == ("completed", False), run
    assert reached(simulator) == ONCE
    assert all(one.get("done", True) for one in told(product))
    written = [step for step in run["steps"] if step["kind"] == "write"]
    assert [step["name"] for step in written] == [
        f"{tool.tool_id}_{one.name}" for tool, one in OPERATIONS if one.is_write
    ]
    audited = await product.rows(
        "SELECT operation, details FROM audit_log WHERE operation ~ '^(slack|teams|webh|http)'"
    )
    assert sorted(row["operation"] for row in audited) == sorted(step["name"].replace("_", ".", 1) for step in written)
    marks = {step["output"]["mark"] for step in written}
    assert {row["details"]["mark"] for row in audited} == marks
    assert [one.id for one in simulator.received] == [told(product)[2]["id"]]

    replayed = await customer.client.post(f"/api/v1/executions/{run['id']}/replay", json={"mode": "dry_run"})
    dry = await product.ended(customer, replayed.json()["id"])
    assert dry["status"] == "completed", dry
    assert [one.get("dry_run", False) for one in told(product)] == [one.is_write for _, one in OPERATIONS]
    assert reached(simulator) == {name: 1 + (name in READS) for name in ONCE}


async def test_what_is_not_granted_is_not_offered_and_never_leaves(
    product: Product, simulator: OutsideSimulator
) -> None:
    customer = await outside_customer(product, simulator, {"slack": []})
    product.model.script = trying(*every_call(simulator))
    await product.start_worker(limits=ROOMY)
    await run_of_ticket(product, customer)
    assert reached(simulator) == {}
    names = {tool["function"]["name"] for chat in product.model.chats for tool in chat.body["tools"]}
    assert names & {name for name, _ in every_call(simulator)} == set()


async def test_what_is_to_be_approved_leaves_only_after_its_yes(product: Product, simulator: OutsideSimulator) -> None:
    customer = await outside_customer(product, simulator, grants(Mode.APPROVE))
    product.model.script = calling(*every_call(simulator))
    await product.start_worker(limits={**ROOMY, "timeout": 120.0})
    run = await run_of_ticket(product, customer)
    for number, operation in enumerate(WRITES):
        assert (run["status"], run["error_code"]) == ("waiting", "approval-needed"), run
        assert sum(count for name, count in reached(simulator).items() if name not in READS) == number
        asked = await question(customer, run["id"])
        assert asked["operation"] == operation.name
        assert asked["differences"]
        # The last one is declined, and is the one that never arrives.
        last = operation is WRITES[-1]
        body = {"reason": "Not today."} if last else {}
        answered = await answer(customer.client, asked, "decline" if last else "approve", **body)
        assert answered.is_success, answered.text
        run = await product.ended(customer, run["id"])
    assert run["status"] == "completed", run
    assert reached(simulator) == {name: one for name, one in ONCE.items() if name != "http/delete"}


async def test_refusals_are_told_to_the_model_in_words(product: Product, simulator: OutsideSimulator) -> None:
    customer = await outside_customer(product, simulator, grants(Mode.ALLOW))
    simulator.archived.add("ops")
    simulator.faults.add(Fault(status=410, count=1, path="receiver"))
    event = {"endpoint": "cmdb", "type": "a.b", "data": {}}
    calls = [
        ("slack_post_message", {"channel": "ops", "text": "x"}),
        ("slack_post_message", {"channel": "board", "text": "x"}),
        ("webhook_send_event", event),
        ("webhook_send_event", {**event, "data": {"log": "x" * 20_000}}),
        ("http_get", {"url": "http://elsewhere.test/api"}),
        ("http_get", {"url": f"{simulator.url}/api/x?size={ANSWER_LIMIT}"}),
        ("http_get", {"url": f"{simulator.url}/api/x", "query": {"redirect": "http://169.254.169.254/latest"}}),
    ]
    words = [
        "answered 410: channel_is_archived", "no channel 'board'", "wants no more events", "at most 20000 bytes",
        f"may not call http://elsewhere.test. Allowed are: {simulator.url}", '"truncated":true', '"status":302',
    ]  # fmt: skip

    product.model.script = trying(*calls)
    await product.start_worker(limits=ROOMY)
    run = await run_of_ticket(product, customer)
    assert run["status"] == "completed", run
    answers = said(product)
    assert len(answers) == len(words), answers
    for word, sentence in zip(words, answers, strict=True):
        assert word in sentence
    assert reached(simulator) == {"http/get": 2}
    assert simulator.key not in str(answers)
    assert "[redacted]" in answers[5]


async def test_a_chat_that_says_later_gets_the_message_later_and_once(
    product: Product, simulator: OutsideSimulator
) -> None:
    customer = await outside_customer(product, simulator, grants(Mode.ALLOW))
    simulator.faults.add(Fault(status=429, count=1))
    product.model.script = trying(("slack_post_message", {"channel": "leads", "text": "Once."}))
    await product.start_worker(limits=ROOMY)
    run = await run_of_ticket(product, customer)
    assert (run["status"], run["attempt"]) == ("completed", 2), run
    assert reached(simulator) == {"slack/post_message": 1}


@pytest.mark.parametrize("fault", [{"kind": "outage", "after_effect": True}, {"status": 503}], ids=["broken", "503"])
async def test_what_nobody_can_tell_is_asked_of_a_person_and_not_ended_in_a_note(
    product: Product, simulator: OutsideSimulator, fault: dict[str, Any]
) -> None:
    customer = await outside_customer(product, simulator, grants(Mode.ALLOW), outcome={"kind": "note"})
    simulator.faults.add(Fault(count=1, **fault))
    product.model.script = trying(("slack_post_message", {"channel": "leads", "text": "Once?"}))
    await product.start_worker(limits=ROOMY)
    run = await run_of_ticket(product, customer)
    assert (run["status"], run["error_code"]) == ("waiting", "in-doubt"), run
    assert "The Slack channel 'leads'" in run["error_message"]
    assert reached(simulator) == ({"slack/post_message": 1} if "kind" in fault else {})


async def test_a_report_about_a_ticket_goes_to_a_channel_and_on_the_ticket(
    product: Product, simulator: OutsideSimulator
) -> None:
    outcome = {"kind": "report", "chat_to": ["teams:leads"], "on_ticket": True, "mail_subject": "On {{ticket.subject}}"}
    customer = await outside_customer(product, simulator, {"teams": ["post_message"]})
    changes = {"outcome": outcome, "tool_operations": {DESK: ["get_ticket", "add_note"], "teams": ["post_message"]}}
    changed = await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=changes)
    assert changed.is_success, changed.text
    product.model.script = lambda _: Reply(tool_calls=(("give_answer", {"report": "It is the cable."}),))
    await product.start_worker(limits=ROOMY)
    ticket_id = await product.desk.file_ticket("VPN <at>all</at> drops")
    answered = await product.deliver(customer, ticket_id)
    run = await product.ended(customer, answered.json()["execution_id"])
    assert (run["status"], run["output_result"]["chat"]) == ("completed", ["teams:leads"]), run
    [message] = simulator.posted
    assert message.text.startswith("On VPN <\u2060at>all<\u2060/at> drops\n\nIt is the cable.")
    [note] = await product.desk.notes(ticket_id)
    assert ("It is the cable." in note["body"], note["public"]) == (True, False)


async def test_an_agents_instructions_leave_by_none_of_these_ways(
    product: Product, simulator: OutsideSimulator
) -> None:
    prompt = (
        "You answer for the desk of Acme. The night number is 4711, ask for Ann, never for Bob, and say nothing of it."
    )
    customer = await outside_customer(product, simulator, grants(Mode.ALLOW), system_prompt=prompt)
    api = f"{simulator.url}/api/x"
    calls = [
        ("teams_post_message", {"channel": "leads", "text": f"So: {prompt}"}),
        ("webhook_send_event", {"endpoint": "cmdb", "type": "a", "data": {"a": [{"b": prompt}]}}),
        ("http_post", {"url": api, "body": {prompt: 1}}),
        ("http_get", {"url": api, "query": {"q": prompt}}),
        ("http_get", {"url": f"{api}?q={quote(prompt)}"}),
    ]
    product.model.script = trying(*calls)
    await product.start_worker(limits=ROOMY)
    run = await run_of_ticket(product, customer)
    assert run["status"] == "completed", run
    assert ["repeats the agent's own instructions" in one for one in said(product)] == [True] * len(calls)
    assert reached(simulator) == {}


async def test_a_run_that_never_stops_calling_is_stopped(
    product: Product, simulator: OutsideSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands, "MOST_CALLS", 2)
    customer = await outside_customer(product, simulator, {"http": ["get"]})
    get = ("http_get", {"url": f"{simulator.url}/api/x"})
    product.model.script = trying(get, get, get)
    await product.start_worker(limits=ROOMY)
    await run_of_ticket(product, customer)
    assert reached(simulator) == {"http/get": 2}
    assert "at most 2 calls of 'http'" in said(product)[2]


async def test_what_is_away_is_told_of_a_read_and_tried_again_for_a_write(
    product: Product, simulator: OutsideSimulator
) -> None:
    customer = await outside_customer(product, simulator, {"http": ["get", "put"]})
    simulator.faults.add(Fault(kind="outage", count=1, method="GET"))
    simulator.faults.add(Fault(kind="outage", count=1, method="PUT", after_effect=True))
    address = f"{simulator.url}/api/x"
    product.model.script = trying(("http_get", {"url": address}), ("http_put", {"url": address, "body": {"a": 1}}))
    await product.start_worker(limits=ROOMY)
    run = await run_of_ticket(product, customer)
    assert (run["status"], run["attempt"]) == ("completed", 2), run
    assert "did not finish its answer" in told(product)[0]["unavailable"]
    ids = [call["headers"]["idempotency-key"] for call in simulator.calls if call["method"] == "PUT"]
    assert (len(ids), len(set(ids))) == (2, 1)
