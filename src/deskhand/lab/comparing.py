"""What an agent said of a ticket beside what people did, and how often the two were the same. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deskhand.kit.intervals import wilson
from deskhand.kit.words import folded
from deskhand.lab.rebuilding import FIELDS, names_in

SOLUTION = "solution"
COMPARED = (*FIELDS, SOLUTION)
"""What is set beside each other; of the solution, whether one of the articles or tickets that people named is cited."""
Verdict = Literal["right", "wrong", "silent"]


@dataclass(frozen=True, slots=True)
class Said:
    """What one run says of its ticket.

    Attributes:
        fields: Of ``FIELDS``, those that it names.
        cited: Ids of the articles and tickets that it goes by.
    """

    fields: Mapping[str, str]
    cited: tuple[str, ...] = ()


def said_in(output: Mapping[str, Any] | None, intents: Iterable[tuple[str, Mapping[str, Any]]]) -> Said:
    """What a dry run says.

    Args:
        output: What it ended in.
        intents: The writes it would have made, by operation and arguments, in their order.
    """
    output = output or {}
    triage = output.get("triage") or {}
    told = {name: (triage.get(name) or {}).get("value") for name in FIELDS}
    told |= _named((output.get("fields") or {}).get("set"))
    for operation, arguments in intents:
        # What it would write on another ticket says nothing of this one.
        if operation in ("update_ticket", "assign") and "target" not in arguments:
            told |= _named(arguments)
    note = output.get("note") or {}
    cited = [str(one.get("ref") or "") for one in note.get("sources") or ()]
    texts = [(output.get("reply") or {}).get("markdown"), output.get("report")]
    cited += [name for text in texts if isinstance(text, str) for name in names_in(text)]
    return Said({name: str(value) for name, value in told.items() if value}, tuple(dict.fromkeys(filter(None, cited))))


def _named(values: object) -> dict[str, Any]:
    return {name: values[name] for name in FIELDS if values.get(name)} if isinstance(values, Mapping) else {}


def judge(said: Said, truth: Mapping[str, Any]) -> dict[str, Verdict]:
    """By what is compared, whether it is the same; what people left open is not there."""
    known: Mapping[str, Sequence[str]] = truth.get("fields") or {}
    verdicts = {name: _verdict(said.fields.get(name), known[name]) for name in FIELDS if known.get(name)}
    named = {folded(name) for name in truth.get(SOLUTION) or ()}
    if named:
        fits = bool(named & {folded(name) for name in said.cited})
        verdicts[SOLUTION] = "right" if fits else "wrong" if said.cited else "silent"
    return verdicts


def _verdict(said: str | None, words: Sequence[str]) -> Verdict:
    if said is None:
        return "silent"
    return "right" if folded(said) in {folded(word) for word in words} else "wrong"


def percentile(values: Sequence[int], share: float) -> int | None:
    """The value that so large a share of all does not exceed; none of nothing."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def agreement(verdicts: Iterable[Mapping[str, Verdict]]) -> dict[str, dict[str, Any]]:
    """By what is compared, how often the agent said what people did; saying nothing counts as not the same."""
    seen = list(verdicts)
    fields = {}
    for name in COMPARED:
        counts = {kind: sum(one.get(name) == kind for one in seen) for kind in ("right", "wrong", "silent")}
        of = sum(counts.values())
        low, high = wilson(counts["right"], of)
        share = round(counts["right"] / of, 4) if of else None
        fields[name] = {**counts, "agreement": share, "low": round(low, 4), "high": round(high, 4)}
    return fields


__all__ = ["COMPARED", "SOLUTION", "Said", "Verdict", "agreement", "judge", "percentile", "said_in"]
