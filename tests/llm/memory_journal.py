"""A ``StepJournal`` in memory that survives a killed attempt, as the database's does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from deskhand.kit.purse import Purse
from deskhand.llm.durability import StepUsage


class InDoubtError(Exception):
    """A write was started, and nobody can say whether it happened."""


class Killed(BaseException):
    """Stands for the death of the process: no handler of the product may catch it."""


@dataclass
class Row:
    kind: str
    input: Any
    idempotent: bool
    output: str | None = None
    usage: StepUsage | None = None


@dataclass
class MemoryJournal:
    """``rows`` outlive an attempt; ``ran`` lists the keys whose body ran in this one."""

    rows: dict[str, Row] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    kill_before: str | None = None
    kill_after: str | None = None
    die_at: str | None = None
    purse: Purse | None = None
    _numbers: Counter[str] = field(default_factory=Counter)

    def next_attempt(self) -> MemoryJournal:
        return MemoryJournal(rows=self.rows)

    async def step(
        self,
        *,
        name: str,
        key: str | None,
        kind: str,
        body: Callable[[], Awaitable[Any]],
        idempotent: bool = True,
        input: Any = None,  # noqa: A002 - the protocol's name
        measure: Callable[[Any], StepUsage] | None = None,
    ) -> Any:
        if key is None:
            self._numbers[name] += 1
            key = f"{name}#{self._numbers[name]}"
        row = self.rows.get(key)
        if row is not None and row.output is not None:
            return json.loads(row.output)
        if row is not None and not idempotent:
            raise InDoubtError(key)
        row = self.rows[key] = Row(kind, json.loads(json.dumps(input)), idempotent)
        if self.kill_before == name:
            raise Killed(key)
        self.ran.append(key)
        output = await body()
        if self.kill_after == name or self.die_at == key:
            raise Killed(key)
        row.output = json.dumps(output)
        row.usage = measure(output) if measure else None
        return json.loads(row.output)
