"""Reads the files on a run's ticket: once, as steps of the journal, in time that a run can spare.

A file that cannot be had or read costs nobody the note: its name and the reason are kept instead. Pictures are kept for
a model that sees where the run has one, and read here where it has none, or where that one is no help.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from deskhand.engine.journal import Journal
from deskhand.errors import UnavailableError
from deskhand.kit.marks import strip_marks
from deskhand.notes.facts import FileText
from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile, Ticket
from deskhand.plugins.errors import DeskError
from deskhand.work.files.bare import MOST_BYTES, MOST_SIDE, BarePicture, bare
from deskhand.work.files.choosing import FileKind, choose, short_name, too_large
from deskhand.work.files.excerpts import excerpt
from deskhand.work.files.eyes import MOST_SHOWN, Eyes
from deskhand.work.files.picture_reader import LEAST_HEIGHT, LEAST_WIDTH, MOST_PIXELS, too_many_pixels
from deskhand.work.files.read import NO_FILES, FilesRead
from deskhand.work.files.texts import NO_READER, UnreadError, text_of
from deskhand.work.hands import DeskHands

SECONDS = 90.0
"""For all files of a ticket; a note is worth more than the third screenshot."""
TOO_LATE = "there was no time left"
NOT_SHOWN = "No model was shown the pictures: {why}."
# Of this process, whatever the number of runs: reading takes cores from those who wait for a note.
_readers = ThreadPoolExecutor(2, thread_name_prefix="file-reader")
_Read = dict[int, FileText]


class _Item(NamedTuple):
    """A file that is to be read, with its place among them."""

    number: int
    file: AttachedFile
    kind: FileKind


@dataclass(slots=True)
class _Found:
    """What one ticket's files are found to say, by their places among those that are read."""

    texts: _Read = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


