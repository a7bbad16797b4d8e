"""From an event to the first write at the desk, with every part a process of its own.

A ticket is filed at a simulated ServiceDesk Plus, its event is sent signed, and the time is taken from just before the
event leaves to the moment the desk stored the note, by the desk's own record (same machine, same clock).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import httpx2
from benchmarks.engine import load
from benchmarks.engine.load import Target
from benchmarks.engine.processes import free_port, process, wait_for

from deskhand.kit.http import HttpClientFactory

KEY = "technician-key-of-the-benchmark"
TOOL = "servicedesk_plus"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The desk and the model both stacks talk to."""

    desk_url: str
    model_url: str


@contextmanager
def surroundings(directory: Path, *, model_seconds: float) -> Iterator[Surroundings]:
    """A simulated desk and a simulated model gateway, each a process."""
    desk, model = free_port(), free_port()
    log = directory / "simulators.log"
    here = sys.executable
    simulator = [here, "-m", "deskhand.cli", "simulator", TOOL, "--port", str(desk), "--api-key", KEY]
    gateway = [here, "-m", "benchmarks.engine.model_process", str(model), str(model_seconds)]
    with process(simulator, log=log) as first, process(gateway, log=log) as second:
        wait_for(f"http://127.0.0.1:{desk}/_sim/webhooks", first, log)
        wait_for(f"http://127.0.0.1:{model}/v1/models", second, log)
        yield Surroundings(f"http://127.0.0.1:{desk}", f"http://127.0.0.1:{model}/v1")


class FirstWrite:
    """Takes the times of one stack.

    Args:
        url: Of its API.
        desk_url: Of the desk.
        targets: Agents connected to that desk.
    """

    def __init__(self, url: str, desk_url: str, targets: Sequence[Target]) -> None:
        self._url, self._desk_url = url, desk_url
        self._targets = itertools.cycle(targets)
        rows = json.loads(files("deskhand.demo").joinpath("data/new_tickets.json").read_text(encoding="utf-8"))
        self._tickets = enumerate(itertools.cycle(rows), start=time.time_ns() // 1_000_000 % 1_000_000_000)

    async def measure(self, *, count: int, in_flight: int) -> list[float]:
        """Milliseconds of each event, sorted.

        Args:
            count: Events.
            in_flight: Events without a note at any time.
        """
        taken: list[float] = []
        left = iter(range(count))

        async def sender() -> None:
            async with HttpClientFactory(allow_private=True).client(self._desk_url) as desk:
                taken.extend([await self._one(desk) for _ in left])

        await asyncio.gather(*(sender() for _ in range(in_flight)))
        return sorted(taken)

    async def _one(self, desk: httpx2.AsyncClient) -> float:
        number, row = next(self._tickets)
        # No two tickets read the same: what a run looks up is new each time.
        text = f"{row['description']} This is case {number} of today."
        body = {"subject": row["short_description"], "description": text, "requester": "alice@acme.test"}
        filed = await desk.post("/_sim/tickets", json=body)
        filed.raise_for_status()
        ticket = str(filed.json()["id"])
        raw = load.signed_request(next(self._targets), ticket, now=datetime.now(UTC))
        connection = await load.connect(self._url)
        start = time.time()
        await load.exchange(*connection, raw)
        connection[1].close()
        note = await self._note(desk, ticket)
        return (datetime.fromisoformat(note).timestamp() - start) * 1000

    async def _note(self, desk: httpx2.AsyncClient, ticket: str) -> str:
        """When the desk stored the note; looked for now and then, so that looking costs little."""
        async with asyncio.timeout(60):
            while True:
                found = await desk.get(f"/_sim/tickets/{ticket}")
                if notes := found.json()["notes"]:
                    return str(notes[0]["created_at"])
                await asyncio.sleep(0.05)
