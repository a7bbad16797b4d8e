"""What can be told from a month's tickets: groups, intervals, and whether what lies between them could be chance. Pure.

Tickets are compared as they were drawn, whatever became of their runs: to leave out those that somebody asked about, or
whose run failed, would make the two groups differ by more than chance before any note was written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deskhand.kit.intervals import (
    Interval,
    median,
    median_difference,
    median_interval,
    wilson,
    z_of,
)
from deskhand.reports.worth.schemas import (
    LEAST,
    Difference,
    FieldKept,
    GroupName,
    ShareFigure,
    TicketGroup,
    TimeFigure,
    Verdict,
)
from deskhand.ui.format import duration

ERROR = 0.05
"""In so many months of all, one of the intervals that are told beside each other may claim what is not there."""
FIELDS = ("category", "priority")
"""What notes suggest and the history of solved tickets has."""
Fate = Literal["kept", "changed", "not_told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One ticket of the month.

    Attributes:
        company: Key of its row.
        held: How it was drawn; None: it never was.
        solved_after: Milliseconds from its filing to its solution, infinite where it is not solved; None where nobody
            tells.
        fates: What became of what was suggested, by field.
    """

    company: str
    noted: bool
    held: bool | None = None
    solved_after: float | None = None
    fates: Mapping[str, Fate] = field(default_factory=dict)


def share_figure(hits: int, of: int) -> ShareFigure:
    """A share with its interval."""
    return ShareFigure(hits=hits, of=of, **_bounds(hits, of))


def _bounds(hits: int, of: int) -> dict[str, float | None]:
    low, high = wilson(hits, of) if of >= LEAST else (None, None)
    return {"low": low, "high": high}


def time_figure(values: Iterable[float | None]) -> TimeFigure:
    """How long it took for half of them, with its interval."""
    ordered = sorted(value for value in values if value is not None)
    low, high = median_interval(ordered) if len(ordered) >= LEAST else (math.inf, math.inf)
    return TimeFigure(
        of=len(ordered),
        ended=sum(map(math.isfinite, ordered)),
        median_ms=_whole(median(ordered)) if ordered else None,
        low_ms=_whole(low),
        high_ms=_whole(high),
    )


def _whole(value: float) -> int | None:
    return round(value) if math.isfinite(value) else None


def groups_of(tickets: Sequence[Looked], *, compared: bool) -> list[TicketGroup]:
    """The two groups: as they were drawn, or by whether they got a note."""
    sides: tuple[tuple[GroupName, Callable[[Looked], bool]], ...] = (
        ("with_notes", lambda one: one.held is False),
        ("held_out", lambda one: one.held is True),
    )
    if not compared:
        sides = (("noted", lambda one: one.noted), ("not_noted", lambda one: not one.noted))
    return [_group(name, [one for one in tickets if belongs(one)]) for name, belongs in sides]


def _group(name: GroupName, tickets: Sequence[Looked]) -> TicketGroup:
    return TicketGroup(
        name=name,
        tickets=len(tickets),
        noted=sum(one.noted for one in tickets),
        solution=time_figure(one.solved_after for one in tickets),
    )


def kept_figures(tickets: Sequence[Looked]) -> list[FieldKept]:
    """What became of suggestions, by field; of fields that nobody suggested anything for, nothing."""
    found = []
    for name in FIELDS:
        fates = [one.fates[name] for one in tickets if name in one.fates]
        kept, of = fates.count("kept"), len(fates) - fates.count("not_told")
        if fates:
            found.append(FieldKept(field=name, hits=kept, of=of, not_told=len(fates) - of, **_bounds(kept, of)))
    return found


@dataclass(frozen=True, slots=True)
class Sides:
    """The times of both groups, sorted."""

    with_notes: Sequence[float]
    held_out: Sequence[float]

    @classmethod
    def of(cls, tickets: Iterable[Looked]) -> Sides:
        """As they were drawn."""
        told = [one for one in tickets if one.solved_after is not None and one.held is not None]
        with_notes, held_out = ([one.solved_after or 0.0 for one in told if one.held is held] for held in (False, True))
        return cls(sorted(with_notes), sorted(held_out))

    @property
    def are_enough(self) -> bool:
        """Whether an interval is told."""
        return min(len(self.with_notes), len(self.held_out)) >= LEAST


def confidence_for(sides: Iterable[Sides]) -> float:
    """How sure each interval must be, so that all that are told beside each other are wrong together seldom enough."""
    return 1 - ERROR / max(1, sum(one.are_enough for one in sides))


def difference(sides: Sides, confidence: float) -> Difference:
    """What lies between the two groups' times to a solution."""
    counts = {"with_notes": len(sides.with_notes), "held_out": len(sides.held_out)}
    if not sides.are_enough:
        why = f"Nothing is said yet: each group needs {LEAST} tickets, and there are {_both(counts)}."
        return Difference(measure="solution", verdict="withheld", words=why, **counts)
    interval = median_difference(sides.with_notes, sides.held_out, z_of(confidence))
    if interval is None:
        why = "Nothing is said: too many of the tickets are not solved to tell how long half of them take."
        return Difference(measure="solution", verdict="withheld", words=why, **counts)
    value = median(sides.with_notes) - median(sides.held_out)
    verdict = _verdict(interval)
    words = _words(verdict, value, interval, confidence)
    low, high = interval
    return Difference(
        measure="solution",
        verdict=verdict,
        words=words,
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        **counts,
    )


def _both(counts: Mapping[str, int]) -> str:
    return f"{counts['with_notes']} with notes and {counts['held_out']} held out"


def _verdict(interval: Interval) -> Verdict:
    low, high = interval
    return "less" if high < 0 else "more" if low > 0 else "none"


def _words(verdict: Verdict, value: float, interval: Interval, confidence: float) -> str:
    sure = f"{100 * confidence:.4g} % confidence"
    if verdict == "none":
        low, high = (f"{duration(round(abs(end)))} {'later' if end > 0 else 'sooner'}" for end in interval)
        return f"No difference that could be told from chance: it lies between {low} and {high} ({sure})."
    least, most = (duration(round(end)) for end in sorted(map(abs, interval)))
    how = "sooner" if verdict == "less" else "later"
    return (
        f"With notes, half of the tickets were solved {duration(round(abs(value)))} {how} than half of those held out:"
        f" between {least} and {most} {how} ({sure})."
    )


__all__ = [
    "ERROR",
    "FIELDS",
    "Fate",
    "Looked",
    "Sides",
    "confidence_for",
    "difference",
    "groups_of",
    "kept_figures",
    "share_figure",
    "time_figure",
]
