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


class PicturesGo(StrEnum):
    """To which models pictures on tickets are shown; of the others the words are read here, if there is a program.

    - ``house``: to those that run in the tenant's or the operator's own house.
    - ``anywhere``: to vendors too, as they are: nothing that stands on a picture can be masked.
    - ``nowhere``: to none.
    """

    HOUSE = "house"
    ANYWHERE = "anywhere"
    NOWHERE = "nowhere"


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
    pictures: PicturesGo = Field(
        PicturesGo.HOUSE,
        description="Which models are shown the pictures among them, if they see: those in your own `house`, those"
        " `anywhere` (nothing on a picture can be masked), or `nowhere`. Of the others the words are read here.",
    )
    picture_model: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The model that is shown pictures, as an agent's `llm_config` would name it; by naming it you say"
        " that it sees. Null: the agent's own, where the catalogue says that it does.",
    )
    picture_connection: str | None = Field(
        None,
        pattern="^[a-z][a-z0-9-]{0,39}$",
        description="Its connection; null: the default one.",
    )
    verdict_link: bool = Field(
        False,
        description="Whether a note ends in a link by which its readers say whether it helped, without signing in. An"
        " agent's outcome may say otherwise.",
    )
    verdict_link_days: int = Field(14, ge=1, le=90, description="How long such a link holds.")

    @property
    def sees(self) -> dict[str, str] | None:
        """The model that is shown pictures, as ``llm_config`` would name it; None: the agent's own."""
        if self.picture_model is None:
            return None
        connection = {"connection": self.picture_connection} if self.picture_connection else {}
        return {"model": self.picture_model, **connection}


def note_rules(preferences: dict[str, Any] | None) -> NoteRules:
    """The rules as they are stored; where something else stands under that name, the usual ones."""
    stored = (preferences or {}).get("notes")
    try:
        return NoteRules.model_validate(stored) if isinstance(stored, dict) else NoteRules()
    except ValidationError:
        # Preferences keep keys that nobody knew when they were written.
        return NoteRules()
