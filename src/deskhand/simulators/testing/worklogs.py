"""The contract of work logs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from deskhand.plugins.contract import Inverse, WorkLog
from deskhand.plugins.errors import DeskUnavailableError, DeskUnsupportedError
from deskhand.simulators.base import Fault
from deskhand.simulators.testing.failures import MARK, OTHER_MARK, WORK, offers, raised
from deskhand.simulators.testing.harness import DeskHarness


class WorkLogContract:
    """Part of ``PluginContract``."""

    async def test_time_is_written_down_and_nobody_is_told(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "log_time"):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        before, standing = await desk.plugin.get_ticket(ticket_id), await desk.plugin.standing(ticket_id)
        receipt = await desk.plugin.log_time(ticket_id, WORK)
        assert (receipt.ticket_id, receipt.mark, receipt.adopted) == (ticket_id, MARK, False)
        assert receipt.id
        ((minutes, text, started),) = await desk.work_logs(ticket_id)
        assert (minutes, started.date()) == (95, WORK.started_at.date())
        assert "Looked through" in text
        after = await desk.plugin.get_ticket(ticket_id)
        assert (after.notes, after.status, after.assignee) == (before.notes, before.status, before.assignee)
        assert await desk.plugin.standing(ticket_id) == standing

    async def test_a_work_log_is_found_by_its_mark(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "log_time"):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        assert await desk.plugin.find_time(ticket_id, MARK) is None
        await desk.plugin.get_ticket(ticket_id)  # signed in, so that what is cut off is the write itself
        await desk.put_fault(Fault(kind="outage", writes_only=True, after_effect=True))
        await raised(DeskUnavailableError, desk.plugin.log_time(ticket_id, WORK))
        await desk.heal()
        found = await desk.plugin.find_time(ticket_id, MARK)
        assert found is not None
        assert (found.ticket_id, found.mark, found.adopted) == (ticket_id, MARK, True)
        assert len(await desk.work_logs(ticket_id)) == 1
        assert await desk.plugin.find_time(ticket_id, OTHER_MARK) is None
        # A work log is no note: the two are looked for in places of their own.
        assert await desk.plugin.find_write(ticket_id, MARK) is None

    async def test_whoever_copies_a_work_log_has_not_written_ours(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "log_time"):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        await desk.log_elsewhere(ticket_id, f"As above: {MARK}")
        assert await desk.plugin.find_time(ticket_id, MARK) is None
        made = await desk.plugin.log_time(ticket_id, WORK)
        found = await desk.plugin.find_time(ticket_id, MARK)
        assert found is not None
        assert found.id == made.id

    async def test_a_work_log_is_withdrawn(self, desk: DeskHarness) -> None:
        ticket_id = await desk.create_ticket("Printer jams")
        if Inverse.WITHDRAW_TIME not in desk.plugin.manifest.inverses:
            await raised(DeskUnsupportedError, desk.plugin.withdraw_time(ticket_id, "1"))
            return
        receipt = await desk.plugin.log_time(ticket_id, WORK)
        await desk.plugin.log_time(ticket_id, replace(WORK, text="Another.", mark=OTHER_MARK))
        assert not (await desk.plugin.withdraw_time(ticket_id, receipt.id)).adopted
        assert (await desk.plugin.withdraw_time(ticket_id, receipt.id)).adopted
        ((_, text, _),) = await desk.work_logs(ticket_id)
        assert "Another." in text

    async def test_one_work_log_holds_what_a_desk_shows(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "log_time"):
            return
        ticket_id = await desk.create_ticket("Printer jams")
        night = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
        long = WorkLog(minutes=24 * 60, text="ü" * 2000, started_at=night, mark=MARK)
        await desk.plugin.log_time(ticket_id, long)
        ((minutes, _, _),) = await desk.work_logs(ticket_id)
        assert minutes == 24 * 60
        assert await desk.plugin.find_time(ticket_id, MARK) is not None
