"""A write whose worker was killed before the journal had its answer, and a run that then ends without meeting it again.

However it ends, the write is looked for at the desk by its mark, or the run says that nobody knows. What the desk was
asked to do is counted at the simulators: it is never done twice.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.chaos.conftest import STALE_AFTER, StartProcess
from tests.chaos.test_kill_at_every_boundary import STEP_BOUNDARIES
from tests.support.mail import Mailbox, running_mailbox
from tests.support.product import Customer, Product
from tests.support.writes import begin

from deskhand.simulators.models import Reply, obliging
from deskhand.work import drafting

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

CALLS: dict[str, dict[str, Any]] = {
    "reply": {"body": "A reply."},
    "update_ticket": {"priority": "high"},
    "email_send": {"to": ["leads@acme.test"], "subject": "A mail", "body": "It says this."},
}
NO_HELP = {
    "silent": Reply(delay=4.0),
    "refused": Reply(status=401, error={"message": "Wrong key."}),
    "costly": Reply(content="{}", headers={"x-litellm-response-cost": "5"}),
}
"""What the model says at its next call, after which the run goes on without it."""


@dataclass
class Case:
    """One run: its write, where its worker is killed, what ends it, and what is to come of the write."""

    call: str
    ending: str
    status: str
    state: str
    boundary: str = "after-effect"
    times: int = 1
    ticket_id: str = field(default="", init=False)
    run_id: str = field(default="", init=False)

    @property
    def step(self) -> str:
        return "send_mail" if self.call == "email_send" else self.call


ZENDESK = [
    *(Case("reply", ending, "completed", "finished") for ending in NO_HELP),
    Case("reply", "solved", "completed", "finished"),
    Case("reply", "solved", "completed", "failed", boundary="after-intent", times=0),
    Case("update_ticket", "solved", "completed", "finished"),
    # No server can be asked whether it has a mail, so a person is.
    Case("email_send", "solved", "waiting", "in_doubt"),
    Case("reply", "cancelled", "cancelled", "in_doubt"),
]
PAUSED = [Case(call, "paused", "cancelled", "in_doubt") for call in ("reply", "update_ticket")]


def script(body: Mapping[str, Any]) -> Reply:
    """A model that makes the call that its ticket names, and is then no help."""
    match = re.search(r"case (\w+) (\w+)", str(body["messages"]))
    assert match is not None
    if any(message["role"] == "tool" for message in body["messages"]):
        return NO_HELP.get(match[2]) or obliging(body)
    return Reply(tool_calls=((match[1], CALLS[match[1]]),))


async def kill_each(product: Product, worker_process: StartProcess, customer: Customer, cases: list[Case]) -> None:
    """File a ticket for each case and kill its worker at the boundary; nothing that happens later starts a run."""
    assert customer.desk is not None
    await product.set_limits(customer.tenant_id, concurrent_executions=50)
    for case in cases:
        # One after the other: a victim takes what is in the queue, and must find nothing but its own run.
        case.ticket_id, case.run_id = await begin(product, customer, f"case {case.call} {case.ending}")
        moment = {**STEP_BOUNDARIES[case.boundary], "step": f"{case.step}:", "execution": case.run_id}
        victim = await worker_process(stale_after=600.0, **moment)
        assert await victim.wait() == -signal.SIGKILL, case


async def ended(product: Product, customer: Customer, case: Case, mailbox: Mailbox | None = None) -> dict[str, Any]:
    """The run, once it has ended as it should, with its write made as often as it should."""
    assert customer.desk is not None
    run = await product.ended(customer, case.run_id)
    writes = {step["name"]: step["state"] for step in run["steps"] if step["kind"] == "write"}
    assert (run["status"], writes[case.step]) == (case.status, case.state), (case, run)
    assert "started" not in {step["state"] for step in run["steps"]}, (case, run)
    effects = await customer.desk.effects(case.ticket_id)
    made = {
        # The run's own note is one of the notes.
        "reply": effects["notes"] - (writes.get("add_note") == "finished"),
        # Whoever solved it changed fields as well.
        "update_ticket": effects["updates"] - (case.ending == "solved"),
        "email_send": len(mailbox.mails) if mailbox else 0,
    }[case.call]
    assert made == case.times, (case, run)
    mark = next(step["mark"] for step in run["steps"] if step["name"] == case.step)
    # Of what nobody knows, the run says by which mark it is to be looked for.
    assert (mark in (run["error_message"] or "")) == (case.state == "in_doubt"), (case, run)
    return run


async def test_however_the_run_goes_on_no_write_is_left_open(
    product: Product, worker_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "MODEL_SHARE", 0.0)
    monkeypatch.setattr(drafting, "LATE_SHARE", 0.05)
    product.model.script = script
    zendesk = await product.open_desk("zendesk")
    grants = {"zendesk": ["get_ticket", "add_note", "reply", "update_ticket"], "email": ["send"]}
    async with running_mailbox() as mailbox:
        customer = await product.customer(desk=zendesk, tool_operations=grants, tool_ids=list(grants), active=False)
        platform = await product.platform()
        extras = {**zendesk.tenant()["connection_extras"], "email": mailbox.settings("acme.test")}
        changed = await platform.patch("/api/v1/tenants/acme", json={"connection_extras": extras})
        assert changed.is_success, changed.text
        assert (await customer.client.post(f"/api/v1/agents/{customer.agent_id}/activate")).is_success
        await kill_each(product, worker_process, customer, ZENDESK)
        simulator = zendesk.simulator
        technician = simulator.store.person("ines@desk.test", is_agent=True)
        for case in ZENDESK:
            if case.ending == "solved":
                ticket = simulator.store.tickets[case.ticket_id]
                simulator.change(ticket, simulator.closing_fields("solved"), by=technician)
            if case.ending == "cancelled":
                assert (await customer.client.post(f"/api/v1/executions/{case.run_id}/cancel")).is_success

        await product.start_worker(stale_after=STALE_AFTER)
        runs = {f"{case.call} {case.ending}": await ended(product, customer, case, mailbox) for case in ZENDESK}

        asked = runs["email_send solved"]
        assert asked["error_code"] == "in-doubt"
        answer = {"step_key": asked["question"]["step_key"], "done": True}
        settled = await customer.client.post(f"/api/v1/executions/{asked['id']}/answer", json=answer)
        assert settled.is_success, settled.text
        told = await product.ended(customer, asked["id"])
        assert (told["status"], told["not_written"] is not None) == ("completed", True), told
        assert len(mailbox.mails) == 1

        # One that ended asks the same, and stays ended: its write was found by a person.
        stopped = runs["reply cancelled"]
        answer = {"step_key": stopped["question"]["step_key"], "done": True}
        settled = await customer.client.post(f"/api/v1/executions/{stopped['id']}/answer", json=answer)
        assert settled.is_success, settled.text
        told = (await customer.client.get(f"/api/v1/executions/{stopped['id']}")).json()
        assert (told["status"], told["question"]) == ("cancelled", None)
        assert stopped["question"]["mark"] not in (told["error_message"] or "")


async def test_an_agent_that_is_paused_leaves_its_doubts_on_its_runs_and_settles_them_when_they_are_retried(
    product: Product, worker_process: StartProcess
) -> None:
    product.model.script = script
    grants = {"servicedesk_plus": ["get_ticket", "add_note", "reply", "update_ticket"]}
    customer = await product.customer(tool_operations=grants)
    await kill_each(product, worker_process, customer, PAUSED)
    agent = f"/api/v1/agents/{customer.agent_id}"
    assert (await customer.client.post(f"{agent}/suspend")).is_success
    await product.start_worker(stale_after=STALE_AFTER)
    for case in PAUSED:
        assert (await ended(product, customer, case))["error_code"] == "agent-not-active"

    assert (await customer.client.post(f"{agent}/activate")).is_success
    for case in PAUSED:
        assert (await customer.client.post(f"/api/v1/executions/{case.run_id}/retry")).is_success
        case.status, case.state = "completed", "finished"
        await ended(product, customer, case)
