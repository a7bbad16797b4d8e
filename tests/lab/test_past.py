"""What a run of the lab is shown by a desk that has gone on since."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from pydantic import BaseModel

from deskhand.errors import ForbiddenError
from deskhand.kit.http import HttpClientFactory
from deskhand.lab.past import PAGES, Past, PastDesk
from deskhand.lab.rebuilding import Truth
from deskhand.plugins.contract import (
    DeskContext,
    FieldChange,
    NamedValue,
    Note,
    NoteDraft,
    PastChange,
    PastChangePage,
    Person,
    Ticket,
    TicketChanges,
    TicketEvent,
    TicketingToolPlugin,
    TicketPage,
    TicketQuery,
    ValueKind,
)
from deskhand.plugins.errors import DeskNotFoundError, DeskUnsupportedError
from deskhand.plugins.jira.plugin import JiraPlugin

FILED = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
US = Person(id="5")
TICKET = Ticket(
    tool_type="jira", id="1", display_id="HELP-1", subject="Printer", category="Driver", is_closed=True,
    status="Resolved", created_at=FILED, updated_at=FILED + timedelta(days=1), resolution="See KB-7.",
    notes=(Note(id="9", body="The answer", public=True, author=Person(), created_at=FILED + timedelta(hours=1)),),
)  # fmt: skip
OLD = replace(TICKET, id="2", display_id="HELP-2", updated_at=FILED - timedelta(days=9), category="Toner")
SAME_INSTANT = replace(TICKET, id="3", updated_at=FILED)
UNDATED = replace(TICKET, id="4", updated_at=None)


def moved(after: timedelta, name: str, before: str, now: str, by: Person = Person()) -> PastChange:  # noqa: B008
    change = FieldChange(field=name, vendor_field=name, before_text=before, after_text=now)
    return PastChange(id=f"{name}{after}", at=FILED + after, by=by, fields=(change,))


class Config(BaseModel):
    """Of a connection that needs none."""


class Desk:
    """A desk as it is now, as far as the lab asks it."""

    def __init__(self, *pages: list[PastChange]) -> None:
        self.manifest = JiraPlugin.manifest
        self.config = Config()
        self.context = DeskContext(http=HttpClientFactory())
        self.tickets = {one.id: one for one in (TICKET, OLD, SAME_INSTANT, UNDATED)}
        self.pages = pages or (
            [
                moved(timedelta(), "priority", "Low", "High"),
                moved(timedelta(hours=1), "category", "Printing", "Driver"),
            ],
            [moved(timedelta(hours=2), "status", "New", "Resolved")],
        )
        self.calls: list[tuple[str, Any]] = []

    def is_own_event(self, _config: BaseModel, event: TicketEvent) -> bool | None:
        return event.actor is not None and event.actor.id == US.id

    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        self.calls.append(("get_ticket", with_notes))
        ticket = self.tickets[ticket_id]
        return ticket if with_notes else replace(ticket, notes=())

    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        self.calls.append(("search_tickets", query.text))
        return TicketPage(tickets=tuple(self.tickets.values()), next_cursor="2", total=4)

    async def ticket_changes(self, _ticket_id: str, *, cursor: str | None = None) -> PastChangePage:
        place = int(cursor or 0)
        more = str(place + 1) if place + 1 < len(self.pages) else None
        return PastChangePage(changes=tuple(self.pages[place]), next_cursor=more)

    async def list_values(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        return (NamedValue(id="1", name=kind.value),)

    async def aclose(self) -> None:
        self.calls.append(("aclose", None))


class Lab:
    """A run of the lab on the first ticket, and what it kept."""

    def __init__(self, desk: Desk | None = None, *, kept: Ticket | None = None, at: datetime | None = None) -> None:
        self.truths: list[tuple[Truth, datetime]] = []
        self.rule: object = None
        self.now = desk or Desk()

        async def keep(truth: Truth, moment: datetime) -> None:
            self.truths.append((truth, moment))

        self.past = Past(case_id=uuid4(), ticket_ref="1", kept=kept, at=at, keep=keep)
        # The rule is about the ticket as it is now alone.
        self.desk = self.past.of(
            cast("TicketingToolPlugin", self.now), lambda ticket: self.rule if ticket.is_closed else None
        )


async def test_its_own_ticket_is_as_it_came_and_what_people_did_is_kept_apart() -> None:
    lab = Lab()
    then = await lab.desk.get_ticket("1")
    assert (then.category, then.status, then.resolution, then.notes) == ("Printing", None, None, ())
    assert lab.past.moment == FILED
    [(truth, at)] = lab.truths
    assert (truth.fields["category"], truth.named, at) == (("Driver",), ("KB-7",), FILED)
    assert ("get_ticket", True) not in lab.now.calls, "its notes are not even read"


async def test_what_an_agent_of_ours_said_last_is_no_truth() -> None:
    lab = Lab(Desk([moved(timedelta(hours=1), "category", "Printing", "Driver", US)]))
    await lab.desk.get_ticket("1")
    assert "category" not in lab.truths[0][0].fields


@pytest.mark.parametrize(("ref", "there"), [("2", True), ("3", False), ("4", False)])
async def test_another_ticket_is_shown_where_nothing_was_saved_since(ref: str, there: bool) -> None:
    lab = Lab()
    await lab.desk.get_ticket("1")
    if there:
        assert (await lab.desk.get_ticket(ref)).category == "Toner"
    else:
        with pytest.raises(DeskNotFoundError, match="what it was then is not known"):
            await lab.desk.get_ticket(ref)
        with pytest.raises(DeskNotFoundError):
            await lab.desk.ticket_changes(ref)


async def test_a_search_finds_what_has_not_changed_since() -> None:
    lab = Lab()
    await lab.desk.get_ticket("1")
    page = await lab.desk.search_tickets(TicketQuery(text="printer"))
    assert ([one.id for one in page.tickets], page.next_cursor, page.total) == (["2"], "2", None)


async def test_nothing_is_looked_up_before_it_is_known_for_when() -> None:
    lab = Lab()
    with pytest.raises(ForbiddenError, match="before it has read its ticket"):
        await lab.desk.search_tickets(TicketQuery(text="printer"))
    # A run that is taken up again has its ticket from its journal, and with it the time.
    lab.past.saw(TICKET)
    assert [one.id for one in (await lab.desk.search_tickets(TicketQuery())).tickets] == ["2"]
    lab.past.saw(replace(TICKET, created_at=FILED + timedelta(days=7)))
    assert lab.past.moment == FILED


async def test_its_history_ends_where_it_came() -> None:
    lab = Lab()
    await lab.desk.get_ticket("1")
    page = await lab.desk.ticket_changes("1")
    assert [one.fields[0].field for one in page.changes] == ["priority"]
    assert page.next_cursor is None


async def test_a_history_without_end_is_not_taken_for_whole() -> None:
    lab = Lab(Desk(*([] for _ in range(PAGES + 1))))
    with pytest.raises(DeskUnsupportedError, match="too long a history"):
        await lab.desk.get_ticket("1")
    assert lab.truths == []


async def test_a_ticket_that_a_rule_is_about_by_now_is_not_shown() -> None:
    lab = Lab()
    lab.rule = "Board"
    with pytest.raises(ForbiddenError, match="no model is shown it"):
        await lab.desk.get_ticket("1")
    assert lab.truths == []


async def test_a_ticket_that_was_filed_nobody_knows_when_is_not_rebuilt() -> None:
    desk = Desk()
    desk.tickets["1"] = replace(TICKET, created_at=None)
    with pytest.raises(DeskUnsupportedError, match="Ticket 1 cannot be rebuilt: the desk does not say when"):
        await Lab(desk).desk.get_ticket("1")


async def test_a_kept_ticket_is_as_it_was_kept_and_the_desk_is_not_asked() -> None:
    public = Note(id="1", body="It beeps.", public=True, author=Person())
    internal = replace(public, id="2", public=False)
    kept = replace(TICKET, notes=(public, internal), is_closed=False)
    lab = Lab(kept=kept, at=FILED)
    assert await lab.desk.get_ticket("1") == kept
    assert (await lab.desk.get_ticket("1", with_notes=False)).notes == ()
    assert [one.id for one in (await lab.desk.list_notes("1")).notes] == ["2", "1"]
    assert [one.id for one in (await lab.desk.list_notes("1", public=True)).notes] == ["1"]
    assert (lab.now.calls, lab.truths) == ([], [])


async def test_it_is_the_same_desk_and_we_are_who_we_are_there() -> None:
    lab = Lab()
    assert lab.desk.manifest is JiraPlugin.manifest
    about = TicketEvent(event="note", ticket=cast("Any", None), actor=US)
    assert lab.desk.is_own_event(lab.desk.config, about) is True
    assert await lab.desk.list_values(ValueKind.GROUPS) == (NamedValue(id="1", name="groups"),)
    await lab.desk.aclose()
    assert lab.now.calls == [("aclose", None)]


async def test_nothing_is_written_there_and_no_history_is_listed() -> None:
    desk = Lab().desk
    for refused in (
        desk.add_note("1", NoteDraft(body="x")),
        desk.reply("1", "x"),
        desk.update_ticket("1", TicketChanges(category="x")),
        desk.assign("1", assignee_email=None),
        desk.transition("1", "Open"),
        desk.resolve("1", "x"),
        desk.find_write("1", "mark"),
        desk.list_history(FILED),
    ):
        with pytest.raises(DeskUnsupportedError, match="as it was"):
            await refused


def test_no_event_comes_from_the_past() -> None:
    assert PastDesk.is_own_event(Config(), cast("Any", None)) is None
    assert PastDesk.setup_guide(webhook_url="https://example.com", secret="s") == ""
    assert "past" in str(PastDesk.extract_metadata(cast("Any", None)))
