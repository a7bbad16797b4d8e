"""Which ticket an address means: an id, a number, or both at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.console import Console
from tests.support.tickets import DESK, read_of

from deskhand.errors import NotFoundError
from deskhand.executions.tickets import service
from deskhand.executions.tickets.service import TicketNames
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import TicketHistory


async def imported(console: Console, number: str, desk_id: str | None, *, tool_type: str = DESK) -> None:
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add(
            TicketHistory(
                tenant_id="acme", tool_type=tool_type, ticket_id=number, desk_id=desk_id, subject=f"Of {number}",
                description="",
            )
        )  # fmt: skip


async def read_run(console: Console, ref: str, ticket_id: str, number: str, *, tool_type: str = DESK) -> str:
    """A run that was started under one name and read the ticket under both."""
    agent = await console.agent()
    run = await console.execution(agent, ticket=ref, tool_type=tool_type, status="completed")
    await console.step("acme", run, "get_ticket", **read_of(ticket_id, number))
    return str(run)


async def names(console: Console, ref: str, *, tool_type: str = DESK) -> tuple[str, str | None, str | None, int]:
    """Id, number, namesake and number of runs of what an address shows."""
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        shown = await service.get_ticket(session, tool_type, ref)
    return shown.ticket_id, shown.number, shown.namesake, len(shown.runs)


@pytest.mark.parametrize(
    ("ticket_id", "number", "both"),
    [
        ("10042", None, {"10042"}),
        ("10042", "HELP-7", {"10042", "HELP-7"}),
        ("9d38", "INC0010", {"9d38", "INC0010"}),
        # Two numbers in digits: what stands under the one says nothing of the other.
        ("880017", "1059", {"880017"}),
        ("1059", "1059", {"1059"}),
    ],
)
def test_the_names_under_which_what_was_done_is_kept(ticket_id: str, number: str | None, both: set[str]) -> None:
    assert TicketNames(tool_type=DESK, ticket_id=ticket_id, number=number).both == both


async def test_a_ticket_that_no_run_has_read_is_known_by_its_id_alone(console: Console) -> None:
    await console.execution(await console.agent(), ticket="7", status="failed")
    assert await names(console, "7") == ("7", None, None, 1)


async def test_an_import_gives_a_number_and_an_id_to_what_was_never_read(console: Console) -> None:
    agent = await console.agent()
    await console.execution(agent, ticket="9d38", status="failed", tool_type="servicenow")
    await imported(console, "INC0010", "9d38", tool_type="servicenow")
    expected = ("9d38", "INC0010", None, 1)
    assert [await names(console, ref, tool_type="servicenow") for ref in ("9d38", "INC0010")] == [expected, expected]


async def test_runs_that_were_started_by_the_number_are_found_by_either_name(console: Console) -> None:
    await imported(console, "HELP-7", "10042", tool_type="jira")
    await read_run(console, "HELP-7", "10042", "HELP-7", tool_type="jira")
    for ref in ("HELP-7", "10042"):
        assert await names(console, ref, tool_type="jira") == ("10042", "HELP-7", None, 1)


async def test_an_import_without_an_id_is_called_as_it_is(console: Console) -> None:
    await imported(console, "1042", None)
    await console.execution(await console.agent(), ticket="1042", status="completed", input_payload={})
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        shown = await service.get_ticket(session, DESK, "1042")
    assert (shown.number, shown.subject, shown.namesake) == ("1042", "Of 1042", None)


async def test_in_digits_each_number_leads_to_its_own_ticket(console: Console) -> None:
    first = await read_run(console, "100", "100", "7")
    second = await read_run(console, "200", "200", "100")
    await imported(console, "100", "200")
    # Asked for 100: the ticket with that id, which says whose number it is.
    assert await names(console, "100") == ("100", "7", "200", 1)
    assert await names(console, "200") == ("200", "100", None, 1)
    assert await names(console, "7") == ("100", "7", None, 1)
    assert first != second


async def test_what_another_desk_calls_so_is_another_ticket(console: Console) -> None:
    await read_run(console, "100", "100", "HELP-7", tool_type="jira")
    await imported(console, "HELP-7", "55", tool_type="zendesk")
    assert await names(console, "HELP-7", tool_type="jira") == ("100", "HELP-7", None, 1)
    with pytest.raises(NotFoundError):
        await names(console, "HELP-7")


async def test_an_import_alone_is_nothing_that_was_done(console: Console) -> None:
    await imported(console, "INC0010", "9d38")
    for ref in ("INC0010", "9d38"):
        with pytest.raises(NotFoundError, match=ref):
            await names(console, ref)


@pytest.mark.parametrize("ref", ["x" * 101, "%00", "a%ED%A0%80"])
async def test_what_cannot_be_a_name_is_refused(console: Console, ref: str) -> None:
    client: Any = await console.client(role="viewer")
    assert (await client.get(f"/api/v1/tickets/{DESK}/{ref}")).status_code in (404, 422)
    browser = await console.browser(role="viewer")
    assert (await browser.get(f"/tickets/{DESK}/{ref}")).status_code in (404, 422)
