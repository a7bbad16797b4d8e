"""Which tickets machines make, and how much is said about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from deskhand.errors import ConfigurationError
from deskhand.tenants.traits import TicketConditions, Traits

MOST_RULES = 50
MADE_BY_MACHINE = "By the tenant's rule '{rule}' a machine made this ticket"


class MachineRule(TicketConditions):
    """Tickets that monitoring makes, known by who files them, by their form, or by whatever else they have."""

    speak: Literal["silent", "once"] = Field(
        "silent",
        description="`silent`: no run does anything about them. `once`: the first of a condition on a device gets what"
        " the agent does; those after it nothing, until it has been quiet.",
    )
    quiet_hours: int = Field(
        24, ge=1, le=720, description="After so many hours without an alert a condition counts as a new one."
    )


_RULES = TypeAdapter(list[MachineRule])


def machine_rules(preferences: Mapping[str, Any] | None) -> tuple[MachineRule, ...]:
    """The rules as they are stored.

    Raises:
        ConfigurationError: They cannot be read.
    """
    stored = (preferences or {}).get("machines")
    try:
        return () if stored is None else tuple(_RULES.validate_python(stored))
    except ValidationError as error:
        raise ConfigurationError("The tenant's rules about machines cannot be read; set them again.") from error


def rule_about(rules: tuple[MachineRule, ...], traits: Traits) -> MachineRule | None:
    """The first rule that surely is about a ticket: what may be a person's is answered as a person's."""
    return next((rule for rule in rules if rule.fits(traits)), None)
