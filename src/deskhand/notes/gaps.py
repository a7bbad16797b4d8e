"""What a note says that it does not know: sources that could not be asked, and files that nobody read. Pure."""

from __future__ import annotations

from collections.abc import Callable

from deskhand.notes.facts import NoteFacts
from deskhand.notes.markup import clip, plain

_SHOWN_SOURCES, _SHOWN_FILES = 4, 3


def gaps(facts: NoteFacts, say: Callable[..., str]) -> list[str]:
    """A block for each kind of gap; none where nothing is missing.

    Args:
        facts: What the note is made of.
        say: A sentence of ours in the note's language.
    """
    blocks: list[str] = []
    if facts.unavailable:
        names = ", ".join(plain(clip(say(name), limit=8)) for name in facts.unavailable[:_SHOWN_SOURCES])
        blocks.append(f"**{say('Could not be asked:')}** {names}. {say('What it knows is missing here.')}")
    if facts.unread:
        count = len(facts.unread)
        files = say("1 file") if count == 1 else say("{count} files", count=count)
        names = ", ".join(plain(clip(name, limit=8)) for name in facts.unread[:_SHOWN_FILES])
        more = ", …" if count > _SHOWN_FILES else ""
        blocks.append(f"**{say('Not read:')}** {files} ({names}{more}).")
    return blocks
