"""``kill -9`` at every boundary of every step kind: the run finishes after a restart and the ticket has one note.

The simulator counts the effects; the table of boundaries is the parametrisation below, and it is shown in
``docs/explanation/durability.md``.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.product import Product

from deskhand.knowledge import service as knowledge
from deskhand.knowledge.embedding import LexicalOnly

pytestmark = pytest.mark.chaos

HISTORY = Path(__file__).parent.parent.parent / "src/deskhand/demo/data/resolved_tickets.jsonl"
STEPS = ("get_ticket", "model", "add_note")
BOUNDARIES = {
    "before-intent": {"statement": "begin_step", "when": "before"},
    "after-intent": {"statement": "begin_step", "when": "after"},
    "after-effect": {"statement": "end_step", "when": "before"},
    "after-result": {"statement": "end_step", "when": "after"},
}
CASES = [
    pytest.param({**moment, "step": step}, id=f"{step}-{name}") for step in STEPS for name, moment in BOUNDARIES.items()
] + [
    pytest.param({"statement": "start_execution", "when": "after"}, id="run-after-start"),
    pytest.param({"statement": "finish_execution", "when": "before"}, id="run-before-finish"),
    pytest.param({"statement": "finish_execution", "when": "after"}, id="run-after-finish"),
]


@pytest.mark.parametrize("moment", CASES)
async def test_killed_there_the_run_still_ends_once(
    product: Product, worker_process: StartProcess, moment: dict[str, str]
) -> None:
    customer = await product.customer()
    await knowledge.import_tickets(product.db, customer.tenant_id, HISTORY, embedder=LexicalOnly())
    ticket_id = await product.desk.file_ticket()
    victim = await worker_process(**moment)
    answer = await product.deliver(customer, ticket_id)
    assert await victim.wait() == -signal.SIGKILL

    await product.start_worker(stale_after=STALE_AFTER)
    execution = await product.ended(customer, answer.json()["execution_id"])

    assert execution["status"] == "completed"
    effects = await product.desk.effects(ticket_id)
    assert effects["notes"] == 1
    finished = [step["name"] for step in execution["steps"] if step["state"] == "finished"]
    assert finished.count("add_note") == 1
    assert await product.count("SELECT count(*) FROM enhancement_history") == 1
