"""What a work log is on each desk's wire, beyond what the contract of all of them says."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.knowledge.desks import solving_desk

from deskhand.llm.loop import ToolInputError
from deskhand.plugins.errors import DeskPermissionError, DeskValidationError
from deskhand.plugins.jira import worklogs as of_jira
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.worklogs import work_log_body
from deskhand.plugins.servicenow.worklogs import TABLE
from deskhand.simulators.jira.simulator import JiraSimulator
from deskhand.simulators.servicenow import worklogs as simulated
from deskhand.simulators.servicenow.simulator import ServiceNowSimulator
from deskhand.simulators.testing.failures import WORK
from deskhand.tools.desk import as_granted, provider_of
from deskhand.work.logging_time import log_time

CLOUD = {"servicedesk_dialect": "cloud", "servicedesk_client_id": "1000.X", "servicedesk_client_secret": "s"}
OWN = {"servicedesk_bot_email": "bot@desk.test"}


def config(**more: Any) -> ServiceDeskPlusConfig:
    wanted = {"servicedesk_url": "https://desk.test", "servicedesk_api_key": "k", **more}
    return ServiceDeskPlusConfig.model_validate(wanted)


@pytest.mark.parametrize(
    ("connection", "costs"),
    [(OWN, ("owner_cost", "other_cost")), ({**CLOUD, **OWN}, ("tech_charge", "other_charge"))],
)
def test_a_client_is_charged_nothing_unless_a_person_said_so(
    connection: dict[str, str], costs: tuple[str, ...]
) -> None:
    body = work_log_body(WORK, config(**connection))
    assert {name: body[name] for name in costs} == dict.fromkeys(costs, "0")
    assert body["time_spent"] == {"hours": "1", "minutes": "35"}
    assert (body["owner"], body["mark_first_response"]) == ({"email_id": "bot@desk.test"}, False)
    assert not {*costs} & set(work_log_body(replace(WORK, billable=True), config(**connection)))


def test_the_cloud_asks_whose_it_is_and_the_setting_is_named() -> None:
    assert "owner" not in work_log_body(WORK, config())
    with pytest.raises(DeskValidationError, match="servicedesk_bot_email"):
        work_log_body(WORK, config(**CLOUD))


async def test_jira_mails_nobody_and_leaves_the_estimate() -> None:
    async with solving_desk("jira") as desk:
        sim = desk.simulator
        assert isinstance(sim, JiraSimulator)
        ticket = sim.store.tickets[desk.file("Printer jams")]
        ticket.custom["estimate"] = 7200
        receipt = await desk.plugin.log_time(ticket.id, WORK)
        assert (ticket.mails, ticket.custom["estimate"]) == ([], 7200)
        # What the desk then tells of the ticket is of our own write: it bears the stamp of the receipt.
        assert receipt.revision == (await desk.plugin.get_ticket(ticket.id)).revision
        (entry,) = sim.history[ticket.id]
        assert [item["field"] for item in entry["items"]] == ["timespent"]


async def test_a_work_log_of_jira_is_found_on_whichever_page_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_jira, "PAGE", 2)
    async with solving_desk("jira") as desk:
        ticket_id = desk.file("Printer jams")
        marks = [f"dh-{number:020x}" for number in range(5)]
        made = [await desk.plugin.log_time(ticket_id, replace(WORK, mark=mark)) for mark in marks]
        found = [await desk.plugin.find_time(ticket_id, mark) for mark in marks]
        assert [one.id for one in found if one] == [one.id for one in made]


async def test_a_row_that_did_not_take_its_time_is_told_of_and_one_that_may_not_be_made_as_well() -> None:
    async with solving_desk("servicenow") as desk:
        sim = desk.simulator
        assert isinstance(sim, ServiceNowSimulator)
        ticket_id = desk.file("Printer jams")
        sim.access.read_only.add("time_in_seconds")
        with pytest.raises(DeskValidationError, match="took not its time"):
            await desk.plugin.log_time(ticket_id, WORK)
        assert simulated.TABLE == TABLE
        sim.access.closed_tables.add(TABLE)
        with pytest.raises(DeskPermissionError):
            await desk.plugin.log_time(ticket_id, replace(WORK, mark=""))


@pytest.mark.parametrize(
    ("tool", "offered"),
    [
        ("servicedesk_plus", {"ticket_id", "text", "minutes", "billable"}),
        ("jira", {"ticket_id", "text", "minutes"}),
        ("servicenow", {"ticket_id", "text", "minutes"}),
    ],
)
async def test_minutes_and_a_charge_are_offered_where_somebody_approves_and_the_desk_tells(
    tool: str, offered: set[str]
) -> None:
    async with solving_desk(tool) as desk:
        operation = provider_of(desk.plugin.manifest).operation("log_time")
    assert operation is not None
    assert set(as_granted(operation, asks=True)["properties"]) == offered
    assert set(as_granted(operation, asks=False)["properties"]) == {"ticket_id", "text"}


@pytest.mark.parametrize("told", [{"minutes": 480}, {"billable": False}, {"minutes": 1, "billable": True}])
async def test_what_only_a_person_may_say_is_refused_below_the_model_as_well(told: dict[str, Any]) -> None:
    hands = cast(Any, SimpleNamespace(needs_approval=lambda _name: False))
    with pytest.raises(ToolInputError, match="only a person who approves"):
        await log_time(hands, {"text": "x", **told}, key="log_time:1")
