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
    share_difference,
    wilson,
    z_of,
)
from deskhand.reports.worth.schemas import (
    LEAST,
    Difference,
    FieldKept,
    GroupName,
    Measure,
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
        touched_after: The same of a technician's first word; None also of what is not solved.
        reopened: Whether it was opened again; None where nobody tells.
        fates: What became of what was suggested, by field.
    """

    company: str
    noted: bool
    held: bool | None = None
    solved_after: float | None = None
    touched_after: float | None = None
    reopened: bool | None = None
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
        first_touch=time_figure(one.touched_after for one in tickets),
        reopened=share_figure(sum(one.reopened is True for one in tickets), sum(map(_is_told, tickets))),
    )


def _is_told(one: Looked) -> bool:
    return one.reopened is not None


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
    """What is told of both groups, sorted: times, or whether a ticket was opened again as 0 and 1."""

    measure: Measure
    with_notes: Sequence[float]
    held_out: Sequence[float]

    @classmethod
    def of(cls, tickets: Iterable[Looked], measure: Measure = "solution") -> Sides:
        """As they were drawn."""
        read = _READ[measure]
        told = [(one.held, value) for one in tickets if one.held is not None and (value := read(one)) is not None]
        with_notes, held_out = (sorted(float(value) for held, value in told if held is side) for side in (False, True))
        return cls(measure, with_notes, held_out)

    @property
    def are_enough(self) -> bool:
        """Whether an interval is told."""
        return min(len(self.with_notes), len(self.held_out)) >= LEAST


_READ: Mapping[Measure, Callable[[Looked], float | None]] = {
    "solution": lambda one: one.solved_after,
    "first_touch": lambda one: one.touched_after,
    "reopened": lambda one: one.reopened,
}
MEASURES: tuple[Measure, ...] = tuple(_READ)


def all_sides(tickets: Sequence[Looked]) -> list[Sides]:
    """By what the two groups are compared; what is told of no ticket of theirs is not there, but for the solution."""
    found = [Sides.of(tickets, measure) for measure in MEASURES]
    return [one for one in found if one.measure == "solution" or one.with_notes or one.held_out]


def confidence_for(sides: Iterable[Sides]) -> float:
    """How sure each interval must be, so that all that are told beside each other are wrong together seldom enough."""
    return 1 - ERROR / max(1, sum(one.are_enough for one in sides))


def difference(sides: Sides, confidence: float) -> Difference:
    """What lies between the two groups."""
    measure = sides.measure
    counts = {"with_notes": len(sides.with_notes), "held_out": len(sides.held_out)}
    if not sides.are_enough:
        what = _WHAT[measure]
        why = f"{what}: nothing is said yet; each group needs {LEAST} tickets, and there are {_both(counts)}."
        return Difference(measure=measure, verdict="withheld", words=why, **counts)
    told = _between_shares(sides, confidence) if measure == "reopened" else _between_times(sides, confidence)
    if told is None:
        why = f"{_WHAT[measure]}: nothing is said, since too many of the tickets are not solved."
        return Difference(measure=measure, verdict="withheld", words=why, **counts)
    value, (low, high) = told
    verdict = _verdict((low, high))
    words = _words(measure, verdict, value, (low, high), confidence)
    return Difference(
        **{"measure": measure, "verdict": verdict, "words": words},
        **{"value": value, "low": low, "high": high, "confidence": confidence},
        **counts,
    )


_WHAT: Mapping[Measure, str] = {
    "solution": "Time to a solution",
    "first_touch": "Time to a first word",
    "reopened": "Reopened",
}


def _between_times(sides: Sides, confidence: float) -> tuple[float, Interval] | None:
    interval = median_difference(sides.with_notes, sides.held_out, z_of(confidence))
    return None if interval is None else (median(sides.with_notes) - median(sides.held_out), interval)


def _between_shares(sides: Sides, confidence: float) -> tuple[float, Interval]:
    one, other = ((round(sum(values)), len(values)) for values in (sides.with_notes, sides.held_out))
    return one[0] / one[1] - other[0] / other[1], share_difference(one, other, z_of(confidence))


def _both(counts: Mapping[str, int]) -> str:
    return f"{counts['with_notes']} with notes and {counts['held_out']} held out"


def _verdict(interval: Interval) -> Verdict:
    low, high = interval
    return "less" if high < 0 else "more" if low > 0 else "none"


def _words(measure: Measure, verdict: Verdict, value: float, interval: Interval, confidence: float) -> str:
    sure = f"{100 * confidence:.4g} % confidence"
    less, more = ("less often", "more often") if measure == "reopened" else ("sooner", "later")
    if verdict == "none":
        low, high = (f"{_size(measure, end)} {more if end > 0 else less}" for end in interval)
        nothing = "no difference that could be told from chance; it lies between"
        return f"{_WHAT[measure]}: {nothing} {low} and {high} ({sure})."
    least, most = (_size(measure, end) for end in sorted(interval, key=abs))
    how = less if verdict == "less" else more
    said = f"{_size(measure, value)} {how}"
    between = f"between {least} and {most} {how} ({sure})"
    if measure == "reopened":
        return f"With notes, tickets were opened again {said} than those held out: {between}."
    done = "solved" if measure == "solution" else "first answered"
    return f"With notes, half of the tickets were {done} {said} than half of those held out: {between}."


def _size(measure: Measure, value: float) -> str:
    return f"{100 * abs(value):.1f} points" if measure == "reopened" else duration(round(abs(value)))


__all__ = [
    "ERROR",
    "FIELDS",
    "MEASURES",
    "Fate",
    "Looked",
    "Sides",
    "all_sides",
    "confidence_for",
    "difference",
    "groups_of",
    "kept_figures",
    "share_figure",
    "time_figure",
]
