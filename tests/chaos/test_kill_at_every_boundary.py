"""``kill -9`` at every boundary of every step kind: each run finishes after a restart, its effects on the ticket once.

The simulator counts the effects, and the journal shows for each boundary whether the step was replayed, done again or
adopted; the table of boundaries and outcomes is shown in ``docs/explanation/durability.md``.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.product import Customer, Product

from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.simulators.models import Reply, obliging

pytestmark = pytest.mark.chaos

HISTORY = Path(__file__).parent.parent.parent / "src/deskhand/demo/data/resolved_tickets.jsonl"
STEP_BOUNDARIES = {
    "before-intent": {"statement": "begin_step", "when": "before"},
    "after-intent": {"statement": "begin_step", "when": "after"},
    "after-effect": {"statement": "end_step", "when": "before"},
    "after-result": {"statement": "end_step", "when": "after"},
}
RUN_BOUNDARIES = {
    "before-start": {"statement": "start_execution", "when": "before"},
    "after-start": {"statement": "start_execution", "when": "after"},
    "before-finish": {"statement": "finish_execution", "when": "before"},
    "after-finish": {"statement": "finish_execution", "when": "after"},
}


@dataclass(frozen=True)
class Killed:
    """One run whose worker was killed, and what became of it.

    Attributes:
        step: The journal's row of the step under test.
        notes: On its ticket, as the desk counts them.
        updates: The same of changes to fields.
    """

    execution: dict[str, Any]
    step: dict[str, Any]
    notes: int
    updates: int

    @property
    def replayed(self) -> bool:
        return bool(self.step["attempt"] == 1)

    @property
    def adopted(self) -> bool:
        return bool((self.step["output"] or {}).get("adopted"))


NewRun = Callable[[], Awaitable[tuple[str, str]]]  # ids of the execution and its ticket


async def kill_at_each(
    product: Product,
    worker_process: StartProcess,
    customer: Customer,
    boundaries: Mapping[str, Mapping[str, str]],
    step: str,
    new_run: NewRun,
) -> dict[str, Killed]:
    """A run for each boundary, its worker killed there; then one worker that finishes them all.

    The victims are too patient to take over each other's runs, so each run meets its own boundary alone.
    """
    runs: dict[str, tuple[str, str]] = {}
    for name, moment in boundaries.items():
        execution_id, ticket_id = runs[name] = await new_run()
        where = {} if boundaries is RUN_BOUNDARIES else {"step": step}
        victim = await worker_process(stale_after=60.0, **moment, **where, execution=execution_id)
        assert await victim.wait() == -signal.SIGKILL, name

    await product.start_worker(stale_after=STALE_AFTER)
    killed = {}
    for name, (execution_id, ticket_id) in runs.items():
        execution = await product.ended(customer, execution_id)
        assert execution["status"] == "completed", (name, execution)
        steps = [one for one in execution["steps"] if one["step_key"].startswith(step)]
        assert [one["state"] for one in steps] == ["finished"], (name, steps)
        effects = await product.desk.effects(ticket_id)
        killed[name] = Killed(execution, steps[0], effects["notes"], effects["updates"])
    return killed


def deliveries_of(product: Product, customer: Customer) -> NewRun:
    async def new_run() -> tuple[str, str]:
        ticket_id = await product.desk.file_ticket()
        answer = await product.deliver(customer, ticket_id, delivery_id=f"d-{ticket_id}")
        return str(answer.json()["execution_id"]), ticket_id

    return new_run


def scripted(body: Mapping[str, Any]) -> Reply:
    """A model that raises the ticket's priority before it answers."""
    asked = any(tool["function"]["name"] == "update_ticket" for tool in body.get("tools", []))
    told = any(message["role"] == "tool" for message in body["messages"])
    return Reply(tool_calls=(("update_ticket", {"priority": "high"}),)) if asked and not told else obliging(body)


