"""The contract of what not every desk can do; each test asks the manifest first, and the suite has one for the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from deskhand.plugins.contract import (
    ALL_FILTERS,
    LinkKind,
    NoteDraft,
    PastChange,
    TicketChanges,
    TicketDraft,
    TicketLink,
    TicketQuery,
)
from deskhand.plugins.errors import DeskError, DeskUnavailableError, DeskUnsupportedError, DeskValidationError
from deskhand.simulators.base import Fault
from deskhand.simulators.testing.failures import DRAFT, ELSEWHERE, MARK, OTHER_MARK, offers, raised
from deskhand.simulators.testing.harness import DeskHarness

_SOON = timedelta(days=2)
_FILTERS: dict[str, Callable[[DeskHarness, datetime], tuple[Any, Any]]] = {
    "text": lambda _desk, _now: ("scanner", "fridge"),
    "status": lambda desk, _now: ((desk.words.working_status,), None),
    "priority": lambda desk, _now: ((desk.words.priorities[0],), (desk.words.priorities[-1],)),
    "group": lambda desk, _now: (desk.words.group, None),
    "requester": lambda _desk, _now: ("requester@corp.test", "nobody@corp.test"),
    "created_since": lambda _desk, now: (now - _SOON, now + _SOON),
    "created_until": lambda _desk, now: (now + _SOON, now - _SOON),
    "updated_since": lambda _desk, now: (now - _SOON, now + _SOON),
    "updated_until": lambda _desk, now: (now + _SOON, now - _SOON),
}
"""Each filter with a value that finds the ticket and one that does not."""


class FurtherContract:
    """Part of ``PluginContract``."""

    async def test_a_note_is_written_anew_and_stays_the_same_note(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams", "It jams.")
        if not offers(desk.plugin, "update_note"):
            await raised(DeskUnsupportedError, desk.plugin.update_note(ticket_id, "1", NoteDraft(body="anew")))
            return
        first = await desk.plugin.add_note(ticket_id, NoteDraft(body="Restart it.", mark=MARK))
        anew = NoteDraft(body="Restart it, then **update** it.", mark=OTHER_MARK)
        # Twice, as after an answer that was lost: it is the same note with the same text.
        for _ in range(2):
            receipt = await desk.plugin.update_note(ticket_id, first.id, anew)
            assert (receipt.id, receipt.ticket_id, receipt.mark) == (first.id, ticket_id, OTHER_MARK)
        (note,) = (await desk.plugin.get_ticket(ticket_id)).notes
        assert (note.id, note.public) == (first.id, False)
        assert "**update**" in note.body
        found = await desk.plugin.find_write(ticket_id, OTHER_MARK)
        assert found is not None
        assert found.id == first.id
        assert await desk.plugin.find_write(ticket_id, MARK) is None
        await raised(DeskError, desk.plugin.update_note(ticket_id, "987654321", anew))

    # -- reading -----------------------------------------------------------------------------

    async def test_notes_are_listed_newest_first_page_by_page(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "list_notes"):
            return
        ticket_id = await desk.create_ticket("Printer jams", "It jams.")
        for number in range(5):
            await desk.plugin.add_note(ticket_id, NoteDraft(body=f"note {number}", public=number % 2 == 0))
        bodies: list[str] = []
        cursor = None
        for _ in range(10):
            page = await desk.plugin.list_notes(ticket_id, cursor=cursor, page_size=2)
            assert len(page.notes) <= 2
            bodies += [note.body.strip() for note in page.notes]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert bodies == [f"note {number}" for number in (4, 3, 2, 1, 0)]
        for public, expected in ((True, {"note 0", "note 2", "note 4"}), (False, {"note 1", "note 3"})):
            page = await desk.plugin.list_notes(ticket_id, public=public, page_size=10_000)
            assert {note.body.strip() for note in page.notes} == expected
            assert all(note.public is public and note.id and note.created_at for note in page.notes)

    async def test_the_history_tells_who_changed_what_from_what(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "ticket_changes"):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        assert (await desk.plugin.ticket_changes(ticket_id)).changes == ()
        before = await desk.plugin.get_ticket(ticket_id)
        await desk.plugin.update_ticket(ticket_id, TicketChanges(subject="Printer of floor 3"))
        await desk.plugin.add_note(ticket_id, NoteDraft(body="A note is no change."))
        await desk.plugin.transition(ticket_id, desk.words.working_status)
        await desk.rename_elsewhere(ticket_id, "Printer of floor 4")
        changes: list[PastChange] = []
        cursor = None
        for _ in range(10):
            page = await desk.plugin.ticket_changes(ticket_id, cursor=cursor, page_size=1)
            changes += page.changes
            cursor = page.next_cursor
            if cursor is None:
                break
        seen = [
            (field.field, field.before_text, field.after_text)
            for change in changes
            for field in change.fields
            if field.field in {"subject", "status"}
        ]
        assert seen == [
            ("subject", "Printer jams", "Printer of floor 3"),
            ("status", before.status, desk.words.working_status),
            ("subject", "Printer of floor 3", "Printer of floor 4"),
        ]
        stamps = [change.at for change in changes if change.at is not None]
        assert len(stamps) == len(changes) == len({change.id for change in changes})
        assert stamps == sorted(stamps)
        authors = {change.by.id or change.by.email or change.by.name for change in changes}
        # Ours and the technician's: a history that named one for both would blame a person for our change.
        assert len(authors) == 2

    async def test_each_filter_of_the_search_holds(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Scanner jams")
        await desk.plugin.update_ticket(
            ticket_id, TicketChanges(priority=desk.words.priorities[0], group=desk.words.group)
        )
        await desk.plugin.transition(ticket_id, desk.words.working_status)
        created_at = (await desk.plugin.get_ticket(ticket_id)).created_at
        assert created_at is not None
        assert set(_FILTERS) == ALL_FILTERS
        for name, values in _FILTERS.items():
            finds, misses = values(desk, created_at)
            if finds is None:
                continue
            query = TicketQuery(**{name: finds})
            if name not in desk.plugin.manifest.filters:
                await raised(DeskUnsupportedError, desk.plugin.search_tickets(query))
                continue
            page = await desk.plugin.search_tickets(query)
            assert [ticket.id for ticket in page.tickets] == [ticket_id], name
            if misses is not None:
                assert (await desk.plugin.search_tickets(TicketQuery(**{name: misses}))).tickets == (), name

    async def test_filters_must_hold_together(self, desk: DeskHarness) -> None:
        await desk.create_ticket("Scanner jams")
        page = await desk.plugin.search_tickets(TicketQuery(text="scanner", status=(desk.words.working_status,)))
        assert page.tickets == ()

    async def test_a_foreign_cursor_is_refused(self, desk: DeskHarness) -> None:
        """A cursor may come back from a model: it is checked before it is used."""
        if not desk.checks_cursors:
            return
        ticket_id = await desk.create_ticket("Scanner jams")
        calls: list[Callable[[str], Awaitable[object]]] = [
            lambda cursor: desk.plugin.search_tickets(TicketQuery(text="scanner", cursor=cursor))
        ]
        if offers(desk.plugin, "list_notes"):
            calls.append(lambda cursor: desk.plugin.list_notes(ticket_id, cursor=cursor))
        if offers(desk.plugin, "ticket_changes"):
            calls.append(lambda cursor: desk.plugin.ticket_changes(ticket_id, cursor=cursor))
        for call in calls:
            # The last is an Arabic three: a digit to Python's isdigit, and to no desk.
            for cursor in ("", "x", "-1", "1; DROP", "9" * 30, "\u0663"):
                await raised(DeskValidationError, call(cursor))

    async def test_a_ticket_says_whom_it_is_for(self, desk: DeskHarness) -> None:
        if desk.words.company is None:
            return
        ticket_id = await desk.create_for(desk.words.company)
        ticket = await desk.plugin.get_ticket(ticket_id)
        assert ticket.company is not None
        assert ticket.company.name == desk.words.company
        assert ticket.company.id
        (listed,) = (await desk.plugin.search_tickets(TicketQuery(text="badge"))).tickets
        assert listed.company == ticket.company
        assert (await desk.plugin.get_ticket(await desk.create_ticket("For nobody"))).company is None

    # -- writing -----------------------------------------------------------------------------

    async def test_a_reply_is_public_and_written_once(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "reply"):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        receipt = await desk.plugin.reply(ticket_id, "Which **printer** is it?", mark=MARK)
        looked_up = await desk.plugin.find_write(ticket_id, MARK)
        assert looked_up is not None
        assert looked_up.id == receipt.id
        (note,) = (await desk.plugin.get_ticket(ticket_id)).notes
        assert note.public
        assert "printer" in note.body

    async def test_a_write_tells_what_was_before(self, desk: DeskHarness) -> None:
        if not desk.tells_images:
            return
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.plugin.update_ticket(ticket_id, TicketChanges(priority=desk.words.priorities[-1]))
        changes = TicketChanges(subject="Printer of floor 3", priority=desk.words.priorities[0])
        receipt = await desk.plugin.update_ticket(ticket_id, changes, mark=MARK)
        fields = {change.field: change for change in receipt.changes}
        assert (fields["subject"].before_text, fields["subject"].after_text) == ("Printer jams", "Printer of floor 3")
        assert fields["priority"].before != fields["priority"].after
        moved = await desk.plugin.transition(ticket_id, desk.words.working_status)
        (status,) = (change for change in moved.changes if change.field == "status")
        assert status.after_text == desk.words.working_status
        assigned = await desk.plugin.assign(ticket_id, assignee_email=desk.words.technician)
        assert "assignee" in {change.field for change in assigned.changes}
        again = await desk.plugin.update_ticket(ticket_id, changes, mark=MARK)
        assert again.adopted
        assert again.changes == ()

    async def test_each_field_of_the_manifest_can_be_set(self, desk: DeskHarness) -> None:
        values: dict[str, Any] = {
            "subject": "Other subject",
            "description": "Other **words**.",
            "priority": desk.words.priorities[0],
            "group": desk.words.group,
            "category": desk.words.category,
            "assignee_email": desk.words.technician,
            "add_tags": (desk.words.tag,),
            "remove_tags": (desk.words.tag,),
            "custom": desk.words.custom and {desk.words.custom[0]: desk.words.custom[1]},
        }
        for name, value in values.items():
            ticket_id = await desk.create_ticket("Printer jams")
            changes = TicketChanges(**{name: value})
            if name not in desk.plugin.manifest.settable:
                if value:
                    await raised(DeskUnsupportedError, desk.plugin.update_ticket(ticket_id, changes))
            elif value is not None and name != "remove_tags":
                receipt = await desk.plugin.update_ticket(ticket_id, changes, mark=MARK)
                assert not receipt.adopted, name
                assert (await desk.plugin.update_ticket(ticket_id, changes, mark=MARK)).adopted, name

    async def test_tags_come_and_go(self, desk: DeskHarness) -> None:
        if not {"add_tags", "remove_tags"} <= desk.plugin.manifest.settable:
            return
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.plugin.update_ticket(ticket_id, TicketChanges(add_tags=("vpn", "floor3")))
        await desk.plugin.update_ticket(ticket_id, TicketChanges(add_tags=("new",), remove_tags=("vpn",)))
        assert set((await desk.plugin.get_ticket(ticket_id)).tags) == {"floor3", "new"}

    async def test_an_unknown_field_is_refused_by_name(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        changes = TicketChanges(custom={"no_such_field_here": "x"})
        error = await raised(DeskValidationError, desk.plugin.update_ticket(ticket_id, changes, mark=MARK))
        assert "no_such_field_here" in error.detail + " ".join(error.fields)
        assert await desk.effects(ticket_id) == (0, 0)

    # -- new tickets -------------------------------------------------------------------------

    async def test_a_ticket_is_created_and_found_by_its_mark(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "create_ticket"):
            return
        await desk.create_ticket("So that the desk knows the requester")
        assert await desk.plugin.find_created(MARK) is None
        draft = replace(
            DRAFT,
            requester_email="requester@corp.test",
            priority=desk.words.priorities[0],
            group=desk.words.group,
            company=desk.words.company,
            custom={desk.words.custom[0]: desk.words.custom[1]} if desk.words.custom else {},
        )
        receipt = await desk.plugin.create_ticket(draft, mark=MARK)
        assert (receipt.id, receipt.mark, receipt.adopted) == (receipt.ticket_id, MARK, False)
        assert receipt.display_id
        assert receipt.url
        ticket = await desk.plugin.get_ticket(receipt.ticket_id)
        assert ticket.subject == draft.subject
        assert "It does not even" in ticket.description
        assert ticket.priority == desk.words.priorities[0]
        assert desk.words.group is None or ticket.group == desk.words.group
        assert ticket.requester is not None
        assert (ticket.company.name if ticket.company else None) == desk.words.company
        looked_up = await desk.plugin.find_created(MARK)
        assert looked_up is not None
        assert (looked_up.ticket_id, looked_up.adopted) == (receipt.ticket_id, True)
        assert await desk.plugin.find_created(OTHER_MARK) is None

    async def test_a_lost_creation_is_found_and_not_repeated(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "create_ticket"):
            return
        # Signed in first, so that the outage cuts the creation itself and not the call for a token.
        await desk.plugin.get_ticket(await desk.create_ticket("Signed in"))
        await desk.put_fault(Fault(kind="outage", writes_only=True, after_effect=True))
        await raised(DeskUnavailableError, desk.plugin.create_ticket(DRAFT, mark=MARK))
        await desk.heal()
        assert await desk.count_created(DRAFT.subject) == 1
        looked_up = await desk.plugin.find_created(MARK)
        assert looked_up is not None
        again = await desk.plugin.create_ticket(DRAFT, mark=MARK)
        assert (again.ticket_id, again.adopted) == (looked_up.ticket_id, True)
        assert await desk.count_created(DRAFT.subject) == 1

    async def test_a_draft_the_desk_cannot_take_creates_nothing(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "create_ticket"):
            return
        # A desk that drops the field in silence would file the ticket without what the agent meant to say.
        wrong = TicketDraft(subject=DRAFT.subject, custom={"no_such_field_here": "x"})
        await raised(DeskValidationError, desk.plugin.create_ticket(wrong, mark=MARK))
        if desk.words.group is not None:
            draft = replace(DRAFT, group="No such group")
            await raised(DeskValidationError, desk.plugin.create_ticket(draft, mark=MARK))
        assert await desk.count_created(DRAFT.subject) == 0

    # -- links -------------------------------------------------------------------------------

    async def test_tickets_are_linked_once(self, desk: DeskHarness) -> None:
        for kind in LinkKind:
            one, other = await desk.create_ticket("Printer jams"), await desk.create_target(kind)
            link = TicketLink(kind=kind, ticket_id=other)
            if not offers(desk.plugin, "link_tickets") or kind not in desk.plugin.manifest.links:
                await raised(DeskUnsupportedError, desk.plugin.link_tickets(one, link, mark=MARK))
                continue
            first = await desk.plugin.link_tickets(one, link, mark=MARK)
            effects = await desk.effects(one)
            second = await desk.plugin.link_tickets(one, link, mark=MARK)
            assert (first.adopted, second.adopted) == (False, True), kind
            assert await desk.effects(one) == effects, kind
            await raised(DeskValidationError, desk.plugin.link_tickets(one, replace(link, ticket_id=one)))

    async def test_a_lost_link_is_adopted(self, desk: DeskHarness) -> None:
        for kind in sorted(desk.plugin.manifest.links):
            one, other = await desk.create_ticket("Printer jams"), await desk.create_target(kind)
            await desk.plugin.get_ticket(one)
            await desk.put_fault(Fault(kind="outage", writes_only=True, after_effect=True))
            link = TicketLink(kind=kind, ticket_id=other)
            await raised(DeskUnavailableError, desk.plugin.link_tickets(one, link, mark=MARK))
            await desk.heal()
            effects = await desk.effects(one)
            assert (await desk.plugin.link_tickets(one, link, mark=MARK)).adopted
            assert await desk.effects(one) == effects

    async def test_a_ticket_elsewhere_is_named(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "link_tickets"):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        assert not (await desk.plugin.link_tickets(ticket_id, ELSEWHERE, mark=MARK)).adopted
        assert (await desk.plugin.link_tickets(ticket_id, ELSEWHERE, mark=MARK)).adopted
        assert await desk.mentions(ticket_id, ELSEWHERE.url) == 1
        await raised(DeskValidationError, desk.plugin.link_tickets(ticket_id, TicketLink(url="javascript:alert(1)")))
