"""A trial of one note, on each of the four desks: what it finds where a rule is set, and nothing where none is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from tests.support.api import Api
from tests.support.desks import DESKS, Desk, new_simulator

from deskhand.audit.models import AuditLog
from deskhand.simulators.base import Fault
from deskhand.simulators.base.rules import NoteRules, SimMail
from deskhand.simulators.base.server import run_in_process
from deskhand.simulators.base.state import SimTicket

KEY = "the-first-trial"
STATUSES = {"servicedesk_plus": "Onhold", "jira": "Waiting for customer", "zendesk": "pending", "servicenow": "On Hold"}
RULES = {
    "publish": NoteRules(publish=True),
    "mail": NoteRules(mail_requester=True),
    "answer": NoteRules(answer=True),
    "assign": NoteRules(assign_author=True),
}
NOTHING = {
    **{"visibility": "ok", "mail": "ok", "first_response": "ok"},
    **{"status": "ok", "assignee": "ok", "clocks": "ok"},
}
SILENT = {"jira": {"mail": "untold"}}
"""What a desk does not tell."""
SEEN: dict[str, dict[str, str]] = {
    "publish": {"visibility": "refused", "mail": "refused", "first_response": "warning", "clocks": "warning"},
    "mail": {"mail": "refused"},
    "answer": {"first_response": "warning", "clocks": "warning"},
    "assign": {"assignee": "warning"},
    "status": {"status": "warning", "clocks": "warning"},
}


@dataclass
class Trial:
    """A tenant with one desk, and its administrator."""

    api: Api
    desk: Desk
    admin: httpx2.AsyncClient

    @property
    def path(self) -> str:
        return f"/api/v1/tenants/acme/connections/{self.desk.tool_type}/note-trial"

    async def tried(self, ticket: str, key: str = KEY, *, status: int = 200) -> dict[str, Any]:
        answer = await self.admin.post(self.path, json={"ticket": ticket, "key": key})
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    async def ticket(self) -> SimTicket:
        return self.desk.simulator.store.tickets[await self.desk.file_ticket()]

    async def log(self) -> list[AuditLog]:
        async with self.api.db.tenant_session("acme") as session:
            rows = await session.scalars(select(AuditLog).order_by(AuditLog.sequence))
            return [row for row in rows if row.operation.startswith("connection.")]


@contextlib.asynccontextmanager
async def on_desk(api: Api, tool_type: str) -> AsyncIterator[Trial]:
    simulator = new_simulator(tool_type)
    async with run_in_process(simulator.build()) as server, httpx2.AsyncClient(base_url=server.url) as client:
        desk = Desk(simulator, server, client)
        yield Trial(api, desk, await api.tenant(**desk.tenant()))


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {one["effect"]: one["verdict"] for one in found["findings"]}


@pytest.mark.parametrize("tool_type", DESKS)
async def test_each_rule_is_found_and_where_there_is_none_nothing_is(api: Api, tool_type: str) -> None:
    async with on_desk(api, tool_type) as trial:
        rules = {**RULES, "status": NoteRules(status=STATUSES[tool_type])}
        store, expected = trial.desk.simulator.store, {**NOTHING, **SILENT.get(tool_type, {})}
        # No desk is new: an account that is shown no mail at all is told nothing of any.
        (await trial.ticket()).mails.append(SimMail("1", "bob@acme.test", "Opened", store.clock()))
        ticket = await trial.ticket()
        found = await trial.tried(ticket.display_id if tool_type != "zendesk" else ticket.id)
        assert (found["state"], found["verdict"], verdicts(found)) == ("done", "ok", expected)
        assert [one["setting"] for one in found["findings"]] == [None] * len(found["findings"])
        (note,) = ticket.notes
        assert (note.public, note.author, "tries out this desk" in note.body) == (False, store.bot, True)
        for number, (name, rule) in enumerate(rules.items()):
            store.rules = rule
            found = await trial.tried((await trial.ticket()).id, f"trial-number-{number}")
            seen = {effect: verdict for effect, verdict in verdicts(found).items() if verdict != expected[effect]}
            told = {effect: verdict for effect, verdict in SEEN[name].items() if expected[effect] != "untold"}
            assert (name, seen) == (name, told)
            settings = {one["effect"]: one["setting"] for one in found["findings"] if one["setting"]}
            assert set(settings) == set(told), name
            assert found["verdict"] == ("refused" if "refused" in told.values() else "warning" if told else "ok"), name
            assert (await trial.admin.get(trial.path)).json() == found


async def test_the_same_key_writes_no_second_note_and_reads_again(api: Api) -> None:
    async with on_desk(api, "servicedesk_plus") as trial:
        ticket = await trial.ticket()
        first = await trial.tried(ticket.display_id)
        # A rule that takes its time: the mail leaves after the note was read.
        trial.desk.simulator.store.rules = NoteRules(publish=True)
        ticket.notes[0].public = True
        again = await trial.tried(ticket.id)
        assert (first["verdict"], again["verdict"], len(ticket.notes)) == ("ok", "refused", 1)
        assert again["note_id"] == first["note_id"]
        assert (await trial.tried(ticket.id, "another-trial"))["note_id"] != first["note_id"]
        assert len(ticket.notes) == 2
        log = [(row.operation, row.details["ticket"]) for row in await trial.log()]
        pair = [("connection.try_note", ticket.display_id), ("connection.read_note_trial", ticket.display_id)]
        assert log == pair * 3


@pytest.mark.parametrize("tool_type", DESKS)
async def test_a_note_whose_answer_was_lost_is_found_by_its_mark(api: Api, tool_type: str) -> None:
    async with on_desk(api, tool_type) as trial:
        ticket = await trial.ticket()
        trial.desk.simulator.store.rules = NoteRules(assign_author=True)
        verb = {"servicedesk_plus": "POST", "jira": "POST", "zendesk": "PUT", "servicenow": "PATCH"}[tool_type]
        trial.desk.simulator.faults.add(Fault(kind="outage", method=verb, after_effect=True))
        broken = await trial.admin.post(trial.path, json={"ticket": ticket.id, "key": KEY})
        assert (broken.status_code >= 500, len(ticket.notes)) == (True, 1)
        shown = (await trial.admin.get(trial.path)).json()
        assert (shown["state"], shown["verdict"], bool(shown["detail"])) == ("broken", None, True)
        trial.desk.simulator.faults.clear()
        found = await trial.tried(ticket.id)
        assert (found["state"], len(ticket.notes)) == ("done", 1)
        # Compared with the ticket as it was before the note, and not as the second try met it.
        assert verdicts(found)["assignee"] == "warning"


async def test_what_cannot_be_tried_is_said_and_nothing_is_written(api: Api) -> None:
    async with on_desk(api, "servicedesk_plus") as trial:
        untried = await trial.admin.get(trial.path)
        assert (untried.status_code, untried.json()) == (200, None)
        absent = await trial.tried("999999", status=422)
        assert absent["errors"][0]["pointer"] == "/ticket"
        ticket = await trial.ticket()
        ticket.status, ticket.resolved_at = "Closed", ticket.created_at
        assert "closed" in (await trial.tried(ticket.id, status=422))["detail"]
        rule = {"boundaries": [{"name": "HR", "group": ["Service Desk"]}]}
        answer = await trial.admin.patch("/api/v1/tenants/acme", json={"enhancement_preferences": rule})
        assert answer.status_code == 200, answer.text
        open_ticket = await trial.ticket()
        assert "nothing was written" in (await trial.tried(open_ticket.id, status=409))["detail"]
        assert ticket.notes + open_ticket.notes == []
        operator = await api.member("acme", "operator")
        assert (await operator.post(trial.path, json={"ticket": "1"})).status_code == 403


async def test_two_clicks_at_one_moment_write_one_note(api: Api) -> None:
    async with on_desk(api, "servicedesk_plus") as trial:
        ticket = await trial.ticket()
        body = {"ticket": ticket.id, "key": KEY}
        answers = await asyncio.gather(*(trial.admin.post(trial.path, json=body) for _ in range(3)))
        assert len(ticket.notes) == 1
        assert {answer.status_code for answer in answers} <= {200, 409}


async def test_another_host_has_not_been_tried(api: Api) -> None:
    async with on_desk(api, "servicedesk_plus") as trial:
        await trial.tried((await trial.ticket()).id)
        same = await trial.admin.patch("/api/v1/tenants/acme", json={"name": "Acme again"})
        assert (same.status_code, (await trial.admin.get(trial.path)).json()["verdict"]) == (200, "ok")
        moved = {"servicedesk_url": "https://elsewhere.example.com", "servicedesk_api_key": "another-key-of-acme"}
        assert (await trial.admin.patch("/api/v1/tenants/acme", json=moved)).status_code == 200
        assert (await trial.admin.get(trial.path)).json() is None
