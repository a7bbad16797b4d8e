"""What is asked of a trial and what it found, in the API's words."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from deskhand.kit.schema import InputModel
from deskhand.plugins.contract import NoteEffect


class Verdict(StrEnum):
    """What is made of one effect; of the whole trial it is the worst, and what the desk does not tell is none.

    - ``ok``: the note did nothing of the kind.
    - ``untold``: this desk does not tell.
    - ``warning``: it did, and people should know.
    - ``refused``: agents write nothing on this connection until a trial passes.
    """

    OK = "ok"
    UNTOLD = "untold"
    WARNING = "warning"
    REFUSED = "refused"


class TrialState(StrEnum):
    """How far a trial is: ``broken`` is one whose desk did not answer to the end; the same key goes on with it."""

    RUNNING = "running"
    BROKEN = "broken"
    DONE = "done"


TicketNumber = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
TrialKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class NoteTrialRequest(InputModel):
    """On which ticket a note is written."""

    ticket: TicketNumber = Field(description="The ticket's number as people know it, or its id: an open one.")
    key: TrialKey | None = Field(
        None,
        description="Names the trial: repeated with the same key and ticket, it writes no second note and reads again.",
    )


class NoteFinding(BaseModel):
    """One thing that a note may set off, and whether it did."""

    effect: NoteEffect
    title: str
    verdict: Verdict
    before: str | None = Field(None, description="As the desk showed it before the note; null where it does not tell.")
    after: str | None = Field(None, description="The same after it.")
    detail: str
    setting: str | None = Field(None, description="Where the desk's administrator changes it.")


class NoteTrialResponse(BaseModel):
    """A trial of a connection."""

    tool_type: str
    state: TrialState
    verdict: Verdict | None = Field(None, description="Null until it is done.")
    ticket: str
    note_id: str | None = None
    key: str
    tried_at: datetime
    tried_by: str
    detail: str = Field("", description="Why it is broken.")
    findings: list[NoteFinding] = []
