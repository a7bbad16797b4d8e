"""What a tenant tells every agent about certain tickets: rules, contacts and articles, such as those of one client.

They are words and nothing else: what an agent may do is said by its grants alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from deskhand.errors import ConfigurationError
from deskhand.tenants.traits import CONDITIONS, TicketConditions, Traits, one_of_these

MOST_INSTRUCTIONS = 200
"""A provider with forty clients has more than one for some of them."""
TOLD = ("rules", "contacts", "articles")
AT_ONCE = 5
"""Instructions that one ticket gets at most; a prompt is read with each call of a model."""

_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
_ArticleId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


def _say_that_one_is_told(schema: dict[str, Any]) -> None:
    schema["allOf"] = [{"anyOf": one_of_these(CONDITIONS)}, {"anyOf": one_of_these(TOLD)}]


class Instruction(TicketConditions):
    """What is told about tickets that fit every condition."""

    model_config = ConfigDict(json_schema_extra=_say_that_one_is_told)

    rules: Annotated[list[_Line], Field(min_length=1, max_length=20)] | None = Field(
        None, description="What agents do and leave on such tickets, a sentence each. No requester is told them."
    )
    contacts: Annotated[list[_Line], Field(min_length=1, max_length=20)] | None = Field(
        None, description="Whom to turn to, one each. An agent may name them, to requesters too."
    )
    articles: Annotated[list[_ArticleId], Field(min_length=1, max_length=3)] | None = Field(
        None, description="Ids of articles that every such ticket is read with."
    )

    @model_validator(mode="after")
    def _tells_something(self) -> Instruction:
        if not any(getattr(self, name) for name in TOLD):
            raise ValueError("must have at least one of rules, contacts and articles, else nothing is told")
        return self


_INSTRUCTIONS = TypeAdapter(list[Instruction])


def stored_instructions(preferences: Mapping[str, Any] | None) -> tuple[Instruction, ...]:
    """The instructions as they are stored.

    Raises:
        ConfigurationError: They cannot be read. A run without them might do what a client has forbidden.
    """
    stored = (preferences or {}).get("instructions")
    try:
        return () if stored is None else tuple(_INSTRUCTIONS.validate_python(stored))
    except ValidationError as error:
        raise ConfigurationError("The tenant's instructions cannot be read; set them again.") from error


def instructions_for(instructions: tuple[Instruction, ...], traits: Traits) -> list[Instruction]:
    """Those that surely are about a ticket: one client's contacts are not told on what may be another's ticket."""
    return [one for one in instructions if one.fits(traits)][:AT_ONCE]
