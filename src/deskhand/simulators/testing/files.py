"""The contract of files; asked of a desk as soon as its plugin overrides ``read_file``."""

from __future__ import annotations

from dataclasses import replace

from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile
from deskhand.plugins.errors import DeskNotFoundError, DeskUnsupportedError, DeskValidationError
from deskhand.simulators.testing.failures import FAILURES, offers, raised
from deskhand.simulators.testing.harness import DeskHarness

FILED = {"client log \u2013 M\u00fcller.txt": "Fehler 0x80070035 \u2013 M\u00fcller".encode(), "empty.log": b""}
NOTED = {"screen.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "answer.json": b'{"error": "no JSON of the desk\'s"}'}


class FilesContract:
    """Part of ``PluginContract``."""

    async def test_files_come_back_by_name_with_their_very_bytes(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "read_file"):
            ticket_id = await desk.create_ticket("Printer jams")
            await raised(DeskUnsupportedError, desk.plugin.read_file(ticket_id, AttachedFile(id="1", name="log.txt")))
            return
        ticket_id = await desk.create_with_files(FILED, NOTED)
        ticket, effects = await desk.plugin.get_ticket(ticket_id), await desk.effects(ticket_id)
        contents = {**FILED, **NOTED}
        assert sorted(file.name for file in ticket.files) == sorted(contents)
        assert set(contents) <= set(ticket.attachments)
        for file in ticket.files:
            assert await desk.plugin.read_file(ticket_id, file) == contents[file.name], file.name
            assert file.size in (None, len(contents[file.name]))
            # Said to be the requester's to see only where they see it.
            assert file.name in FILED or not file.public, file.name
        assert await desk.effects(ticket_id) == effects
        assert (await desk.plugin.get_ticket(await desk.create_ticket("Without a file"))).files == ()

    async def test_a_file_that_is_not_there_is_not_found(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "read_file"):
            return
        ticket_id = await desk.create_with_files(FILED, {})
        (file, *_) = (await desk.plugin.get_ticket(ticket_id)).files
        for unknown in (desk.words.missing_id, "", f"x/../{file.id}", f"{file.id}?redirect=true", "\u0663"):
            await raised(DeskNotFoundError, desk.plugin.read_file(ticket_id, replace(file, id=unknown)))

    async def test_a_file_that_is_too_long_is_not_asked_for(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "read_file"):
            return
        ticket_id = await desk.create_with_files(FILED, {})
        (file, *_) = (await desk.plugin.get_ticket(ticket_id)).files
        # A desk that is asked nevertheless would answer with this instead.
        await desk.put_fault(FAILURES["503"][0])
        error = await raised(
            DeskValidationError, desk.plugin.read_file(ticket_id, replace(file, size=MAX_FILE_BYTES + 1))
        )
        assert "up to 10 MiB" in error.detail

    async def test_every_failure_of_a_download_is_translated(self, desk: DeskHarness) -> None:
        if not offers(desk.plugin, "read_file"):
            return
        ticket_id = await desk.create_with_files(FILED, {})
        (file, *_) = (await desk.plugin.get_ticket(ticket_id)).files
        for name, (fault, default) in FAILURES.items():
            if name == "garbage" and file.size is None:
                continue  # nothing tells a page to sign in at from a file of such a page
            await desk.put_fault(fault)
            kind = desk.expected_error("read_file", name, default)
            error = await raised(kind, desk.plugin.read_file(ticket_id, file))
            assert (type(error), error.retry_after) == (kind, 7.0 if name == "429" else None), name
            await desk.heal()
        assert await desk.plugin.read_file(ticket_id, file) == FILED[file.name]
