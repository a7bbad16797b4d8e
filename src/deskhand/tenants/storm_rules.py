"""When tickets of one client company count as reports of one outage, and who is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from deskhand.access.people.schemas import EmailAddress
from deskhand.kit.schema import InputModel
from deskhand.tenants.approval_rules import MOST_PEOPLE

DEFAULT_WINDOW = 60
DEFAULT_LEAST = 5


class StormRules(InputModel):
    """Tickets about one outage: recognised, counted, told once, and not one note each."""

    on: bool = Field(
        True, description="Whether tickets about one outage are recognised; off, each of them gets its note."
    )
    window_minutes: int = Field(
        DEFAULT_WINDOW,
        ge=5,
        le=1_440,
        description="Tickets that come within so many minutes may be about one outage; after as long without another"
        " it is over.",
    )
    least: int = Field(
        DEFAULT_LEAST,
        ge=3,
        le=1_000,
        description="So many tickets of as many requesters make an outage; twice as many on a desk that has been known"
        " for less than a week.",
    )
    tell: list[EmailAddress] = Field(
        default_factory=list,
        max_length=MOST_PEOPLE,
        description="Members who are told of each outage by mail, unless they choose otherwise, beside whoever is told"
        " of everything.",
    )


def storm_rules(preferences: Mapping[str, Any] | None) -> StormRules:
    """The rules as they are stored; where something else stands under that name, the usual ones."""
    stored = (preferences or {}).get("storms")
    try:
        return StormRules.model_validate(stored) if isinstance(stored, dict) else StormRules()
    except ValidationError:
        # Preferences keep keys that nobody knew when they were written.
        return StormRules()
