"""The contract of taking writes back."""

from __future__ import annotations

from dataclasses import replace

from deskhand.plugins.contract import Inverse, NoteDraft, TicketChanges, TicketLink
from deskhand.plugins.errors import DeskUnsupportedError
from deskhand.simulators.testing.failures import DRAFT, MARK, OTHER_MARK, raised
from deskhand.simulators.testing.harness import DeskHarness


class UndoContract:
    """Part of ``PluginContract``."""

    async def test_fields_are_as_before_except_what_a_person_changed(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        if Inverse.RESTORE_FIELDS not in desk.plugin.manifest.inverses:
            await raised(DeskUnsupportedError, desk.plugin.restore_fields(ticket_id, ()))
            return
        await desk.plugin.update_ticket(ticket_id, TicketChanges(priority=desk.words.priorities[-1]))
        before = await desk.plugin.get_ticket(ticket_id)
        custom = desk.words.custom
        changes = TicketChanges(
            subject="Printer of floor 3",
            priority=desk.words.priorities[0],
            group=desk.words.group,
            category=desk.words.category,
            custom={custom[0]: custom[1]} if custom else {},
        )
        receipts = [
            await desk.plugin.update_ticket(ticket_id, changes, mark=MARK),
            await desk.plugin.assign(ticket_id, assignee_email=desk.words.technician),
            await desk.plugin.transition(ticket_id, desk.words.working_status),
        ]
        await desk.rename_elsewhere(ticket_id, "Printer of floor 4, says Ines")
        skipped = []
        for receipt in reversed(receipts):
            restored = await desk.plugin.restore_fields(ticket_id, receipt.changes, mark=OTHER_MARK)
            skipped += [change.field for change in restored.skipped]
        assert skipped == ["subject"]
        after = await desk.plugin.get_ticket(ticket_id)
        assert after.subject == "Printer of floor 4, says Ines"
        assert after.status == (desk.words.restored_status or before.status)
        for name in ("priority", "group", "category", "assignee"):
            assert getattr(after, name) == getattr(before, name), name
        if custom:
            assert custom[1] not in str(after.custom)
        again = await desk.plugin.restore_fields(ticket_id, receipts[0].changes, mark=OTHER_MARK)
        assert again.receipt is None

    async def test_a_note_is_withdrawn(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        if Inverse.WITHDRAW_NOTE not in desk.plugin.manifest.inverses:
            await raised(DeskUnsupportedError, desk.plugin.withdraw_note(ticket_id, "1", reason="wrong"))
            return
        receipt = await desk.plugin.add_note(ticket_id, NoteDraft(body="Format the disk.", mark=MARK))
        reason = "The note above is wrong: do not follow it."
        await desk.plugin.withdraw_note(ticket_id, receipt.id, reason=reason, mark=OTHER_MARK)
        await desk.plugin.withdraw_note(ticket_id, receipt.id, reason=reason, mark=OTHER_MARK)
        bodies = [note.body for note in (await desk.plugin.get_ticket(ticket_id)).notes]
        gone = not any("Format the disk" in body for body in bodies)
        corrected = sum("do not follow it" in body for body in bodies)
        assert (gone, corrected) in {(True, 0), (False, 1)}

    async def test_a_link_is_removed(self, desk: DeskHarness) -> None:
        one, other = await desk.create_ticket("Printer jams"), await desk.create_ticket("Print server is down")
        if Inverse.UNLINK_TICKETS not in desk.plugin.manifest.inverses:
            await raised(DeskUnsupportedError, desk.plugin.unlink_tickets(one, TicketLink(ticket_id=other)))
            return
        for kind in sorted(desk.plugin.manifest.links):
            other = await desk.create_target(kind)
            link = TicketLink(kind=kind, ticket_id=other)
            await desk.plugin.link_tickets(one, link, mark=MARK)
            assert not (await desk.plugin.unlink_tickets(one, link)).adopted
            assert (await desk.plugin.unlink_tickets(one, link)).adopted
            assert not (await desk.plugin.link_tickets(one, link, mark=MARK)).adopted
            await desk.plugin.unlink_tickets(one, link)

    async def test_a_ticket_created_in_error_is_closed(self, desk: DeskHarness) -> None:
        if Inverse.CLOSE_CREATED not in desk.plugin.manifest.inverses:
            return
        created = await desk.plugin.create_ticket(replace(DRAFT, subject="Made in error"), mark=MARK)
        await desk.plugin.close_created(created.ticket_id, reason="Created in error.", mark=OTHER_MARK)
        assert (await desk.plugin.get_ticket(created.ticket_id)).is_closed
        assert (await desk.plugin.close_created(created.ticket_id, reason="Again.", mark=OTHER_MARK)).adopted
