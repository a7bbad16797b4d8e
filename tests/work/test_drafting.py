"""A note is owed even when the model fails for good; a model that may come back is asked again while there is time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.product import Customer, Product

from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.importer import import_tickets
from deskhand.llm.errors import ModelAuthError, ModelRateLimitedError, ModelTimeoutError, ModelUnavailableError
from deskhand.simulators.models import Reply, obliging
from deskhand.work import drafting
from deskhand.work.drafting import Share

SOLVED = "subject,description,resolution,ticket_id\nVPN drops,It drops.,Restart the VPN client on the laptop.,1\n"
MAY = {"servicedesk_plus": ["get_ticket", "add_note", "update_ticket"]}


async def customer_with_history(product: Product, tmp_path: Path, **agent: Any) -> Customer:
    customer = await product.customer(**agent)
    (tmp_path / "solved.csv").write_text(SOLVED)
    await import_tickets(product.db, customer.tenant_id, tmp_path / "solved.csv", embedder=LexicalOnly())
    return customer


async def run_on(product: Product, customer: Customer, ticket_id: str, *, event: str = "m") -> dict[str, Any]:
    answer = await product.deliver(customer, ticket_id, delivery_id=f"{event}-{ticket_id}")
    return await product.ended(customer, answer.json()["execution_id"])


def looping(body: Mapping[str, Any]) -> Reply:
    turn = len(body["messages"])
    return Reply(tool_calls=(("update_ticket", {"priority": ("high", "low")[turn % 4 // 2]}),))


def many_at_once(_body: Mapping[str, Any]) -> Reply:
    return Reply(tool_calls=(("update_ticket", {"priority": "high"}),) * 30)


FAILURES: dict[str, Callable[[Mapping[str, Any]], Reply]] = {
    "refuses the key": lambda _: Reply(status=401, error={"message": "bad key sk-test"}),
    "has no such model": lambda _: Reply(status=404, error={"message": "model not found"}),
    "refuses the request": lambda _: Reply(status=400, error={"message": "content policy"}),
    "has no budget left": lambda _: Reply(status=400, error={"message": "Budget exceeded", "type": "budget_exceeded"}),
    "answers with nonsense": lambda _: Reply(content="I am a teapot."),
    "answers with a list": lambda _: Reply(raw=b"[1, 2]"),
    "answers with half a completion": lambda _: Reply(raw=b'{"choices": [{"message": 7}], "usage": {"x": []}}'),
    "asks to wait for an hour": lambda _: Reply(status=429, headers={"retry-after": "3600"}),
    "calls tools without end": looping,
    "calls thirty tools at once": many_at_once,
}


@pytest.mark.parametrize("script", FAILURES.values(), ids=FAILURES.keys())
async def test_a_model_that_fails_for_good_leaves_the_research_on_the_ticket(
    product: Product, tmp_path: Path, script: Callable[[Mapping[str, Any]], Reply]
) -> None:
    customer = await customer_with_history(product, tmp_path, tool_operations=MAY)
    await product.start_worker()
    product.model.script = script
    ticket_id = await product.desk.file_ticket()
    run = await run_on(product, customer, ticket_id)

    assert (run["status"], run["degraded"]) == ("completed", True), run
    assert run["degraded_reason"]
    [note] = await product.desk.notes(ticket_id)
    assert "Restart the VPN client" in note["body"]
    assert "without the language model" in note["body"]
    assert run["note"]["note_id"]
    assert "sk-test" not in str(run)
    assert len(product.model.chats) <= 25
    listed = (await customer.client.get("/api/v1/executions?degraded=true")).json()["items"]
    assert [one["id"] for one in listed] == [run["id"]]


async def test_a_slow_model_is_left_when_its_share_is_over_and_there_is_time_for_the_note(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "MODEL_SHARE", 0.02)
    monkeypatch.setattr(drafting, "LATE_SHARE", 0.02)
    customer = await customer_with_history(product, tmp_path)
    await product.start_worker(limits={"timeout": 60.0})
    product.model.script = lambda body: Reply(delay=600.0)
    ticket_id = await product.desk.file_ticket()
    run = await run_on(product, customer, ticket_id)
    assert (run["status"], run["degraded"]) == ("completed", True), run
    assert len(await product.desk.notes(ticket_id)) == 1


async def test_a_model_nobody_set_up_costs_no_note(product: Product, tmp_path: Path) -> None:
    customer = await customer_with_history(product, tmp_path, llm_config={"provider": "embedded", "model": "auto"})
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await run_on(product, customer, ticket_id)
    assert (run["status"], run["degraded"]) == ("completed", True), run
    assert "embedded" in run["degraded_reason"]
    assert len(await product.desk.notes(ticket_id)) == 1


async def test_a_desk_that_refuses_the_note_fails_the_run_whatever_the_model_does(
    product: Product, tmp_path: Path
) -> None:
    customer = await customer_with_history(product, tmp_path)
    await product.start_worker()
    product.model.script = FAILURES["refuses the key"]
    run = await run_on(product, customer, "999999999999999999")
    assert (run["status"], run["error_code"]) == ("failed", "desk-not-found")


async def test_when_the_model_is_back_the_next_event_brings_its_words(product: Product, tmp_path: Path) -> None:
    customer = await customer_with_history(product, tmp_path)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    product.model.script = FAILURES["refuses the key"]
    first = await run_on(product, customer, ticket_id, event="first")
    again = await run_on(product, customer, ticket_id, event="again")
    assert first["degraded"]
    assert again["same_as"] == {"execution_id": first["id"], "note_id": first["note"]["note_id"]}
    product.model.script = obliging
    last = await run_on(product, customer, ticket_id, event="last")
    assert (last["degraded"], last["same_as"]) == (False, None)
    assert "with the model" in last["note"]["markdown"].splitlines()[0]
    assert len(await product.desk.notes(ticket_id)) == 1


def execution(*, waited: float = 0.0, attempt: int = 1) -> Any:
    queued = datetime(2026, 1, 1, tzinfo=UTC)
    return SimpleNamespace(
        queued_at=queued, started_at=queued + timedelta(seconds=waited), attempt=attempt, max_attempts=15
    )


@pytest.mark.parametrize(
    ("run", "error", "took", "again"),
    [
        (execution(), ModelUnavailableError("down"), 0, True),
        (execution(waited=60, attempt=4), ModelUnavailableError("down"), 1, True),
        (execution(waited=85, attempt=5), ModelUnavailableError("down"), 1, False),
        (execution(waited=900), ModelUnavailableError("down"), 1, True),  # it waited in the queue, not for the model
        (execution(waited=900, attempt=3), ModelUnavailableError("down"), 1, False),
        (execution(), ModelRateLimitedError("slow down", retry_after=20.0), 1, True),
        (execution(), ModelRateLimitedError("slow down", retry_after=3600.0), 1, False),
        (execution(), ModelTimeoutError("its share was over"), 91, False),
        (execution(), ModelUnavailableError("down"), 89, True),
        (execution(), ModelAuthError("no"), 1, False),
        (execution(attempt=15), ModelUnavailableError("down"), 1, False),
    ],
)
def test_whether_a_model_is_worth_another_try(run: Any, error: Any, took: float, again: bool) -> None:
    share = Share.of(run, deadline=1000.0 + 120.0, timeout=120.0)
    assert share.allows_another_try(run, error, now=1000.0 + took) is again


@pytest.mark.parametrize(("waited", "seconds"), [(0, 90.0), (30, 60.0), (90, 30.0), (5000, 30.0)])
def test_the_share_counts_from_the_event_and_leaves_time_for_the_note(waited: float, seconds: float) -> None:
    share = Share.of(execution(waited=waited), deadline=1120.0, timeout=120.0)
    assert share.deadline - 1000.0 == seconds
