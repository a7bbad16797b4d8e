"""What was measured, as a table with medians and ranges, and what became of each aim."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.engine.measures import Accepted, Ran

OURS, THEIRS, DATABASE = "Deskhand", "FastAPI + Celery + Redis", "pgbench"
WIDTH = 46


@dataclass(frozen=True, slots=True)
class Aim:
    """A bar, and how far we got.

    Attributes:
        at_least: Whether more is better.
    """

    what: str
    reached: float
    bar: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        return self.reached >= self.bar if self.at_least else self.reached <= self.bar

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"  {'met    ' if self.met else 'NOT MET'}  {self.what}: {self.reached:.2f} (aim {sign} {self.bar:g})"


class Figures:
    """Readings by stack and name."""

    def __init__(self) -> None:
        self._readings: dict[tuple[str, str], list[float]] = defaultdict(list)

    def add(self, stack: str, name: str, value: float) -> None:
        self._readings[stack, name].append(value)

    def add_accepted(self, stack: str, connections: int, got: Accepted) -> None:
        """One reading of the accept path."""
        seen = got.seen
        values = {"per second": seen.per_second, "p50 ms": seen.p50, "p95 ms": seen.p95, "p99 ms": seen.p99}
        values["CPU ms, API process"] = got.api_ms
        values["CPU ms, PostgreSQL"] = got.postgres_ms
        values["CPU ms, Redis"] = got.broker_ms
        for name, value in values.items():
            self.add(stack, f"accept {connections} {name}", value)

    def add_ran(self, stack: str, part: str, ran: Ran) -> None:
        """One reading of a worker."""
        values = {"per second": ran.per_second, "at once, at most": float(ran.most), "CPU ms, all": ran.cpu_ms}
        values["CPU ms, worker"] = ran.worker_ms
        values["CPU ms, PostgreSQL"] = ran.postgres_ms
        values["CPU ms, Redis"] = ran.broker_ms
        for name, value in values.items():
            self.add(stack, f"{part} {name}", value)

    def add_times(self, stack: str, in_flight: int, taken: Sequence[float]) -> None:
        """Milliseconds of many events."""
        cut = statistics.quantiles(taken, n=100, method="inclusive")
        self.add(stack, f"write {in_flight} p50 ms", cut[49])
        self.add(stack, f"write {in_flight} p95 ms", cut[94])

    def median(self, stack: str, name: str) -> float:
        return statistics.median(self._readings[stack, name])

    def ratio(self, name: str, of: str = OURS, to: str = THEIRS, to_name: str | None = None) -> float:
        return self.median(of, name) / self.median(to, to_name or name)

    def names(self, prefix: str) -> list[str]:
        """Readings that begin so, in the order they were first taken."""
        return list(dict.fromkeys(name for _, name in self._readings if name.startswith(prefix)))

    def cell(self, stack: str, name: str) -> str:
        """Median and range; nothing where there is no reading."""
        found = self._readings.get((stack, name))
        if not found:
            return ""
        digits = 0 if statistics.median(found) >= 100 else 1 if statistics.median(found) >= 10 else 2
        low, middle, high = min(found), statistics.median(found), max(found)
        return f"{middle:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"

    def row(self, name: str, label: str) -> str:
        """One line: ours, theirs, ours in theirs."""
        ours, theirs = self.cell(OURS, name), self.cell(THEIRS, name)
        both = ours and theirs and self.median(THEIRS, name) > 0
        times = f"x{self.ratio(name):.2f}" if both else ""
        return f"  {label:{WIDTH}}{ours:>24}{theirs:>26}{times:>9}"


def table(figures: Figures, connections: Sequence[int], in_flight: Sequence[int]) -> list[str]:
    """Every reading."""
    lines = [f"  {'':{WIDTH}}{OURS:>24}{THEIRS:>26}{'ratio':>9}"]
    for count in connections if figures.names("accept") else ():
        prefix = f"accept {count} "
        lines.append(f"\n accepted webhooks, {count} connections")
        lines += [figures.row(name, name.removeprefix(prefix)) for name in figures.names(prefix)]
        tps = f"commits {count}"
        shares = " ".join(
            f"{figures.median(stack, f'{prefix}per second') / figures.median(DATABASE, tps):>24.2f}"
            for stack in (OURS, THEIRS)
        )
        what = f"of pgbench, {count} clients ({figures.cell(DATABASE, tps)}/s)"
        lines.append(f"  {what:{WIDTH}}{shares}")
    titles = {"runs": "200 runs at once, each waiting on I/O", "starts": "start and finish, nothing in between"}
    for part, title in titles.items():
        if names := figures.names(f"{part} "):
            lines.append(f"\n {title}")
            lines += [figures.row(name, name.removeprefix(f"{part} ")) for name in names]
    for count in in_flight if figures.names("write") else ():
        lines.append(f"\n event to first write, {count} in flight")
        prefix = f"write {count} "
        lines += [figures.row(name, name.removeprefix(prefix)) for name in figures.names(prefix)]
    return lines


def aims(figures: Figures) -> list[Aim]:
    """The bars of those parts that were measured."""
    found = []
    if figures.names("accept"):
        for count in (8, 32):
            name = f"accept {count} per second"
            found.append(Aim(f"accepted webhooks at {count} connections, times theirs", figures.ratio(name), 3))
        share = figures.ratio("accept 8 per second", to=DATABASE, to_name="commits 8")
        found.append(Aim("accepted webhooks at 8 connections, share of pgbench with 8 clients", share, 0.5))
    if figures.names("runs"):
        found.append(Aim("finished runs, times theirs", figures.ratio("runs per second"), 2))
        cpu = figures.ratio("runs CPU ms, all")
        found.append(Aim("CPU per run, worker + PostgreSQL + Redis, times theirs", cpu, 1, at_least=False))
    return found