class FileReader:
    """Reads for one run.

    Args:
        hands: The road to the desk.
        journal: The run's.
        eyes: The model that is shown pictures; or why there is none, which may be empty.
    """

    def __init__(self, hands: DeskHands, journal: Journal, eyes: Eyes | str = "") -> None:
        self._hands = hands
        self._journal = journal
        self._eyes = eyes
        # What was fetched to be shown, until it was; after a crash it is fetched anew.
        self._pictures: dict[str, BarePicture] = {}

    async def read(self, ticket: Ticket, *, look: int) -> FilesRead:
        """What the files on a ticket say.

        Args:
            ticket: As the run reads it now.
            look: Which look at the ticket this is.
        """
        choice = choose(ticket.files)
        if not choice.read and not choice.unread:
            return NO_FILES
        until = asyncio.get_running_loop().time() + SECONDS
        items = [_Item(number, file, kind) for number, (file, kind) in enumerate(choice.read)]
        kept = await self._step("read_files", look, ticket, items, until=until, shows=True)
        found = _Found(unread=[*choice.unread])
        _take(kept, found)
        waiting = kept.get("to_show", ())
        # Apart: on a picture that the requester sent may stand that the words of the others are to be repeated there.
        for public in (True, False):
            await self._look(ticket, [one for one in waiting if one["public"] is public], found, look)
        left = [_Item(one["number"], _file(ticket, one), FileKind.PICTURE) for one in waiting]
        if left := [one for one in left if one.number not in found.texts]:
            _take(await self._step("read_words", look, ticket, left, until=until, shows=False), found)
        texts = [found.texts[number] for number in sorted(found.texts) if found.texts[number].text]
        return FilesRead(tuple(texts), tuple(found.unread), tuple(dict.fromkeys(found.remarks)))

    async def _step(
        self, name: str, look: int, ticket: Ticket, items: Sequence[_Item], *, until: float, shows: bool
    ) -> dict[str, Any]:
        kept: dict[str, Any] = await self._journal.step(
            name=name,
            key=name if look == 1 else f"{name}:{look}",
            kind="tool",
            input={"files": [one.file.name for one in items]},
            body=lambda: self._read(ticket, items, until=until, shows=shows),
        )
        return kept

    async def _read(self, ticket: Ticket, items: Sequence[_Item], *, until: float, shows: bool) -> dict[str, Any]:
        texts: list[dict[str, Any]] = []
        unread: list[list[str]] = []
        to_show: list[dict[str, Any]] = []
        for number, file, kind in items:
            told: dict[str, Any] = {"number": number, "name": short_name(file.name), "public": file.public is True}
            try:
                async with asyncio.timeout_at(until):
                    content = await self._content(ticket, file)
                    is_shown = shows and kind is FileKind.PICTURE and len(to_show) < MOST_SHOWN
                    if is_shown and await self._keeps(file.id, content):
                        to_show.append({**told, "id": file.id})
                        continue
                    text = await self._on_thread(text_of, content, kind, file.name)
            except UnreadError as error:
                unread.append([told["name"], self._why(error)])
            except TimeoutError:
                unread.append([told["name"], TOO_LATE])
            else:
                texts.append({**told, "text": strip_marks(excerpt(text))})
        return {"texts": texts, "unread": unread, **({"to_show": to_show} if to_show else {})}

    async def _keeps(self, ident: str, content: bytes) -> bool:
        """Whether a picture is one to be shown to a model, and then it is kept for that.

        Raises:
            UnreadError: It is larger than anybody reads.
        """
        if isinstance(self._eyes, str):
            return False
        picture: BarePicture | None = await self._on_thread(bare, content)
        if picture is None:
            return False
        if picture.pixels > MOST_PIXELS:
            raise UnreadError(too_many_pixels(picture.width, picture.height))
        is_small = picture.width < LEAST_WIDTH or picture.height < LEAST_HEIGHT
        if is_small or len(picture.content) > MOST_BYTES or max(picture.width, picture.height) > MOST_SIDE:
            return False
        self._pictures[ident] = picture
        return True

    async def _look(self, ticket: Ticket, waiting: list[dict[str, Any]], found: _Found, look: int) -> None:
        """Show pictures of one audience to the model."""
        eyes = self._eyes
        if not waiting or isinstance(eyes, str):
            return
        public, names = waiting[0]["public"], [one["name"] for one in waiting]
        key = f"read_pictures{':public' if public else ''}{'' if look == 1 else f':{look}'}"
        looked = await eyes.look(names, partial(self._fetched, ticket, waiting), key=key)
        if looked.why:
            found.remarks.append(NOT_SHOWN.format(why=looked.why))
            return
        for one, text in zip(waiting, looked.texts, strict=True):
            found.texts[one["number"]] = FileText(name=one["name"], text=text, public=public)
        found.remarks.append(f"Read by {looked.model}: {', '.join(names)}.")

    async def _fetched(self, ticket: Ticket, waiting: list[dict[str, Any]]) -> list[BarePicture]:
        """Pictures that are to be shown; after a crash the desk is asked for them again.

        Raises:
            UnavailableError: It does not give them out any more.
        """
        try:
            for one in waiting:
                if one["id"] not in self._pictures:
                    await self._keeps(one["id"], await self._content(ticket, _file(ticket, one)))
        except UnreadError as error:
            raise UnavailableError(f"they could not be fetched again: {error}.") from error
        if not all(one["id"] in self._pictures for one in waiting):
            raise UnavailableError("they are others than before.")
        return [self._pictures.pop(one["id"]) for one in waiting]

    async def _content(self, ticket: Ticket, file: AttachedFile) -> bytes:
        try:
            content = await self._hands.desk.read_file(ticket.id, file)
        # Files often lie on another host than the desk; that one being away must not cost the note.
        except DeskError as error:
            raise UnreadError(error.detail.rstrip(".")) from error
        if len(content) > MAX_FILE_BYTES:
            raise UnreadError(too_large(len(content)))
        return content

    def _why(self, error: UnreadError) -> str:
        """Why a file was not read, with why no model was shown it where nobody else could have read it either."""
        why = str(error)
        return f"{why}, and {self._eyes}" if why == NO_READER and self._eyes and isinstance(self._eyes, str) else why

    @staticmethod
    async def _on_thread(work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(_readers, work, *args)


def _take(kept: dict[str, Any], found: _Found) -> None:
    """What a step of the journal found; where a model has read a picture meanwhile, that holds."""
    for place, one in enumerate(kept["texts"]):
        number = one.get("number", place)
        found.texts.setdefault(number, FileText(name=one["name"], text=one["text"], public=one["public"]))
    found.unread += [(name, why) for name, why in kept["unread"]]


def _file(ticket: Ticket, told: dict[str, Any]) -> AttachedFile:
    """The file that a step of the journal spoke of; on the ticket others may have come before it meanwhile."""
    known = {one.id: one for one in ticket.files}
    return known.get(told["id"]) or AttachedFile(id=told["id"], name=told["name"], public=told["public"])
