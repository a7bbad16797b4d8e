"""How runs went: outcomes, percentiles, kinds of errors in words, the slowest agents, one's own tenant alone."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from tests.reports.conftest import MAY, NOON, MakeRun
from tests.support.console import Console


async def performance(console: Console, tenant: str = "acme", **query: Any) -> dict[str, Any]:
    client = await console.client(tenant, "viewer")
    answer = await client.get("/api/v1/reports/performance", params={**MAY, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_percentiles_are_of_completed_runs_from_the_event_and_at_work(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    for seconds in range(2, 103):
        await run(agent, ticket=None, seconds=seconds)
    await run(agent, ticket=None, seconds=9_999, status="failed", error_code="model-timeout")
    await run(agent, ticket=None, seconds=9_999, mode="dry_run")
    total = (await performance(console))["total"]
    # 101 values from 2 to 102 seconds: the hundredths are the values themselves.
    assert total["event_to_end"] == {"p50_ms": 52_000, "p95_ms": 97_000, "p99_ms": 101_000}
    assert total["run_time"] == {"p50_ms": 51_000, "p95_ms": 96_000, "p99_ms": 100_000}
    assert (total["runs"], total["completed"], total["failed"]) == (102, 101, 1)
    assert total["success"] == pytest.approx(101 / 102)


async def test_what_has_not_ended_or_was_cancelled_is_no_failure(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await run(agent)
    for status in ("cancelled", "queued", "running", "waiting"):
        await run(agent, ticket=status, status=status, completed_at=None)
    await run(agent, mode="undo", status="failed", error_code="desk-auth")
    total = (await performance(console))["total"]
    assert (total["runs"], total["completed"], total["cancelled"], total["open_runs"]) == (5, 1, 1, 3)
    assert (total["failed"], total["success"]) == (0, 1.0)


async def test_without_a_run_there_is_no_rate_and_no_time(console: Console) -> None:
    report = await performance(console)
    assert report["total"]["success"] is None
    assert report["total"]["event_to_end"] == {"p50_ms": None, "p95_ms": None, "p99_ms": None}
    assert (report["rows"], report["errors"], report["other_rows"]) == ([], [], 0)
    assert [day["runs"] for day in report["days"]] == [0] * 31


async def test_errors_are_told_in_words_the_most_frequent_first(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    for code in ("desk-auth", "worker-died", "desk-auth", "a-code-of-old", None):
        await run(agent, ticket=None, status="failed", error_code=code)
    await run(agent, error_code="wait-over")
    assert [tuple(one.values()) for one in (await performance(console))["errors"]] == [
        ("desk-auth", "Desk credentials refused", 2),
        ("", "No code", 1),
        ("a-code-of-old", "A-code-of-old", 1),
        ("worker-died", "Worker died", 1),
    ]


async def test_the_slowest_agent_stands_first(console: Console, run: MakeRun) -> None:
    for name, seconds in (("Quick", 2), ("Slow", 90), ("Between", 30)):
        await run(await console.agent(name=name), seconds=seconds)
    await run(await console.agent(name="Never done"), status="failed", error_code="desk-auth")
    report = await performance(console)
    assert [row["name"] for row in report["rows"]] == ["Slow", "Between", "Quick", "Never done"]
    assert [row["success"] for row in report["rows"]] == [1.0, 1.0, 1.0, 0.0]
    cut = await performance(console, limit=1)
    assert ([row["name"] for row in cut["rows"]], cut["other_rows"]) == (["Slow"], 3)
    assert cut["total"] == report["total"]


async def test_days_stand_in_their_order(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    for days, seconds in ((9, 2), (0, 90), (1, 30)):
        await run(agent, at=NOON + timedelta(days=days), seconds=seconds)
    report = await performance(console, group="day")
    assert [(row["key"], row["event_to_end"]["p95_ms"]) for row in report["rows"]] == [
        ("2026-05-04", 90_000), ("2026-05-05", 30_000), ("2026-05-13", 2_000),
    ]  # fmt: skip
    assert [row["name"] for row in report["rows"]] == [row["key"] for row in report["rows"]]
    assert [day["day"] for day in report["days"] if day["completed"]] == ["2026-05-04", "2026-05-05", "2026-05-13"]


async def test_a_tenant_sees_its_own_runs_alone(console: Console, run: MakeRun) -> None:
    theirs = await console.agent("globex", name="Theirs")
    await run(theirs, status="failed", error_code="desk-auth")
    await run(await console.agent(name="Ours"))
    for group in ("agent", "day"):
        report = await performance(console, group=group)
        assert (report["total"]["runs"], report["errors"]) == (1, [])
        assert "Theirs" not in str(report)
        assert (await performance(console, group=group, agent_id=str(theirs.id)))["total"]["runs"] == 0


async def test_the_file_has_every_row(console: Console, run: MakeRun) -> None:
    for name in ("@SUM(A1)", "Two"):
        await run(await console.agent(name=name), seconds=4)
    client = await console.client(role="viewer")
    answer = await client.get("/api/v1/reports/performance/export", params=MAY)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sorted(row["name"] for row in rows) == ["'@SUM(A1)", "Two"]
    assert {(row["runs"], row["success"], row["event_to_end_p95_ms"], row["run_time_p50_ms"]) for row in rows} == {
        ("1", "1.0", "4000", "3000")
    }


async def test_a_range_that_is_too_long_is_refused(console: Console) -> None:
    client = await console.client(role="viewer")
    for path in ("performance", "performance/export", "costs/export"):
        answer = await client.get(f"/api/v1/reports/{path}", params={"since": "2020-01-01", "until": "2026-01-01"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/until")
