"""What a note may move on a ticket although nobody asked for it. Frozen, vendor-neutral; see ``plugins.contract``.

Three answers and not two: a desk that does not tell is not a desk on which nothing happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class NoteEffect(StrEnum):
    """What a desk may do because of a note; ``Manifest.note_settings`` says where its administrator changes it."""

    VISIBILITY = "visibility"
    MAIL = "mail"
    FIRST_RESPONSE = "first_response"
    STATUS = "status"
    ASSIGNEE = "assignee"
    CLOCKS = "clocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """A mail that a desk sent about a ticket.

    Attributes:
        id: The desk's own, the same however often it is listed.
        to: Addresses, as far as the desk shows them.
        rule: What sent it, where the desk tells.
    """

    id: str
    to: tuple[str, ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a ticket stands beside its fields. None each time: this desk does not tell.

    Attributes:
        first_response: When the requester counts as answered; "" not yet.
        clocks: By name of a target, whether its clock runs.
        mails: What the desk has sent about the ticket.
    """

    first_response: str | None = None
    clocks: Mapping[str, str] | None = None
    mails: tuple[SentMail, ...] | None = None


RUNNING, HALTED, STOPPED = "running", "paused", "stopped"
"""What a clock does, in one word for every desk."""
