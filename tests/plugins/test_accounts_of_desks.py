"""A connection with a person's key is told from one with an account of its own, where the desk tells."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.knowledge.desks import solving_desk
from tests.support.desks import DESKS

from deskhand.plugins.accounts import number_of, warnings_about
from deskhand.plugins.errors import DeskUnavailableError
from deskhand.plugins.jira.account import warnings as of_jira
from deskhand.plugins.servicedesk_plus.desk import WHOSE_KEY
from deskhand.plugins.servicenow.account import TECHNICAL
from deskhand.plugins.servicenow.account import warnings as of_servicenow
from deskhand.plugins.zendesk.account import warnings as of_zendesk

TELLING = [tool for tool in DESKS if tool != "servicedesk_plus"]


@pytest.mark.parametrize("tool", DESKS)
async def test_an_account_of_its_own_is_warned_of_nowhere(tool: str) -> None:
    async with solving_desk(tool) as desk:
        report = await desk.plugin.test_connection()
    assert (report.ok, report.warnings) == (True, ()), report.checks
    assert (WHOSE_KEY in report.checks) is (tool == "servicedesk_plus")


@pytest.mark.parametrize("tool", TELLING)
async def test_open_tickets_of_our_account_are_a_persons(tool: str) -> None:
    async with solving_desk(tool) as desk:
        sim, bot = desk.simulator, desk.simulator.store.bot
        bot.signs_in = True
        for subject in ("VPN drops", "Printer jams"):
            sim.change(sim.store.tickets[desk.file(subject)], {"assignee": bot}, by=bot)
        solved = sim.store.tickets[desk.solve("Solved already")]
        sim.change(solved, {"assignee": bot}, by=bot)
        report = await desk.plugin.test_connection()
    assert report.ok, report.checks
    (said,) = report.warnings
    assert "looks like a person's account: 2 open tickets are assigned to it" in said
    assert ("somebody signed in with it on" in said) is (tool == "zendesk")
    assert "Give Deskhand an account of its own" in said


async def test_an_account_that_the_instance_marks_as_technical_is_no_persons() -> None:
    async with solving_desk("servicenow") as desk:
        sim, bot = desk.simulator, desk.simulator.store.bot
        sim.change(sim.store.tickets[desk.file("VPN drops")], {"assignee": bot}, by=bot)
        assert (await desk.plugin.test_connection()).warnings == ()


def test_one_ticket_is_one_and_nothing_is_nothing() -> None:
    assert warnings_about("bot") == ()
    assert "1 open ticket is assigned to it." in warnings_about("bot", open_tickets=1)[0]


async def test_a_desk_that_does_not_say_how_many_is_taken_to_have_none() -> None:
    async def away() -> int:
        raise DeskUnavailableError("away")

    assert await number_of(away()) == 0


class _Silent:
    """A desk that answers no question about an account."""

    async def get(self, *_: object) -> Any:
        raise DeskUnavailableError("away")

    write = page = get


async def test_what_a_program_signs_in_with_is_asked_nothing_about() -> None:
    nobody = cast(Any, None)
    assert await of_jira(nobody, {"accountType": "app", "accountId": "712020:1"}, "HELP") == ()
    assert await of_jira(nobody, {}, "HELP") == ()
    for name in TECHNICAL:
        assert await of_servicenow(nobody, nobody, {name: {"value": "true"}}) == ()
    assert await of_servicenow(nobody, nobody, {"sys_id": {"value": "odd"}}) == ()


async def test_a_desk_that_does_not_answer_is_told_of_by_what_it_said_before() -> None:
    silent = cast(Any, _Silent())
    assert await of_jira(silent, {"accountType": "atlassian", "accountId": "712020:1"}, "HELP") == ()
    assert await of_zendesk(silent, {"id": 7, "name": "Ines"}) == ()
    (said,) = await of_zendesk(silent, {"id": 7, "name": "Ines", "last_login_at": "2026-11-01T09:00:00Z"})
    assert said.startswith("'Ines' looks like a person's account: somebody signed in with it on 2026-11-01.")
