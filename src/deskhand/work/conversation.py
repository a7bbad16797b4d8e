"""The conversation on a ticket, as evidence: who said what, without what is quoted again and without machines. Pure.

Our own notes were made of the ticket; read as a part of it they would confirm themselves, and so would those of
another machine. A note is ours where our journal knows it, our account wrote it, or its writer's own words carry our
mark; a mark in words that somebody quotes, or in a requester's, makes nothing ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC
from typing import Literal

from deskhand.kit.marks import find_marks, strip_marks
from deskhand.kit.replies import Known, split_mail
from deskhand.notes.facts import Turn
from deskhand.plugins.contract import Note, Person, Ticket, TicketEvent, TicketingToolPlugin, TicketMetadata
from deskhand.work.automatic import sign_of
from deskhand.work.people import is_requester

# Names of products alone: "Ai", "Claude" and "Gemini" are names of people and of other things, too.
_MACHINES = r"(?:AI|[Cc]hat[Bb]ot|Copilot|ChatGPT|Now Assist|Atlassian Intelligence|Rovo|Freddy AI|Zia|Fin AI)"
_MACHINE_NAME = re.compile(rf"(?:^|\s){_MACHINES}(?:\s(?:[Aa]gent|[Aa]ssistant|[Bb]ot))?$")
_MADE_BY_MACHINE = re.compile(
    r"\b(?:AI[- ][Gg]enerated|(?:[Gg]enerated|[Ww]ritten|[Dd]rafted|[Cc]reated|[Ss]ummari[sz]ed) (?:by|with|using)"
    rf" (?:an? |the )?{_MACHINES}|KI-generiert|(?:[Vv]on|[Dd]urch|[Mm]it) (?:einer |der )?KI"
    r" (?:erstellt|generiert|verfasst)|[Gg]énérée? par (?:l['’]|une )?(?:IA|intelligence artificielle)"
    r"|[Gg]enerad[oa] (?:por|con) (?:la |una )?(?:IA|inteligencia artificial)"
    r"|[Gg]erad[oa] (?:por|com) (?:a |uma )?(?:IA|inteligência artificial))\b"
)
_CAPTION = 200


@dataclass(frozen=True, slots=True)
class Conversation:
    """What people said on a ticket since it was filed.

    Attributes:
        turns: Oldest first.
        ours: Notes of our own that were left out.
        machines: Notes of other machines that were left out.
    """

    turns: tuple[Turn, ...] = ()
    ours: int = 0
    machines: int = 0

    @property
    def extent(self) -> tuple[str, ...]:
        """What of the ticket's notes was no evidence, in sentences."""
        counted = ((self.ours, "of our own"), (self.machines, "of another machine"))
        return tuple(
            f"{count} {'note' if count == 1 else 'notes'} {whose} left out." for count, whose in counted if count
        )


def read_conversation(ticket: Ticket, desk: TicketingToolPlugin, receipts: Collection[str]) -> Conversation:
    """The conversation on a ticket.

    Args:
        ticket: With its notes, oldest first.
        desk: Its connection, which knows our account there.
        receipts: Ids of the notes that our journal knows as ours.
    """
    is_known = _of_ours(ticket, desk, receipts)
    known = Known()
    known.add(f"{ticket.subject}\n{ticket.description}")
    turns: list[Turn] = []
    ours = machines = 0
    for note in ticket.notes:
        mail = split_mail(note.body)
        if is_known(note, mail.own):
            ours += 1
            # What people quote of it is not theirs either.
            known.add(note.body)
        elif sign_of(note, ticket) or (not is_requester(note.author, ticket) and _is_machines(note, mail.own)):
            machines += 1
            known.add(note.body)
        else:
            # A desk does not have every mail that is quoted to it: what nobody has read yet is kept, once.
            quoted = known.new_lines(strip_marks(mail.quoted))
            text = "\n\n".join(part for part in (mail.own, quoted and f"(quoted) {quoted}") if part)
            known.add(text)
            if text := strip_marks(text).strip():
                turns.append(_turn(note, ticket, text))
    return Conversation(tuple(turns), ours, machines)


def is_ours(note: Note, desk: TicketingToolPlugin) -> bool:
    """Whether a note looks like ours, told by nothing but itself: by its author's account, or our mark in own words."""
    return _is_account(desk, note.author) or bool(find_marks(split_mail(note.body).own))


def _turn(note: Note, ticket: Ticket, text: str) -> Turn:
    at = note.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if note.created_at else ""
    return Turn(who=_who(note, ticket), text=text, public=note.public, at=at)


def _who(note: Note, ticket: Ticket) -> Literal["requester", "technician", "somebody"]:
    if is_requester(note.author, ticket):
        return "requester"
    # Where the desk does not say who works for it: nobody else writes what the requester may not read.
    is_staff = note.author.is_staff if note.author.is_staff is not None else not note.public
    return "technician" if is_staff else "somebody"


def _of_ours(ticket: Ticket, desk: TicketingToolPlugin, receipts: Collection[str]) -> Callable[[Note, str], bool]:
    def is_known(note: Note, own_words: str) -> bool:
        if note.id in receipts:
            return True
        # Whoever files tickets could hide an answer from us by writing a mark into it.
        return not is_requester(note.author, ticket) and (_is_account(desk, note.author) or bool(find_marks(own_words)))

    return is_known


def _is_account(desk: TicketingToolPlugin, author: Person) -> bool:
    about = TicketMetadata(tool_type=desk.manifest.tool_type, ticket_id="")
    return desk.is_own_event(desk.config, TicketEvent(event="note", ticket=about, actor=author)) is True


def _is_machines(note: Note, own_words: str) -> bool:
    """Whether another machine wrote a note: by its author's name, or by a caption on its first or last line."""
    if _MACHINE_NAME.search(note.author.name or ""):
        return True
    lines = [line for line in own_words.splitlines() if line.strip()]
    return any(_MADE_BY_MACHINE.search(line[:_CAPTION]) for line in {*lines[:1], *lines[-1:]} if len(line) <= _CAPTION)
