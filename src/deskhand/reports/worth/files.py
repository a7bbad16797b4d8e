"""The monthly report as a file for spreadsheets: a row for each company, and one for all of them."""

from __future__ import annotations

from typing import Any

from deskhand.kit.csv_text import csv_row
from deskhand.reports.worth.figures import MEASURES
from deskhand.reports.worth.schemas import Worth, WorthReport

_COUNTS = ("key", "name", "tickets", "noted", "held_out", "unknown")
_COSTS = ("cost_usd", "runs", "unpriced_runs", "corrections_usd")
_FIELDS = ("category", "priority")
_TIMES = ("of", "ended", "median_ms", "low_ms", "high_ms")
_BETWEEN = ("value", "low", "high", "confidence", "verdict", "words")


def worth_file(report: WorthReport) -> str:
    """The rows of a report; that of all companies comes last, and is the sum of the others."""
    heading = [
        *(*_COUNTS, *_COSTS, "votes_helped", "votes"),
        *(f"{name}_{what}" for name in _FIELDS for what in ("kept", "told")),
        *(
            f"{name}_{what}"
            for name in ("first", "second")
            for what in ("group", "tickets", *_TIMES, "first_touch_ms", "reopened", "reopened_told")
        ),
        *(f"{one}_difference_{name}" for one in MEASURES for name in _BETWEEN),
    ]
    rows = [*report.companies, *([report.total] if report.total else [])]
    return csv_row(heading) + "".join(csv_row(_cells(row)) for row in rows)


def _cells(row: Worth) -> list[Any]:
    kept = {one.field: one for one in row.suggestions}
    told = [(kept[name].hits, kept[name].of) if name in kept else (None, None) for name in _FIELDS]
    groups = [
        [
            *(one.name, one.tickets, *(getattr(one.solution, name) for name in _TIMES)),
            *(one.first_touch.median_ms, one.reopened.hits, one.reopened.of),
        ]
        for one in row.groups
    ]
    between = {one.measure: one for one in row.differences}
    return [
        *(getattr(row, name) for name in _COUNTS),
        *(getattr(row.costs, name) for name in _COSTS),
        *(row.votes.hits, row.votes.of),
        *(cell for pair in told for cell in pair),
        *(cell for group in groups for cell in group),
        *(getattr(between.get(one), name, None) for one in MEASURES for name in _BETWEEN),
    ]
