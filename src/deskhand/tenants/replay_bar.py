"""How often an agent must say what people did on closed tickets before it may be activated."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError

from deskhand.kit.schema import InputModel

Percent = Annotated[int, Field(ge=1, le=100)]
BAR_FIELDS = ("category", "priority", "group", "solution")


class ReplayBar(InputModel):
    """Percent of agreement in the replay lab, by what is compared; what has none is not looked at."""

    category: Percent | None = None
    priority: Percent | None = None
    group: Percent | None = None
    solution: Percent | None = Field(None, description="Of tickets whose solution is known: how often it is cited.")

    def bars(self) -> dict[str, int]:
        """Those that are set."""
        return {name: bar for name in BAR_FIELDS if (bar := getattr(self, name)) is not None}


def replay_bar(preferences: dict[str, Any] | None) -> ReplayBar:
    """The bar as it is stored; where something else stands under that name, none."""
    stored = (preferences or {}).get("replay_bar")
    try:
        return ReplayBar.model_validate(stored) if isinstance(stored, dict) else ReplayBar()
    except ValidationError:
        # Preferences keep keys that nobody knew when they were written.
        return ReplayBar()
