"""What an agent, or its tenant for all of them, says about other models: in which order, and after which failures.

Apart from ``chain`` because the API reads it too, and the API imports no model library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, StringConstraints

from deskhand.kit.schema import InputModel
from deskhand.llm.config_keys import is_embedded

MOST_FALLBACKS = 5
Trigger = Literal["rate_limit", "unavailable", "timeout", "context", "filter", "budget"]
TRIGGERS: tuple[str, ...] = get_args(Trigger)
OWN_KEYS = ("fallbacks", "fallback_on")


class Fallback(InputModel):
    """A model that is asked where those before it cannot answer; it is sent the same parameters."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "gpt-4o-mini"}]})

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="Model name, as its gateway knows it."
    )
    connection: str | None = Field(
        None,
        pattern="^[a-z][a-z0-9-]{0,39}$",
        description="Its connection; left out, the one of the agent's own model.",
    )


Fallbacks = Annotated[list[Fallback], Field(max_length=MOST_FALLBACKS)]
Triggers = Annotated[list[Trigger], Field(min_length=1, max_length=len(TRIGGERS))]
TRIGGER_HELP = (
    "After which failures the next is asked: `rate_limit` (429), `unavailable` (5xx, no connection), `timeout`,"
    " `context` (too long for it), `filter` (withheld or refused), `budget` (no money for it). Left out: all of them."
)


class ModelRules(InputModel):
    """What holds for agents of the tenant that say nothing of their own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"fallbacks": [{"model": "gpt-4o-mini"}]}]})

    fallbacks: Fallbacks = Field(default_factory=list, description="Models that are asked in turn where one fails.")
    fallback_on: Triggers | None = Field(None, description=TRIGGER_HELP)


def chain_of(
    llm_config: Mapping[str, Any], of_tenant: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], frozenset[str]]:
    """The settings of each model of an agent's chain, its own first, and the failures that lead on.

    Args:
        llm_config: The agent's; an empty list of fallbacks is its word against the tenant's.
        of_tenant: ``ModelRules`` as stored.
    """
    rules = llm_config if llm_config.get("fallbacks") is not None else of_tenant
    own = {key: value for key, value in llm_config.items() if key not in OWN_KEYS}
    further = [
        {
            **own,
            **{key: value for key, value in one.items() if value is not None},
            "provider": "embedded" if is_embedded("", str(one["model"])) else "litellm",
        }
        for one in rules.get("fallbacks") or ()
    ]
    return [own, *further], frozenset(rules.get("fallback_on") or TRIGGERS)
