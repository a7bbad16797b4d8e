"""Figures as a file: money to its last digit, nothing that is a formula, and what is cut off as one row more."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deskhand.reports.files import costs_file, performance_file
from deskhand.reports.schemas import (
    CostReport,
    CostRow,
    Costs,
    Performance,
    PerformanceReport,
    PerformanceRow,
    PlatformCostReport,
    Spread,
)

DAYS: dict[str, Any] = {"since": date(2026, 5, 1), "until": date(2026, 5, 31), "zone": "UTC"}
MONEY = st.decimals(min_value=0, max_value=10**6, places=8)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def report(rows: list[CostRow], others: Costs | None = None, beyond: int = 0) -> CostReport:
    return CostReport(
        **DAYS, group="ticket", rows=rows, others=others, other_rows=beyond, total=Costs(), trials=Costs(), days=[]
    )


@given(st.lists(MONEY, max_size=20), MONEY)
def test_rows_add_up_exactly(amounts: list[Decimal], rest: Decimal) -> None:
    rows = [CostRow(key=str(number), name="x", cost_usd=amount) for number, amount in enumerate(amounts)]
    found = read(costs_file(report(rows, Costs(cost_usd=rest), 7)))
    assert sum((Decimal(row["cost_usd"]) for row in found), Decimal(0)) == sum(amounts, rest)
    assert not any("E" in row["cost_usd"] for row in found), "some programs take an exponent for a text"


def test_what_is_beyond_the_rows_is_a_row_that_says_so() -> None:
    row = CostRow(key="jira:IT-1", name="jira:IT-1", runs=2, cost_usd=Decimal("0.00000007"), unpriced_runs=1)
    found = read(costs_file(report([row], Costs(runs=5, cost_usd=Decimal(3)), 1_234)))
    assert [(one["key"], one["name"], one["runs"], one["cost_usd"]) for one in found] == [
        ("jira:IT-1", "jira:IT-1", "2", "0.00000007"),
        ("", "1234 more", "5", "3"),
    ]
    assert found[0]["unpriced_runs"] == "1"
    assert len(read(costs_file(report([row])))) == 1


def test_a_key_or_a_name_is_no_formula() -> None:
    row = CostRow(key="@SUM(A1)", name="=1+1")
    [found] = read(costs_file(PlatformCostReport(**DAYS, rows=[row], others=None, other_rows=0, total=Costs())))
    assert (found["key"], found["name"]) == ("'@SUM(A1)", "'=1+1")


def test_performance_has_every_figure_and_leaves_open_what_is_not_known() -> None:
    slow = PerformanceRow(
        key="1", name="Slow", runs=3, completed=2, failed=1, success=2 / 3,
        event_to_end=Spread(p50_ms=1, p95_ms=2, p99_ms=3), run_time=Spread(p50_ms=4, p95_ms=5, p99_ms=6),
    )  # fmt: skip
    never = PerformanceRow(key="2", name="Never", runs=1, open_runs=1)
    found = read(
        performance_file(
            PerformanceReport(
                **DAYS, group="agent", rows=[slow, never], other_rows=0, total=Performance(), errors=[], days=[]
            )
        )
    )
    assert list(found[0]) == [
        *("key", "name", "runs", "completed", "failed", "cancelled", "open_runs", "success"),
        *("event_to_end_p50_ms", "event_to_end_p95_ms", "event_to_end_p99_ms"),
        *("run_time_p50_ms", "run_time_p95_ms", "run_time_p99_ms"),
    ]
    assert list(found[0].values())[8:] == ["1", "2", "3", "4", "5", "6"]
    assert [found[1][name] for name in ("success", "event_to_end_p95_ms", "open_runs")] == ["", "", "1"]
