"""How a tenant finds out what notes are worth: by leaving some tickets without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from deskhand.kit.schema import InputModel

MOST_HELD_OUT = 50
HOLD_OUT = "hold_out"
"""The step in which a run draws whether its ticket is held out, by its name and its key; the report looks for it."""


class WorthRules(InputModel):
    """How what notes are worth is measured."""

    hold_out_share: int = Field(
        0,
        ge=0,
        le=MOST_HELD_OUT,
        description="Of 100 tickets, how many get no note, drawn by lot, so that the monthly report can compare them"
        " with the others; 0: none, and nothing is said of what notes bring about. Whoever asks for a note gets it.",
    )


def worth_rules(preferences: Mapping[str, Any] | None) -> WorthRules:
    """The rules as they are stored; where something else stands under that name, the usual ones."""
    stored = (preferences or {}).get("worth")
    try:
        return WorthRules.model_validate(stored) if isinstance(stored, dict) else WorthRules()
    except ValidationError:
        # Preferences keep keys that nobody knew when they were written.
        return WorthRules()
