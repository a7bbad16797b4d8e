"""Sends a simulator's events to Deskhand the way vendors do: late, twice, in the wrong order, and again on failure.

Deliveries run as tasks of their own; a vendor call never waits for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
from pydantic import BaseModel, ConfigDict, Field

from deskhand.kit.clock import Clock
from deskhand.kit.http import HttpClientFactory

_RETRY_AFTER = (0.5, 2.0, 8.0, 30.0, 120.0)
_AT_ONCE = 16


class WebhookTarget(BaseModel):
    """Where events go, and how well.

    Attributes:
        url: Receiver; None sends nothing.
        secret: Signs, or is the static token.
        scheme: How to authenticate, by the simulator's own names; empty for its usual one.
        copies: Deliveries of each event (same delivery id).
        hold: Out-of-order mode: keep this many events back, then send them newest first; 0 sends at once.
        retry_delays: Seconds before each further attempt after a failure or a 4xx/5xx answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None
    secret: str = Field(default="", repr=False)
    scheme: str = ""
    copies: int = Field(default=1, ge=1, le=1000)
    hold: int = Field(default=0, ge=0, le=10_000)
    retry_delays: tuple[float, ...] = _RETRY_AFTER


Sign = Callable[[datetime], dict[str, str]]


@dataclass(frozen=True, slots=True)
class OutboundEvent:
    """One event ready to go.

    Attributes:
        id: Delivery id, the same on every attempt.
        event: Vendor's event name.
        ticket_id: Which ticket.
        body: Raw body.
        sign: Headers of an attempt made at a given time.
    """

    id: str
    event: str
    ticket_id: str
    body: bytes
    sign: Sign


@dataclass(slots=True)
class Delivery:
    """What became of one event."""

    event: OutboundEvent
    statuses: list[int | str] = field(default_factory=list)
    done: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.event.id,
            "event": self.event.event,
            "ticket_id": self.event.ticket_id,
            "attempts": self.statuses,
            "done": self.done,
        }


class WebhookSender:
    """Delivers events in the background.

    Args:
        clock: Time of each attempt, for signed timestamps.
        http: Makes the client.
    """

    def __init__(self, clock: Clock, http: HttpClientFactory) -> None:
        self.target = WebhookTarget()
        self.deliveries: list[Delivery] = []
        self._clock = clock
        self._http = http
        self._held: list[OutboundEvent] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def emit(self, event: OutboundEvent) -> None:
        """Take an event; returns at once."""
        if self.target.url is None:
            return
        if self.target.hold:
            self._held.append(event)
            if len(self._held) >= self.target.hold:
                self.flush()
            return
        self._send_all([event])

    def flush(self) -> int:
        """Send what is held back, newest first."""
        held, self._held = self._held, []
        # The worst order for a receiver, in which the oldest state of a ticket comes last.
        self._send_all(list(reversed(held)))
        return len(held)

    def forget(self) -> None:
        """Clear the log and what is held back; deliveries on their way go on."""
        self.deliveries.clear()
        self._held.clear()

    def as_json(self) -> dict[str, Any]:
        return {
            "target": self.target.model_dump(exclude={"secret"}),
            "held": len(self._held),
            "pending": len(self._tasks),
            "deliveries": [delivery.as_json() for delivery in self.deliveries],
        }

    async def drain(self) -> None:
        """Wait until every delivery was accepted or given up."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Drop what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _send_all(self, events: Sequence[OutboundEvent]) -> None:
        for event in events:
            # Each copy is a delivery of its own with the same id, so that copies may overtake one another.
            for _ in range(self.target.copies):
                delivery = Delivery(event)
                self.deliveries.append(delivery)
                task = asyncio.get_running_loop().create_task(self._deliver(delivery, self.target))
                self._tasks.add(task)
                # Kept until it is done: the event loop holds tasks weakly, and one that nobody holds may vanish.
                task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, target: WebhookTarget) -> None:
        # A client each: a receiver that dies must not take the connections of other deliveries along.
        async with self._http.client() as client:
            for delay in (0.0, *target.retry_delays):
                if delay:
                    await asyncio.sleep(delay)
                async with self._slots:
                    if await self._attempt(client, delivery, target):
                        break
        delivery.done = True

    async def _attempt(self, client: httpx2.AsyncClient, delivery: Delivery, target: WebhookTarget) -> bool:
        event = delivery.event
        # Signed anew at each attempt: a retry after minutes with the first time would be refused as a replay.
        headers = {"Content-Type": "application/json", **event.sign(self._clock())}
        try:
            response = await client.post(str(target.url), content=event.body, headers=headers)
        except httpx2.TransportError as error:
            delivery.statuses.append(type(error).__name__)
            return False
        delivery.statuses.append(response.status_code)
        # As vendors judge: whatever is no error was taken, a redirect included.
        return response.status_code < 400
