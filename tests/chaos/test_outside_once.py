"""A worker is killed between an effect outside and our journal: it is repeated under one id, or a person is asked."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.outside import OPERATIONS, arguments, outside_customer, reached, trying
from tests.support.product import Product

from deskhand.simulators.outside import OutsideSimulator
from deskhand.tools.values import Doubt

pytestmark = pytest.mark.chaos
WRITES = {f"{tool.tool_id}_{one.name}": (tool, one) for tool, one in OPERATIONS if one.is_write}


@pytest.fixture
async def simulator() -> AsyncIterator[OutsideSimulator]:
    async with OutsideSimulator() as running:
        yield running


@pytest.mark.parametrize("name", WRITES)
async def test_killed_between_the_effect_and_our_journal(
    product: Product, simulator: OutsideSimulator, worker_process: StartProcess, name: str
) -> None:
    tool, operation = WRITES[name]
    customer = await outside_customer(product, simulator, {tool.tool_id: [operation.name]})
    product.model.script = trying((name, arguments(tool, operation, simulator)))
    accepted = await product.deliver(customer, await product.desk.file_ticket())
    run_id = accepted.json()["execution_id"]
    victim = await worker_process(stale_after=60.0, statement="end_step", when="before", step=name, execution=run_id)
    assert await victim.wait() == -signal.SIGKILL
    assert reached(simulator) == {f"{tool.tool_id}/{operation.name}": 1}

    await product.start_worker(stale_after=STALE_AFTER)
    run = await product.ended(customer, run_id)
    if operation.doubt is Doubt.PERSON:
        assert (run["status"], run["error_code"]) == ("waiting", "in-doubt"), run
        assert "was it done?" in run["error_message"]
        settled = await customer.client.post(
            f"/api/v1/executions/{run_id}/answer", json={"step_key": run["question"]["step_key"], "done": True}
        )
        assert settled.is_success, settled.text
        run = await product.ended(customer, run_id)
    assert (run["status"], run["output_result"]["degraded"]) == ("completed", False), run

    times = 1 if operation.doubt is Doubt.PERSON else 2
    assert reached(simulator) == {f"{tool.tool_id}/{operation.name}": times}
    # What is repeated is repeated under one id, by which the other side drops the double.
    if tool.tool_id == "webhook":
        assert list(simulator.times().values()) == [2]
    if tool.tool_id == "http":
        assert len({call["headers"]["idempotency-key"] for call in simulator.calls}) == 1
