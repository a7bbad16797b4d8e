"""What a note is made of: the ticket, what was found for it, and what is suggested (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NEAR = 0.35
"""Sources less likely than this to be about the same thing are shown at most, never turned into steps."""

STRONG = 0.6
"""Sources at least this likely to be about the same thing are called close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something that was looked up.

    Attributes:
        ref: What the model calls it: ``T1``, ``K1``, ``S1``; unique within a note.
        kind: Solved ticket, article, system of the inventory, or a ticket as its desk shows it now.
        label: What people call it: a ticket number, an article id, a host name.
        title: Subject, title, or role.
        text: The resolution of a ticket, the body of an article, facts of a system.
        problem: What a solved ticket's user had written.
        named: Of a system, the words of the ticket that name it.
        url: Where to read it, if it can be read.
        score: Likelihood that it is about the same thing, 0 to 1; None where that was not measured.
        synthetic: Invented content of a demo; readers are told so.
    """

    ref: str
    kind: Literal["ticket", "article", "system", "live"]
    label: str
    title: str
    text: str = ""
    problem: str = ""
    named: str = ""
    url: str | None = None
    score: float | None = None
    synthetic: bool = False

    @property
    def closeness(self) -> float:
        """The score, or just close where none was measured."""
        # What a tool showed has no score; the model chose to look at it, which says as much as a close one.
        return STRONG if self.score is None else self.score

    @property
    def solution(self) -> str:
        """What it says to do; an article's title belongs to it, a ticket's subject does not."""
        # A subject is the requester's complaint and proves no instruction; an article's title is part of what its
        # author teaches.
        return self.text if self.kind == "ticket" else f"{self.title}\n{self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What somebody said on the ticket after it was filed.

    Attributes:
        who: ``requester``, ``technician``, or ``somebody`` where the desk does not say.
        text: Their own words; what they quote only where it stands nowhere else on the ticket.
        public: Whether the requester reads it.
        at: When, in UTC to the minute; empty where the desk does not say.
    """

    who: Literal["requester", "technician", "somebody"]
    text: str
    public: bool = True
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileText:
    """The words in a file that hangs on the ticket, or the part of them that tells most.

    Attributes:
        public: Whether the requester is known to see it.
    """

    name: str
    text: str
    public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """Another ticket of the same problem: the one that the ticket is a part of, or was made out of.

    Attributes:
        relation: What it is to the ticket.
        number: Its number.
        solution: How it was solved, where it was.
        conversation: What people said on it, oldest first.
        takes_note: The note is written on it, and not on the ticket.
    """

    relation: Literal["parent", "origin"]
    number: str
    subject: str
    description: str = ""
    solution: str = ""
    conversation: tuple[Turn, ...] = ()
    takes_note: bool = False

    @property
    def text(self) -> str:
        """Everything people wrote on it."""
        said = (turn.text for turn in self.conversation)
        return "\n".join((self.number, self.subject, self.description, self.solution, *said))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A value for one field of the ticket, with its evidence.

    Attributes:
        field: ``category`` or ``priority``.
        value: None if the evidence was too thin.
        votes: How many of ``of`` similar tickets have the value.
        of: How many similar tickets have any.
        current: What the ticket has now.
    """

    field: Literal["category", "priority"]
    value: str | None
    votes: int = 0
    of: int = 0
    current: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteFacts:
    """Everything a note is made of.

    Attributes:
        ticket_ref: The ticket's number.
        subject: Its subject, written by a stranger.
        description: Its text, written by a stranger.
        sources: What was found, best first within each kind.
        suggestions: Category and priority.
        unavailable: Sources that could not be asked, with why: ``"articles (timeout)"``.
        model_label: Names the model in the footer of a note that has words of it.
        conversation: What people said on the ticket since, oldest first; no note of ours or of another machine.
        files: What its files say, newest first.
        unread: Names of files that could have been read and were not.
        particulars: What is known of the ticket besides its texts, by name.
        kin: The ticket that it is a part of or was made out of, where it was read.
    """

    ticket_ref: str
    subject: str
    description: str
    sources: tuple[Source, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    unavailable: tuple[str, ...] = ()
    model_label: str = ""
    conversation: tuple[Turn, ...] = ()
    files: tuple[FileText, ...] = ()
    unread: tuple[str, ...] = ()
    particulars: tuple[tuple[str, str], ...] = ()
    kin: Kin | None = None

    def of_kind(self, kind: str) -> list[Source]:
        """Its sources of one kind, best first."""
        return [source for source in self.sources if source.kind == kind]

    @property
    def ticket_text(self) -> str:
        """Everything people wrote on it: subject, description, and the conversation, the newest first."""
        # The newest first, because whoever reads only a beginning is to miss what is old.
        return "\n".join((self.subject, self.description, *(turn.text for turn in reversed(self.conversation))))

    @property
    def known_text(self) -> str:
        """The same with what else is known of the ticket: what a sentence about it may name."""
        files = (f"{one.name}\n{one.text}" for one in self.files)
        kin = (self.kin.text,) if self.kin else ()
        return "\n".join((self.ticket_text, *files, *(value for _, value in self.particulars), *kin))
