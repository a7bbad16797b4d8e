"""Each write of the catalogue on each desk, its worker killed with -9 at a boundary of the write: it happens once.

Always: between the desk's answer and our journal, where it is in doubt; on two desks the writes that each settles in
its own way. With ``DESKHAND_HYPOTHESIS_PROFILE=long``: every write on every desk at all four boundaries. What was done
is counted at the simulators.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.chaos.test_kill_at_every_boundary import STEP_BOUNDARIES
from tests.support.desks import DESKS
from tests.support.product import Product
from tests.support.writes import TECHNICIAN, arguments, begin, made, writes_of

from deskhand.simulators.models import Reply, obliging

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

LONG = os.environ.get("DESKHAND_HYPOTHESIS_PROFILE") == "long"
BOUNDARIES = STEP_BOUNDARIES if LONG else {"after-effect": STEP_BOUNDARIES["after-effect"]}
WITH = DESKS if LONG else ["servicedesk_plus", "zendesk"]
OWN_WAYS = ("reply", "assign", "transition", "log_time", "create_ticket", "resolve")


@dataclass(frozen=True)
class Case:
    """One run: its write, and where its worker is killed."""

    operation: str
    boundary: str
    ticket_id: str
    execution_id: str

    @property
    def subject(self) -> str:
        """Of the ticket that it files, if it files one."""
        return f"New of {self.operation} at {self.boundary}"


def writing(tool_type: str) -> Callable[[Mapping[str, Any]], Reply]:
    """A model that makes the one call that the subject of its ticket names."""

    def script(body: Mapping[str, Any]) -> Reply:
        match = re.search(r"case (\w+) at ([\w-]+)", str(body["messages"]))
        assert match is not None
        if any(message["role"] == "tool" for message in body["messages"]):
            return obliging(body)
        args = arguments(tool_type, match[1], subject=f"New of {match[1]} at {match[2]}")
        return Reply(tool_calls=((match[1], args),))

    return script


@pytest.mark.parametrize("tool_type", WITH)
async def test_each_write_happens_once_wherever_its_worker_is_killed(
    product: Product, worker_process: StartProcess, tool_type: str
) -> None:
    desk = await product.open_desk(tool_type)
    desk.simulator.store.person(TECHNICIAN, is_agent=True)
    writes = [one.name for one in writes_of(tool_type) if LONG or one.name in OWN_WAYS]
    grants = {tool_type: ["get_ticket", *writes]}
    customer = await product.customer(desk=desk, tool_operations=grants, outcome={"kind": "none"})
    product.model.script = writing(tool_type)
    await product.set_limits(customer.tenant_id, concurrent_executions=50)
    cases = []
    for operation in writes:
        for boundary in BOUNDARIES:
            # One after the other: a victim takes what is in the queue, and must find nothing but its own run.
            case = Case(operation, boundary, *await begin(product, customer, f"case {operation} at {boundary}"))
            cases.append(case)
            where = {**BOUNDARIES[boundary], "step": f"{operation}:", "execution": case.execution_id}
            victim = await worker_process(stale_after=600.0, **where)
            assert await victim.wait() == -signal.SIGKILL, case

    await product.start_worker(stale_after=STALE_AFTER)
    for case in cases:
        run = await product.ended(customer, case.execution_id)
        # A desk that cannot be asked for what was made leaves the question to a person, and writes no second one.
        if run["status"] == "waiting":
            assert (run["error_code"], case.boundary) == ("in-doubt", "after-effect"), (case, run)
            answer = {"step_key": run["question"]["step_key"], "done": True}
            settled = await customer.client.post(f"/api/v1/executions/{case.execution_id}/answer", json=answer)
            assert settled.is_success, settled.text
            run = await product.ended(customer, case.execution_id)
        assert run["status"] == "completed", (case, run)
        assert await made(desk, case.operation, case.ticket_id, subject=case.subject) == 1, (case, run)
        written = [(step["name"], step["state"]) for step in run["steps"] if step["kind"] == "write"]
        assert written == [(case.operation, "finished")], (case, run)
