"""``kill -9`` of the worker in the middle of an undo: each write is undone once, and nothing is left in doubt."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.support.product import Product
from tests.support.undo import NOTE, Wrecked, preview, state_of, undo, wreck

pytestmark = pytest.mark.chaos

BOUNDARIES = {
    "before-look": {"statement": "begin_step", "when": "before", "step": "look_again:"},
    "after-look": {"statement": "end_step", "when": "after", "step": "look_again:"},
    "after-intent": {"statement": "begin_step", "when": "after", "step": "undo:"},
    "after-effect": {"statement": "end_step", "when": "before", "step": "undo:"},
    "after-effect-of-note": {"statement": "end_step", "when": "before", "step": "undo:1"},
    "after-last-effect": {"statement": "end_step", "when": "before", "step": "undo:{last}"},
    "in-audit": {"statement": "INSERT INTO audit_log"},
    "at-end": {"statement": "finish_execution", "when": "before"},
}


async def effects(one: Wrecked) -> dict[str, Any]:
    counted = await one.desk.effects(one.ticket_id)
    return {name: counted[name] for name in ("notes", "updates", "removed")}


# On Zendesk the link is a field, and goes back with the others.
@pytest.mark.parametrize(("tool", "last"), [("servicedesk_plus", 2), ("zendesk", 1)])
async def test_killed_at_each_boundary_of_an_undo_each_write_is_undone_once(
    product: Product, worker_process: StartProcess, tool: str, last: int
) -> None:
    control = await wreck(product, tool, tenant="control")
    assert (await undo(product, control))["status"] == "completed"
    expected = await effects(control)
    for name, moment in BOUNDARIES.items():
        one = await wreck(product, tool, tenant=name)
        await product.stop_workers()
        seen = await preview(one)
        at = {key: value.format(last=last) for key, value in moment.items()}
        victim = await worker_process(stale_after=60.0, **at)
        answer = await one.customer.client.post(one.path, json={"digest": seen["digest"]})
        assert await victim.wait() == -signal.SIGKILL, name
        await product.start_worker(stale_after=STALE_AFTER)
        ended = await product.ended(one.customer, answer.json()["execution_id"])
        assert ended["status"] == "completed", (name, ended["error_message"])
        assert all(item["done"] for item in ended["undo"]["items"]), (name, ended["undo"])
        assert await effects(one) == expected, name
        state = state_of(one.ticket)
        assert state == {**one.before, "status": state_of(control.ticket)["status"]}, name
        corrections = [note.body for note in one.ticket.notes if NOTE not in note.body]
        assert len(corrections) == (0 if tool == "servicedesk_plus" else 1), name
        assert {step["state"] for step in ended["steps"]} == {"finished"}, name
