"""When a tenant's technicians want to hear of an agent."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationError

from deskhand.kit.schema import InputModel


class NothingFound(StrEnum):
    """What becomes of a note that could only say that nothing was found.

    - ``auto``: written, once per ticket, while the tenant has fewer than 100 solved tickets and articles; then not.
    - ``say``: written, once per ticket.
    - ``silent``: not written; the run's page says so.
    """

    AUTO = "auto"
    SAY = "say"
    SILENT = "silent"


DEFAULT_CEILING = 5


class NoteRules(InputModel):
    """When notes are written."""

    nothing_found: NothingFound = Field(
        NothingFound.AUTO,
        description="Whether a note says that nothing was found: `say`, `silent`, or `auto`, which says it while there"
        " are fewer than 100 solved tickets and articles. An agent's outcome may say otherwise.",
    )
    oldest_ticket_days: int | None = Field(
        730,
        ge=1,
        le=3_650,
        description="Nothing is written on a ticket that was filed longer ago, unless somebody asked for the run; null:"
        " however old it is.",
    )
    public_per_ticket_and_day: int = Field(
        DEFAULT_CEILING,
        ge=0,
        le=100,
        description="Replies and questions that one ticket gets within a day, of whichever agents; what is beyond"
        " becomes an internal note. A call that a person approved is not counted against it.",
    )
    latest_event_hours: int | None = Field(
        24,
        ge=1,
        le=720,
        description="Nothing is written for an event that is older, as after an outage, unless somebody asked for the"
        " run; null: however late it is.",
    )
    read_files: bool = Field(
        True,
        description="Whether the files on a ticket are read (texts, PDF, Word, pictures where the installation can),"
        " and not their names alone.",
    )
    verdict_link: bool = Field(
        False,
        description="Whether a note ends in a link by which its readers say whether it helped, without signing in. An"
        " agent's outcome may say otherwise.",
    )
    verdict_link_days: int = Field(14, ge=1, le=90, description="How long such a link holds.")


def note_rules(preferences: dict[str, Any] | None) -> NoteRules:
    """The rules as they are stored; where something else stands under that name, the usual ones."""
    stored = (preferences or {}).get("notes")
    try:
        return NoteRules.model_validate(stored) if isinstance(stored, dict) else NoteRules()
    except ValidationError:
        # Preferences keep keys that nobody knew when they were written.
        return NoteRules()
