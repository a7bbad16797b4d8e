"""Whether a note would say what the agent's last one on the same ticket already says.

A ticket is edited many times, and each edit is an event. The same note twice is noise: a run that brings nothing new
writes nothing, and says which run's note it would have repeated.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import select

from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import StepState
from deskhand.kit.db.session import Database
from deskhand.kit.marks import strip_marks
from deskhand.notes.facts import NoteFacts
from deskhand.notes.news import Content, read_content
from deskhand.notes.wording import spellings
from deskhand.plugins.contract import Ticket
from deskhand.tenants.service import last_enhancement

WRITTEN = ("add_note", "update_note")
ReadNote = Callable[..., Awaitable["LastNote | None"]]

# What a field has now is told beside a suggestion; that somebody changed the field is no news to who changed it.
_LETTERS = re.compile(r"[^\W_]+")
_NOW = "|".join(re.escape(now.format(value="")) for now in spellings("now {value}"))
_CURRENT = re.compile(rf", (?:{_NOW})[^)\n]{{1,200}}\)")


@dataclass(frozen=True, slots=True)
class LastNote:
    """The note an agent last wrote on a ticket.

    Attributes:
        run_id: The run that wrote it.
        note_id: The desk's id of it, if it is known.
        text: Its Markdown.
        facts_digest: Digest of what it was made of; None for a note without the model's words, which a later run may
            do better.
        says_so_far: What it and the agent's notes before it say, as facts.
        about: Digest of the ticket's words that it was about.
        of: Ids of the tickets that it is about: the one that it stands on, or parts of that one.
    """

    run_id: UUID
    note_id: str | None
    text: str
    facts_digest: str | None
    says_so_far: Content = field(default_factory=Content)
    about: str | None = None
    of: tuple[str, ...] = ()

    @property
    def lacks_model(self) -> bool:
        """Whether it was written without the model's words."""
        return self.facts_digest is None

    def says(self, text: str) -> bool:
        """Whether it says the same as another note."""
        return _essence(self.text) == _essence(text)


async def read_last_note(
    db: Database, *, tenant_id: str, agent_id: UUID, tool_type: str, ticket_id: str, besides: UUID
) -> LastNote | None:
    """The agent's last note on a ticket, of another run than ``besides``; None if there is none."""
    async with db.tenant_session(tenant_id) as session:
        row = await last_enhancement(session, ticket_id=ticket_id, tool_type=tool_type, agent_id=agent_id)
    # A run that is resumed after it wrote its note would find itself, and write "nothing new" over its own ending.
    if row is None or row.id == besides:
        return None
    context = row.context_gathered or {}
    says = read_content(context.get("says") or {"sources": [_name(one) for one in context.get("sources") or ()]})
    digest = context.get("facts_digest")
    of = tuple(context.get("of") or (ticket_id,))
    return LastNote(row.id, context.get("note_id"), row.llm_output or "", digest, says, context.get("about"), of)


async def read_begun_note(
    db: Database, *, tenant_id: str, agent_id: UUID, tool_type: str, ticket_id: str, besides: UUID
) -> LastNote | None:
    """The newest note that another run of the agent wrote or began, also where nobody knows whether it is there.

    A run that could not end after its note is not remembered, and one that waits over its note for a person is not yet;
    an event that came in between starts a run that would write the same.
    """
    s, run = ExecutionStep, AgentExecution
    target = s.input["target"].astext
    begun = (
        select(
            s.execution_id,
            s.input["body"].astext.label("body"),
            s.output["id"].astext.label("note_id"),
            s.started_at,
            s.position,
        )
        .join(run, run.id == s.execution_id)
        .where(run.agent_id == agent_id, run.id != besides)
        .where(s.kind == "write", s.name.in_(WRITTEN), s.state != StepState.FAILED)
    )
    own = begun.where(run.tool_type == tool_type, run.ticket_ref == ticket_id, target.is_(None))
    # Of a part of the ticket, which writes on it; a union, since each half has an index of its own.
    either = own.union_all(begun.where(target == f"{tool_type}/{ticket_id}")).subquery()
    query = select(either).order_by(either.c.started_at.desc(), either.c.position.desc()).limit(1)
    async with db.tenant_session(tenant_id) as session:
        row = (await session.execute(query)).one_or_none()
    return None if row is None else LastNote(row[0], row[2], row[1] or "", None)


def facts_digest(facts: NoteFacts, agent_version_id: UUID, *, told: str = "") -> str:
    """Digest of everything a note of this version of the agent is made of; the same facts give the same note.

    Args:
        facts: The ticket and what was found.
        agent_version_id: The version.
        told: What the tenant tells about such tickets.
    """
    made_of = to_jsonable_python(facts)
    # Without votes and current values: they change with every ticket that is imported, and the note's advice does not.
    made_of["suggestions"] = [(one.field, one.value) for one in facts.suggestions]
    # The same of a status or a group that somebody set.
    del made_of["particulars"]
    made_of["agent_version"] = str(agent_version_id)
    if told:
        made_of["told"] = told
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def about(facts: NoteFacts, agent_version_id: UUID) -> str:
    """Digest of what people wrote on a ticket, and of the agent that reads it: on the same, only findings are news."""
    current = next((one.current for one in facts.suggestions if one.field == "category"), None)
    # Our own notes are no news to us and no part of the conversation; what a person wrote is, whoever they are.
    said = sorted(turn.text for turn in facts.conversation)
    said += sorted(f"{file.name}\n{file.text}" for file in facts.files)
    words = [str(agent_version_id), facts.subject, facts.description, current or "", *said]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def is_untouched(last: LastNote, ticket: Ticket) -> bool:
    """Whether a note still stands among the ticket's newest as it was written, so that it may be written anew."""
    note = next((one for one in ticket.notes if one.id == last.note_id), None)
    # By its words: what a desk gives back is never the text that it was given.
    return note is not None and not note.public and _words(strip_marks(note.body)) == _words(last.text)


def _words(text: str) -> list[str]:
    return _LETTERS.findall(text)


def _name(source: dict[str, Any]) -> str:
    return f"{source.get('kind')}:{source.get('ref')}"


def _essence(note: str) -> str:
    return " ".join(_CURRENT.sub(")", note).split())
