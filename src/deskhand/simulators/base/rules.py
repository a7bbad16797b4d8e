"""What a simulated desk does by itself when one of its agents writes a note: business rules, notifications, clocks.

Without a rule nothing happens but what every desk does: an agent's public note is mailed to the requester, and answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict


class NoteRules(BaseModel):
    """Rules for the internal notes of agents, as the desk's administrators have set them.

    Attributes:
        publish: Every note is shown to the requester.
        mail_requester: The requester is mailed about it.
        status: The ticket gets this status.
        assign_author: The ticket goes to whoever wrote it.
        answer: It counts as the first answer, and stops that clock.
    """

    model_config = ConfigDict(extra="forbid")

    publish: bool = False
    mail_requester: bool = False
    status: str | None = None
    assign_author: bool = False
    answer: bool = False


@dataclass(slots=True)
class SimMail:
    """A mail that the desk has sent about a ticket; ``rule`` is what sent it."""

    id: str
    to: str
    rule: str
    sent_at: datetime


PUBLIC_RULE, NOTE_RULE = "Notify requester of a comment", "Notify requester of every note"
