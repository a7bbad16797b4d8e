"""The desk reports our write and names nobody, and our journal does not know yet: nothing is written a second time."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.chaos.test_kill_at_every_boundary import STEP_BOUNDARIES
from tests.support.product import Customer, Product, until
from tests.support.writes import run_of_event

from deskhand.simulators.models import Reply, obliging
from deskhand.work.executor import OWN_WRITE

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

GRANTS = {"servicedesk_plus": ["get_ticket", "add_note", "update_ticket"]}
NUMBERS = count(1)


def noting(body: Mapping[str, Any]) -> Reply:
    """A model that writes two notes and sets a field at once; never the same words, so that nothing looks repeated."""
    if any(message["role"] == "tool" for message in body["messages"]):
        return obliging(body)
    notes = [("add_note", {"body": f"Note {next(NUMBERS)}."}) for _ in range(2)]
    return Reply(tool_calls=(notes[0], ("update_ticket", {"priority": "high"}), notes[1]))


async def runs(customer: Customer) -> list[dict[str, Any]]:
    return list((await customer.client.get("/api/v1/executions")).json()["items"])


async def connected(product: Product) -> Customer:
    """A tenant that has not said which account of the desk is ours."""
    product.model.script = noting
    customer = await product.customer(tool_operations=GRANTS, outcome={"kind": "none"})
    await product.point_desk_at(customer)
    return customer


async def told(product: Product, times: int) -> None:
    """The desk has told so many events and has an answer to each."""

    async def answered() -> bool:
        deliveries = (await product.desk.webhooks())["deliveries"]
        return len(deliveries) >= times and all(one["done"] for one in deliveries)

    await until(answered)


async def test_many_quick_writes_start_nothing(product: Product) -> None:
    customer = await connected(product)
    await product.start_worker()
    ticket_id = await product.desk.file_ticket()
    run = await product.ended(customer, await run_of_event(customer, ticket_id))
    assert run["status"] == "completed", run
    await told(product, 1 + 3)
    assert len(await runs(customer)) == 1
    assert (await product.desk.effects(ticket_id))["notes"] == 2


async def test_the_event_of_a_write_whose_worker_died_starts_a_run_that_writes_nothing(
    product: Product, worker_process: StartProcess
) -> None:
    customer = await connected(product)
    ticket_id = await product.desk.file_ticket()
    first = await run_of_event(customer, ticket_id)
    moment = {**STEP_BOUNDARIES["after-effect"], "step": "add_note:", "execution": first}
    victim = await worker_process(stale_after=60.0, **moment)
    assert await victim.wait() == -signal.SIGKILL
    await told(product, 1 + 1)
    # In doubt it runs: the event could have been a person's.
    second = next(run["id"] for run in await runs(customer) if run["id"] != first)

    await product.start_worker(stale_after=STALE_AFTER)
    assert (await product.ended(customer, first))["status"] == "completed"
    run = await product.ended(customer, second)
    assert (run["status"], run["not_written"]) == ("completed", OWN_WRITE), run
    assert (await product.desk.effects(ticket_id))["notes"] == 2