@pytest.mark.parametrize("step", ["get_ticket", "model", "update_ticket", "add_note"])
async def test_killed_at_each_boundary_of_a_step_the_run_still_ends_once(
    product: Product, worker_process: StartProcess, step: str
) -> None:
    product.model.script = scripted
    may = ["get_ticket", "add_note", *(["update_ticket"] if step == "update_ticket" else [])]
    customer = await product.customer(tool_operations={product.desk.tool_type: may})
    await knowledge.import_tickets(product.db, customer.tenant_id, HISTORY, embedder=LexicalOnly())
    killed = await kill_at_each(
        product, worker_process, customer, STEP_BOUNDARIES, step, deliveries_of(product, customer)
    )

    assert {name: run.notes for name, run in killed.items()} == dict.fromkeys(STEP_BOUNDARIES, 1)
    assert {name for name, run in killed.items() if run.replayed} == {"after-result"}
    writes = step in ("add_note", "update_ticket")
    assert {name for name, run in killed.items() if run.adopted} == ({"after-effect"} if writes else set())
    # Found begun, a change of fields is made again; the plugin sees that they are set and sends nothing.
    assert {run.updates for run in killed.values()} == ({1} if step == "update_ticket" else {0})
    assert await product.count("SELECT count(*) FROM enhancement_history") == len(STEP_BOUNDARIES)


async def test_killed_around_a_note_on_the_ticket_that_its_own_is_a_part_of_there_is_one(
    product: Product, worker_process: StartProcess
) -> None:
    customer = await product.customer()
    children = []

    async def part() -> tuple[str, str]:
        whole = await product.desk.file_ticket("VPN is down for the branch")
        children.append(await product.desk.file_ticket(parent=whole))
        answer = await product.deliver(customer, children[-1], delivery_id=f"d-{children[-1]}")
        return str(answer.json()["execution_id"]), whole

    # Between the desk and the journal: what an earlier attempt did elsewhere is found where it did it.
    around = {"after-effect": STEP_BOUNDARIES["after-effect"]}
    killed = await kill_at_each(product, worker_process, customer, around, "add_note", part)
    assert [(run.notes, run.adopted) for run in killed.values()] == [(1, True)]
    assert [(await product.desk.effects(child))["notes"] for child in children] == [0]


async def test_killed_at_each_boundary_of_a_dry_run_nothing_reaches_the_ticket(
    product: Product, worker_process: StartProcess
) -> None:
    customer = await product.customer()
    original, ticket_id = await deliveries_of(product, customer)()
    await product.start_worker()
    assert (await product.ended(customer, original))["status"] == "completed"
    await product.stop_workers()

    async def replay() -> tuple[str, str]:
        answer = await customer.client.post(f"/api/v1/executions/{original}/replay", json={"mode": "dry_run"})
        assert answer.is_success, answer.text
        return str(answer.json()["id"]), ticket_id

    killed = await kill_at_each(product, worker_process, customer, STEP_BOUNDARIES, "add_note", replay)

    assert {run.step["kind"] for run in killed.values()} == {"compute"}
    assert {name for name, run in killed.items() if run.replayed} == {"after-result"}
    assert {run.notes for run in killed.values()} == {1}  # the original's


async def test_killed_around_its_start_and_its_finish_the_run_still_ends_once(
    product: Product, worker_process: StartProcess
) -> None:
    customer = await product.customer()
    killed = await kill_at_each(
        product, worker_process, customer, RUN_BOUNDARIES, "add_note", deliveries_of(product, customer)
    )

    assert {name: run.notes for name, run in killed.items()} == dict.fromkeys(RUN_BOUNDARIES, 1)
    assert {name for name, run in killed.items() if run.replayed} == {"before-start", "before-finish", "after-finish"}
    attempts = {name: run.execution["attempt"] for name, run in killed.items()}
    assert attempts == {"before-start": 1, "after-start": 2, "before-finish": 2, "after-finish": 1}
