"""Where the text of a run went: to which models' places, how often, and without how many values. Pure.

Read from the journal's model steps, each of which names the places before anything leaves, and afterwards which of them
answered. Of a call that failed or is under way nobody can say how far its text came: it may have gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field

_NOT_ASKED = frozenset({"resting", "budget"})
_NEVER_THERE = "configuration"


class SentTo(BaseModel):
    """One place to which text of a run went."""

    connection: str = Field(description="The connection to models; `embedded` is the model on the worker's machine.")
    host: str = Field(description="Of its address; empty where a library chooses its vendor's.")
    region: str = Field("", description="Where that is, in the words of who set the connection up.")
    is_local: bool = Field(description="In the tenant's or the operator's own house; nothing is masked there.")
    calls: int = Field(0, description="Questions that were sent there.")
    perhaps: int = Field(0, description="Questions of which nobody can say whether they were.")
    masked: dict[str, int] = Field(
        default_factory=dict, description="By kind, how many different values the longest question was without."
    )


def sent_to(steps: Iterable[tuple[str, Any, Any]]) -> list[SentTo]:
    """The places, in the order in which they were first asked.

    Args:
        steps: Of a run: kind, input and output of each.
    """
    found: dict[tuple[str, str, bool, str], SentTo] = {}
    for kind, asked, answer in steps:
        if kind != "model" or not isinstance(asked, Mapping):
            continue
        masked = asked.get("masked") or {}
        places = asked.get("sent_to") or []
        surely = _went(places, answer) if isinstance(answer, Mapping) else []
        for place in surely or places:
            here = SentTo.model_validate(place)
            one = found.setdefault((here.connection, here.host, here.is_local, here.region), here)
            one.calls += bool(surely)
            one.perhaps += not surely
            if not one.is_local:
                one.masked |= {name: max(count, one.masked.get(name, 0)) for name, count in masked.items()}
    return list(found.values())


def _went(places: list[Mapping[str, Any]], answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of a chain, those that were asked: the one that answered, and those before it that were not passed by."""
    told = (answer.get("provider_details") or {}).get("fallbacks") or []
    before = [one.get("reason") for one in told if one.get("reason") != _NEVER_THERE]
    asked = [place for place, reason in zip(places, before, strict=False) if reason not in _NOT_ASKED]
    return [*asked, *places[len(before) : len(before) + 1]]
