"""Events keep the history of solved tickets current, whether an agent listens or not.

What an event says is a hint: it only leads to a look, which a worker takes at the ticket itself (``knowledge.upkeep``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import asyncpg

from deskhand.errors import BadRequestError, DeskhandError, RateLimitedError, SignatureError
from deskhand.intake.book import DEFAULT_WEBHOOKS_PER_MINUTE, DeskAddress, TriggerBook
from deskhand.intake.heard import Heard, LastHeard
from deskhand.intake.reading import TICKET_CHARACTERS
from deskhand.intake.schemas import DeliveryAnswer, Outcome
from deskhand.intake.verification import refuse_unknown_address, verify_delivery
from deskhand.kit.clock import Clock
from deskhand.kit.db.group_commit import GroupCommit
from deskhand.kit.rates import RateLimiter
from deskhand.plugins.contract import Ignored, TicketEvent, WebhookRequest

NO_AGENT = "no agent listens here; what is known of solved tickets is kept current"
_SOLVED = {"resolved", "closed", "done", "solved", "completed", "cancelled", "canceled"}
"""Statuses as desks name them. One that is missing costs a night: then the desk is asked what was solved."""


@dataclass(frozen=True, slots=True)
class Report:
    """That something happened to a ticket; ``ended``: as far as the event says, it is over."""

    tenant_id: str
    tool_type: str
    ticket_id: str
    ended: bool

    @property
    def order(self) -> tuple[str, ...]:
        """By which reports of one statement are stored."""
        return (self.tenant_id, self.tool_type, self.ticket_id)

    def as_row(self) -> dict[str, Any]:
        """What ``touch_history`` reads."""
        return {"tenant": self.tenant_id, "tool": self.tool_type, "ticket": self.ticket_id, "ended": self.ended}


def report_of(event: TicketEvent | Ignored, tenant_id: str, tool_type: str) -> Report | None:
    """What an event means for the history; None where it is about no ticket."""
    ticket_id = event.ticket_id if isinstance(event, Ignored) else event.ticket.ticket_id
    if ticket_id is None or len(ticket_id) > TICKET_CHARACTERS:
        return None
    ended = event.ended if isinstance(event, Ignored) else (event.ticket.status or "").casefold() in _SOLVED
    return Report(tenant_id, tool_type, ticket_id, ended)


class HistoryBell:
    """Tells the workers which tickets to look at, and answers where no agent does.

    Args:
        pool: Connections of the application role.
        book: Knows the desks' own addresses.
        limits: The tenants' rates, shared with the agents' addresses.
        clock: Current time.
        refusal: What every stranger is told, and after how many seconds.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        book: TriggerBook,
        *,
        limits: RateLimiter,
        clock: Clock,
        refusal: tuple[str, float],
    ) -> None:
        self._book = book
        self._limits = limits
        self._clock = clock
        self._refusal = refusal
        self.last_heard = LastHeard()
        self._reports = GroupCommit(partial(_store, pool), order=lambda report: report.order)

    async def ring(
        self, tenant_id: str, tool_type: str, event: TicketEvent | Ignored, *, is_silent: bool = False
    ) -> None:
        """Keep that a ticket is to be looked at, before the event itself is stored: a redelivery then repeats both.

        One about which the tenant wants nothing done is looked at where the history has it, so that it goes.
        """
        report = report_of(event, tenant_id, tool_type)
        if report is not None:
            await self._reports.put(replace(report, ended=report.ended and not is_silent))

    async def receive(self, tenant_id: str, tool_type: str, request: WebhookRequest) -> DeliveryAnswer:
        """A delivery to a desk's own address at which no agent listens.

        Raises:
            SignatureError: It is not signed with the tenant's secret, or there is no such tenant or desk: a stranger
                gets one answer after one time.
            RateLimitedError: The tenant's limit of webhooks is used up.
            NotAVendorPayloadError: The desk sends no such body.
        """
        arrived_at = time.monotonic()
        address = await self._book.address_of_desk(tenant_id, tool_type)
        try:
            if address is None:
                raise refuse_unknown_address(request, plugins=self._book.desks, now=self._clock())
            verify_delivery(request, secrets=address.secrets, plugins=(address.plugin,), now=self._clock())
        except SignatureError as error:
            if address is not None:
                self._keep(tenant_id, tool_type, error)
            words, seconds = self._refusal
            await asyncio.sleep(max(0.0, seconds - (time.monotonic() - arrived_at)))
            raise SignatureError(words) from error
        try:
            answer = await self._take(address, tenant_id, tool_type, request)
        except (RateLimitedError, BadRequestError) as error:
            self._keep(tenant_id, tool_type, error)
            raise
        heard = Heard(at=self._clock(), outcome=answer.status, reason=answer.reason)
        self.last_heard.keep(tenant_id, tool_type, heard)
        return answer

    async def _take(
        self, address: DeskAddress, tenant_id: str, tool_type: str, request: WebhookRequest
    ) -> DeliveryAnswer:
        per_minute = int(address.rate_limits.get("webhooks_per_minute", DEFAULT_WEBHOOKS_PER_MINUTE))
        wait = self._limits.wait_for(tenant_id, per_minute=per_minute)
        if wait > 0:
            raise RateLimitedError(
                f"The tenant's limit of {per_minute} webhooks a minute is used up.", retry_after=wait
            )
        read: Callable[[], TicketEvent | Ignored] = partial(address.plugin.extract_metadata, request)
        event = await asyncio.to_thread(read)
        why = address.why_silent(event)
        await self.ring(tenant_id, tool_type, event, is_silent=why is not None)
        return DeliveryAnswer(status=Outcome.IGNORED, reason=why or NO_AGENT)

    def _keep(self, tenant_id: str, tool_type: str, error: DeskhandError) -> None:
        """Remember a refusal, in the words that the sender is not told."""
        heard = Heard(at=self._clock(), outcome=Outcome.REJECTED, reason=error.detail, http_status=error.status)
        self.last_heard.keep(tenant_id, tool_type, heard)


async def _store(pool: asyncpg.Pool[asyncpg.Record], reports: Sequence[Report]) -> Sequence[None]:
    await pool.fetchval("SELECT touch_history($1)", [report.as_row() for report in reports])
    return [None] * len(reports)
