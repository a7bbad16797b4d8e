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


class NoteRules(InputModel):
    """When notes are written."""

    nothing_found: NothingFound = Field(
        NothingFound.AUTO,
        description="Whether a note says that nothing was found: `say`, `silent`, or `auto`, which says it while there"
        " are fewer than 100 solved tickets and articles. An agent's outcome may say otherwise.",
    )


def note_rules(preferences: dict[str, Any] | None) -> NoteRules:
    """The rules as they are stored; where something else stands under that name, the usual ones."""
    stored = (preferences or {}).get("notes")
    try:
        return NoteRules.model_validate(stored) if isinstance(stored, dict) else NoteRules()
    except ValidationError:
        # Preferences keep keys that nobody knew when they were written.
        return NoteRules()
