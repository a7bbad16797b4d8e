"""Reads the files on a run's ticket: once, as a step of the journal, in time that a run can spare.

A file that cannot be had or read costs nobody the note: its name and the reason are kept instead.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from deskhand.engine.journal import Journal
from deskhand.kit.marks import strip_marks
from deskhand.notes.facts import FileText
from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile, Ticket
from deskhand.plugins.errors import DeskError
from deskhand.work.files.choosing import Choice, FileKind, choose, short_name, too_large
from deskhand.work.files.excerpts import excerpt
from deskhand.work.files.read import NO_FILES, FilesRead
from deskhand.work.files.texts import UnreadError, text_of
from deskhand.work.hands import DeskHands

SECONDS = 90.0
"""For all files of a ticket; a note is worth more than the third screenshot."""
TOO_LATE = "there was no time left"
# Of this process, whatever the number of runs: reading takes cores from those who wait for a note.
_readers = ThreadPoolExecutor(2, thread_name_prefix="file-reader")


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads for one run.

    Attributes:
        hands: The road to the desk.
        journal: The run's.
    """

    hands: DeskHands
    journal: Journal

    async def read(self, ticket: Ticket, *, look: int) -> FilesRead:
        """What the files on a ticket say.

        Args:
            ticket: As the run reads it now.
            look: Which look at the ticket this is.
        """
        choice = choose(ticket.files)
        if not choice.read and not choice.unread:
            return NO_FILES
        kept = await self.journal.step(
            name="read_files",
            key="read_files" if look == 1 else f"read_files:{look}",
            kind="tool",
            input={"files": [file.name for file, _ in choice.read]},
            body=lambda: self._read(ticket, choice),
        )
        return FilesRead(
            tuple(FileText(**one) for one in kept["texts"]), tuple((name, why) for name, why in kept["unread"])
        )

    async def _read(self, ticket: Ticket, choice: Choice) -> dict[str, Any]:
        texts: list[dict[str, Any]] = []
        unread = [list(one) for one in choice.unread]
        loop = asyncio.get_running_loop()
        until = loop.time() + SECONDS
        for file, kind in choice.read:
            name = short_name(file.name)
            try:
                async with asyncio.timeout_at(until):
                    text = await self._text(ticket, file, kind)
            except UnreadError as error:
                unread.append([name, str(error)])
            except TimeoutError:
                unread.append([name, TOO_LATE])
            else:
                if text:
                    texts.append({"name": name, "text": text, "public": file.public is True})
        return {"texts": texts, "unread": unread}

    async def _text(self, ticket: Ticket, file: AttachedFile, kind: FileKind) -> str:
        try:
            content = await self.hands.desk.read_file(ticket.id, file)
        # Files often lie on another host than the desk; that one being away must not cost the note.
        except DeskError as error:
            raise UnreadError(error.detail.rstrip(".")) from error
        if len(content) > MAX_FILE_BYTES:
            raise UnreadError(too_large(len(content)))
        text = await asyncio.get_running_loop().run_in_executor(_readers, text_of, content, kind, file.name)
        return strip_marks(excerpt(text))
