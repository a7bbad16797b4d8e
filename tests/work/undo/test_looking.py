"""What a preview says of real answers of each desk: values, histories, notes, and tickets that are not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.support.desks import DESKS, KINDS, Desk
from tests.support.product import running_desk
from tests.support.undo import TECHNICIAN, WORDS

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.contract import (
    DeskContext,
    NoteDraft,
    Operation,
    TicketChanges,
    TicketDraft,
    TicketingToolPlugin,
    WriteReceipt,
)
from deskhand.plugins.errors import DeskUnavailableError
from deskhand.plugins.registry import BUILT_IN
from deskhand.simulators.base import Fault
from deskhand.work.undo.arranging import Write, arrange
from deskhand.work.undo.looking import Looker, state_of
from deskhand.work.undo.schemas import Effect, PlannedItem, UndoneWrite

RUN = UUID("0" * 31 + "1")
MARK, OTHER_MARK = "dh-" + "1" * 20, "dh-" + "2" * 20
HTTP = HttpClientFactory(allow_private=True)
NOTE = "Format the disk."


@dataclass
class Scene:
    """A simulated desk and our way to it."""

    desk: Desk
    plugin: TicketingToolPlugin

    @property
    def tool(self) -> str:
        return self.plugin.manifest.tool_type

    async def ticket(self) -> str:
        return await self.desk.file_ticket("Printer jams", "It jams.", priority=KINDS[self.tool].medium)

    def save(self, ticket_id: str, **fields: Any) -> None:
        """A technician saves the ticket."""
        store = self.desk.simulator.store
        ticket = store.get(ticket_id)
        assert ticket is not None
        self.desk.simulator.change(ticket, fields, by=store.person(TECHNICIAN))

    def write(self, operation: str, receipt: WriteReceipt, **more: Any) -> Write:
        now = datetime.now(UTC)
        given = {"trace": {}, "mark": MARK, "at": now, "asked_at": now - timedelta(seconds=30), **more}
        key = UndoneWrite(execution_id=RUN, step_key=f"{operation}#{receipt.mark or 1}", operation=operation)
        return Write(key=key, tool_type=self.tool, ticket_id=receipt.ticket_id, receipt=receipt, **given)

    async def look(self, *writes: Write) -> list[PlannedItem]:
        """What a preview would say of writes on one ticket, newest first."""
        items = arrange(writes, desks={self.tool})
        looker = Looker(self.plugin, {write.key.key: write for write in writes})
        return await looker.look(writes[0].ticket_id or "", items)


@pytest.fixture(params=DESKS)
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with running_desk(request.param, HTTP) as desk:
        kind = KINDS[request.param]
        extras = kind.extras(desk.simulator, desk.url)
        if request.param == "servicedesk_plus":
            extras = {"servicedesk_bot_email": desk.simulator.store.bot.email}
        desk.simulator.store.person(TECHNICIAN, is_agent=True)
        plugin = BUILT_IN[request.param]
        config = plugin.config_model.model_validate({**kind.connection(desk.simulator, desk.url), **extras})
        connected = plugin(config, DeskContext(http=HTTP))
        yield Scene(desk, connected)
        await connected.aclose()


async def test_a_field_is_put_back_only_where_our_value_still_stands(scene: Scene) -> None:
    ticket_id = await scene.ticket()
    changes = TicketChanges(subject="Printer of floor 3", priority="high")
    receipt = await scene.plugin.update_ticket(ticket_id, changes, mark=MARK)
    write = scene.write("update_ticket", receipt)
    (item,) = await scene.look(write)
    assert (item.effect, item.kept, item.why) == (Effect.RESTORE_FIELDS, [], None)
    backs = {one.field: (one.now, one.back) for one in item.fields}
    assert backs["subject"] == ("Printer of floor 3", "Printer jams")
    assert {one.vendor_field for one in item.changes} >= {"priority"} or scene.tool == "servicenow"
    assert (item.subject, item.number) == ("Printer of floor 3", (await scene.plugin.get_ticket(ticket_id)).display_id)
    revision = item.revision

    scene.save(ticket_id, subject="Printer of floor 4")
    (item,) = await scene.look(write)
    assert item.revision != revision
    (kept,) = item.kept
    assert (kept.field, kept.ours, kept.now, kept.before) == (
        "subject",
        "Printer of floor 3",
        "Printer of floor 4",
        "Printer jams",
    )
    person = scene.desk.simulator.store.person(TECHNICIAN)
    assert (kept.changed_by or "").casefold() in {person.id, person.email, person.name.casefold(), "ines"}
    assert kept.changed_at is not None
    assert "subject" not in {one.field for one in item.fields}

    # What a person set back to what it was before us needs nothing, and is nobody's loss.
    scene.save(ticket_id, subject="Printer jams")
    (item,) = await scene.look(write)
    assert (item.kept, "subject" in {one.field for one in item.fields}) == ([], False)

    await scene.plugin.restore_fields(ticket_id, receipt.changes, mark=OTHER_MARK)
    (item,) = await scene.look(write)
    assert (item.effect, item.changes, item.why) == (Effect.NONE, [], "It is as it was before already.")


async def test_looking_writes_nothing(scene: Scene) -> None:
    ticket_id = await scene.ticket()
    receipt = await scene.plugin.update_ticket(ticket_id, TicketChanges(priority="high"), mark=MARK)
    note = await scene.plugin.add_note(ticket_id, NoteDraft(body=NOTE, mark=OTHER_MARK))
    before = await scene.desk.effects(ticket_id)
    items = await scene.look(scene.write("add_note", note), scene.write("update_ticket", receipt))
    assert len(items) == 2
    assert await scene.desk.effects(ticket_id) == before


async def test_a_write_whose_worker_died_is_put_back_by_the_desks_own_history(scene: Scene) -> None:
    ticket_id = await scene.ticket()
    changes = TicketChanges(subject="Printer of floor 3")
    first = await scene.plugin.update_ticket(ticket_id, changes, mark=MARK)
    adopted = await scene.plugin.update_ticket(ticket_id, changes, mark=MARK)
    assert (bool(first.changes), adopted.adopted, adopted.changes) == (True, True, ())
    trace = {"subject": "Printer of floor 3"}
    (item,) = await scene.look(scene.write("update_ticket", adopted, resumed=True, trace=trace))
    assert [(one.field, one.now, one.back) for one in item.fields] == [
        ("subject", "Printer of floor 3", "Printer jams")
    ]
    restored = await scene.plugin.restore_fields(ticket_id, item.changes, mark=OTHER_MARK)
    assert restored.receipt is not None
    assert (await scene.plugin.get_ticket(ticket_id)).subject == "Printer jams"


@pytest.mark.parametrize("case", ["somebody else's", "another field", "long before"])
async def test_a_save_that_is_not_surely_ours_is_not_taken_for_it(scene: Scene, case: str) -> None:
    ticket_id = await scene.ticket()
    trace: dict[str, Any] = {"subject": "Printer of floor 3"}
    asked_at = datetime.now(UTC)
    if case == "somebody else's":
        scene.save(ticket_id, subject="Printer of floor 3")
    else:
        await scene.plugin.update_ticket(ticket_id, TicketChanges(subject="Printer of floor 3"), mark=MARK)
    if case == "another field":
        trace = {"priority": "high"}
    if case == "long before":
        asked_at += timedelta(hours=1)
    adopted = WriteReceipt(id=ticket_id, ticket_id=ticket_id, mark=MARK, adopted=True)
    moment = {"asked_at": asked_at, "at": asked_at + timedelta(seconds=1)}
    (item,) = await scene.look(scene.write("update_ticket", adopted, resumed=True, trace=trace, **moment))
    assert item.effect is Effect.NONE
    assert "A worker died over this write" in (item.why or "")


async def test_a_note_goes_where_the_desk_lets_it_go(scene: Scene) -> None:
    ticket_id, deletes = await scene.ticket(), WORDS[scene.tool].deletes
    receipt = await scene.plugin.add_note(ticket_id, NoteDraft(body=NOTE, mark=MARK))
    (item,) = await scene.look(scene.write("add_note", receipt))
    assert (item.effect, item.note_id) == (
        Effect.WITHDRAW_NOTE if deletes else Effect.CORRECT_NOTE,
        receipt.id,
    )
    assert ("It is not undone." in (item.why or "")) is not deletes
    public = await scene.plugin.reply(ticket_id, "It will be fixed tomorrow.", mark=OTHER_MARK)
    (item,) = await scene.look(scene.write("reply", public))
    assert ("may have read it" in (item.why or "")) is deletes
    missing = replace(receipt, id="1")
    (item,) = await scene.look(scene.write("add_note", missing))
    assert (item.effect, item.why) == (Effect.NONE, "The note is not on the ticket any more.")


async def test_a_resolution_that_is_a_comment_goes_with_its_fields(scene: Scene) -> None:
    ticket_id = await scene.ticket()
    receipt = await scene.plugin.resolve(ticket_id, "It was the cable.", mark=MARK)
    items = await scene.look(scene.write("resolve", receipt))
    effects = {item.effect for item in items}
    assert (
        effects
        == {
            "servicedesk_plus": {Effect.RESTORE_FIELDS},
            "servicenow": {Effect.RESTORE_FIELDS},
            "jira": {Effect.RESTORE_FIELDS, Effect.WITHDRAW_NOTE},
            "zendesk": {Effect.RESTORE_FIELDS, Effect.CORRECT_NOTE},
        }[scene.tool]
    )
    assert {item.writes[0].operation for item in items} == {"resolve"}


async def test_a_filed_ticket_is_closed_unless_somebody_works_on_it(scene: Scene) -> None:
    filed = await scene.plugin.create_ticket(TicketDraft(subject="Filed in error"), mark=MARK)
    note = await scene.plugin.add_note(filed.ticket_id, NoteDraft(body=NOTE, mark=OTHER_MARK))
    writes = [scene.write("add_note", note, mark=OTHER_MARK), scene.write("create_ticket", filed)]
    (item,) = await scene.look(*writes)
    assert (item.effect, len(item.writes)) == (Effect.CLOSE_CREATED, 2)
    store = scene.desk.simulator.store
    ticket = store.get(filed.ticket_id)
    assert ticket is not None
    person = store.person(TECHNICIAN)
    scene.desk.simulator.write_note(
        ticket, scene.desk.simulator.from_markdown("I am on it."), public=False, author=person
    )
    (item,) = await scene.look(*writes)
    assert item.effect is Effect.NONE
    assert "has written on the ticket since; it stays open" in (item.why or "")
    await scene.plugin.close_created(filed.ticket_id, reason="No.", mark=MARK)
    (item,) = await scene.look(*writes)
    assert (item.effect, "already" in (item.why or "")) == (Effect.NONE, True)


async def test_a_ticket_that_is_gone_is_said_to_be_gone(scene: Scene) -> None:
    missing = {"jira": "99999", "servicenow": "0123456789abcdef" * 2}.get(scene.tool, "4711")
    receipt = WriteReceipt(id="1", ticket_id=missing)
    items = await scene.look(scene.write("add_note", receipt), scene.write("create_ticket", receipt))
    assert [item.effect for item in items] == [Effect.NONE]
    assert "cannot be seen any more" in (items[0].why or "")


async def test_a_desk_that_is_away_makes_no_preview(scene: Scene) -> None:
    ticket_id = await scene.ticket()
    receipt = await scene.plugin.update_ticket(ticket_id, TicketChanges(priority="high"), mark=MARK)
    scene.desk.simulator.faults.add(Fault(kind="status", status=503))
    with pytest.raises(DeskUnavailableError):
        await scene.look(scene.write("update_ticket", receipt))


async def test_a_desk_without_ways_back_is_told_what_to_do_by_hand(scene: Scene) -> None:
    ticket_id = await scene.ticket()
    fields = await scene.plugin.update_ticket(ticket_id, TicketChanges(subject="Printer of floor 3"), mark=MARK)
    note = await scene.plugin.add_note(ticket_id, NoteDraft(body=NOTE, mark=OTHER_MARK))
    link = WriteReceipt(id="77", ticket_id=ticket_id)
    filed = await scene.plugin.create_ticket(TicketDraft(subject="Filed in error"), mark=MARK)
    poor = replace(scene.plugin.manifest, inverses=frozenset(), operations=frozenset(Operation) - {"ticket_changes"})
    scene.plugin.manifest = poor  # type: ignore[misc]  # of this one connection, as a plugin from outside may have it
    told = await scene.look(
        scene.write("link_tickets", link), scene.write("add_note", note), scene.write("update_ticket", fields)
    )
    said = {item.writes[0].operation: (item.effect, item.why or "") for item in told}
    assert said["link_tickets"][0] is Effect.NONE
    assert "remove it by hand" in said["link_tickets"][1]
    assert said["update_ticket"][0] is Effect.NONE
    assert "subject was 'Printer jams'" in said["update_ticket"][1]
    assert said["add_note"][0] is Effect.CORRECT_NOTE
    (closing,) = await scene.look(scene.write("create_ticket", filed))
    assert (closing.effect, "close it by hand" in (closing.why or "")) == (Effect.NONE, True)


async def test_a_note_is_no_change_of_the_state_that_an_undo_is_bound_to_where_the_desk_has_no_stamp(
    scene: Scene,
) -> None:
    ticket = await scene.plugin.get_ticket(await scene.ticket())
    stampless = replace(ticket, revision=None)
    (note,) = (await _noted(scene, ticket.id)).notes
    assert state_of(replace(stampless, notes=(note,))) == state_of(stampless)
    assert state_of(replace(stampless, subject="Other")) != state_of(stampless)
    assert state_of(ticket) == ticket.revision


async def _noted(scene: Scene, ticket_id: str) -> Any:
    await scene.plugin.add_note(ticket_id, NoteDraft(body=NOTE, mark=MARK))
    return await scene.plugin.get_ticket(ticket_id)
