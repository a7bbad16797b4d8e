"""Figures as a file for spreadsheets. Money is written to its last digit, so that the rows add up to the total."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from deskhand.kit.csv_text import csv_row
from deskhand.reports.schemas import CostReport, CostRow, Costs, PerformanceReport, PlatformCostReport, Spread

ROWS = 10_000
"""Rows of a file; what is beyond them is one more row."""

_KEYS = ("key", "name")
_COSTS = (
    *("runs", "open_runs", "model_calls", "tokens_in", "tokens_out", "cost_usd"),
    *("unpriced_runs", "unpriced_tokens", "tokens_cached", "tokens_reasoning", "corrections_usd"),
)
_OUTCOMES = ("runs", "completed", "failed", "cancelled", "open_runs", "success")
_SPREADS = ("event_to_end", "run_time")


def costs_file(report: CostReport | PlatformCostReport) -> str:
    """The rows of a report, and what is beyond them."""
    rows = [_cost_cells(row.key, row.name, row) for row in report.rows]
    if report.others is not None:
        rows.append(_cost_cells("", f"{report.other_rows} more", report.others))
    return _text((*_KEYS, *_COSTS), rows)


def performance_file(report: PerformanceReport) -> str:
    """The rows of a report."""
    names = [f"{name}_{percentile}" for name in _SPREADS for percentile in Spread.model_fields]
    rows = [
        [
            *(row.key, row.name),
            *(getattr(row, name) for name in _OUTCOMES),
            *(value for name in _SPREADS for value in getattr(row, name).model_dump().values()),
        ]
        for row in report.rows
    ]
    return _text((*_KEYS, *_OUTCOMES, *names), rows)


def _cost_cells(key: str, name: str, costs: CostRow | Costs) -> list[Any]:
    values = {field: getattr(costs, field) for field in _COSTS}
    return [key, name, *values.values()]


def _text(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return csv_row(heading) + "".join(csv_row(row) for row in rows)
