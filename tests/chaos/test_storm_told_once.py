"""``kill -9`` while a storm is recognised and spoken of: it is recognised once, noted once and told of once."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.flows.test_outage import SAID, STORM_NOTE, all_ended, customer_of, file, written
from tests.support.product import Product

pytestmark = pytest.mark.chaos

MOMENTS: dict[str, dict[str, Any]] = {
    "as it is recognised": {"statement": "INSERT INTO ticket_storms"},
    "before its note": {"statement": "begin_step", "when": "before", "step": "add_note:storm"},
    "after its note": {"statement": "end_step", "when": "before", "step": "add_note:storm"},
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_storm_is_told_of_once_whoever_dies_over_it(
    product: Product, worker_process: StartProcess, moment: str
) -> None:
    customer = await customer_of(product, least=3)
    tickets = [await file(product, customer, SAID[0], requester=f"p{number}@acme.test") for number in range(6)]
    victim = await worker_process(stale_after=60.0, concurrency=1, **MOMENTS[moment])
    assert await victim.wait() == -signal.SIGKILL
    await product.start_worker(stale_after=STALE_AFTER)
    await all_ended(product, 6)
    tickets.append(await file(product, customer, SAID[1], requester="late@acme.test"))
    await all_ended(product, 7)
    notes = [body for said in written(product, tickets).values() for body in said]
    assert sum(STORM_NOTE in body for body in notes) == 1
    # A run that died beside the sixth one, before it wrote its own, finds the storm when it is taken up.
    assert len(notes) in (5, 6)
    assert await product.count("SELECT tickets FROM ticket_storms") == 7
    assert await product.count("SELECT count(*) FROM notification_facts WHERE kind = 'storm'") == 1
    assert await product.count("SELECT count(*) FROM agent_executions WHERE status <> 'completed'") == 0
