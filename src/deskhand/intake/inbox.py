"""The webhook inbox: from a raw request to an accepted execution, in one commit, or to a clear refusal.

The order is that of ``docs/reference/webhooks.md``: size, trigger, signature, rate, state, reading, echo,
transaction. Neither a model nor a vendor is called before the answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from deskhand.engine.queue import Waker
from deskhand.errors import (
    BadRequestError,
    NotAVendorPayloadError,
    NotFoundError,
    RateLimitedError,
    SignatureError,
    UnavailableError,
)
from deskhand.intake import repository
from deskhand.intake.book import KnownTrigger, TriggerBook
from deskhand.intake.limits import RateLimiter
from deskhand.intake.repository import Arrival, Delivery
from deskhand.intake.schemas import DeliveryAnswer, Outcome
from deskhand.intake.verification import verify_against_nothing, verify_delivery
from deskhand.kit.clock import Clock
from deskhand.kit.db.away import DATABASE_AWAY, is_database_away
from deskhand.kit.db.group_commit import GroupCommit
from deskhand.kit.payload import check_schema
from deskhand.plugins.contract import (
    Ignored,
    TicketEvent,
    TicketingToolPlugin,
    TicketMetadata,
    VerifiedWebhook,
    WebhookRequest,
)

RECORDED_REFUSALS_PER_MINUTE = 60
DATABASE_RETRY_AFTER = 5.0

Count = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a verified body turned out to be."""

    tool_type: str
    event: TicketEvent | Ignored


class Inbox:
    """Accepts deliveries.

    Args:
        pool: Connections of the application role.
        book: Knows the triggers.
        waker: Wakes workers after a commit.
        clock: Current time.
        count: Told the outcome of each delivery, for the metrics.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        book: TriggerBook,
        waker: Waker,
        *,
        clock: Clock,
        count: Count,
    ) -> None:
        self._pool = pool
        self._book = book
        self._waker = waker
        self._clock = clock
        self._count = count
        self._limits = RateLimiter()
        self._intake = GroupCommit(partial(repository.accept, pool), order=lambda arrival: arrival.order)

    async def receive_for_agent(self, agent_id: UUID, request: WebhookRequest) -> DeliveryAnswer:
        """A delivery to an agent's own webhook.

        Raises:
            DeskhandError: As listed in the module's docstring; nothing was started.
        """
        with self._storing():
            known = await self._book.of_agent(agent_id)
            if not known:
                verify_against_nothing(request, now=self._clock())
                raise NotFoundError("There is no webhook at this address. Copy the webhook URL from the agent again.")
            trigger, verified = await self._authenticate(known, request)
            return await self._receive(trigger, verified, request)

    async def receive_for_desk(self, tenant_id: str, tool_type: str, request: WebhookRequest) -> list[DeliveryAnswer]:
        """A desk-wide delivery, for every agent of the tenant that works on that desk.

        Raises:
            NotFoundError: No agent listens, or tenant and tool do not exist; the answer is the same.
            SignatureError: The tenant's webhook secret does not fit.
        """
        with self._storing():
            known = await self._book.of_desk(tenant_id, tool_type)
            if not known:
                verify_against_nothing(request, now=self._clock())
                raise NotFoundError("There is no webhook at this address.")
            verified = await self._verify(known[0], known[0].tenant_secrets, request, known[0].plugins_for(tool_type))
            return [await self._receive(trigger, verified, request) for trigger in known]

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """What goes wrong in the database, told as the sender has to understand it."""
        try:
            yield
        except asyncpg.DataError as error:
            raise BadRequestError(f"The event cannot be stored as it is: {error}.") from error
        except (*DATABASE_AWAY, asyncpg.PostgresError, SQLAlchemyError) as error:
            if isinstance(error, SQLAlchemyError) and not is_database_away(error):
                raise
            self._count("unavailable")
            raise UnavailableError(
                "The event could not be stored; please send it again.", retry_after=DATABASE_RETRY_AFTER
            ) from error

    # -- the steps, in order -----------------------------------------------------------------

    async def _authenticate(
        self, known: Sequence[KnownTrigger], request: WebhookRequest
    ) -> tuple[KnownTrigger, VerifiedWebhook]:
        """An agent may have several webhook triggers behind its address; the signature says which one is meant."""
        failure: SignatureError | None = None
        for trigger in known:
            try:
                return trigger, verify_delivery(
                    request, secrets=trigger.secrets(self._clock()), plugins=trigger.plugins, now=self._clock()
                )
            except SignatureError as error:
                failure = failure or error
        assert failure is not None
        await self._refuse(known[0], request, failure)
        raise failure

    async def _verify(
        self,
        trigger: KnownTrigger,
        secrets: Sequence[str],
        request: WebhookRequest,
        plugins: Sequence[type[TicketingToolPlugin]],
    ) -> VerifiedWebhook:
        try:
            return verify_delivery(request, secrets=secrets, plugins=plugins, now=self._clock())
        except SignatureError as error:
            await self._refuse(trigger, request, error)
            raise

    async def _receive(
        self, trigger: KnownTrigger, verified: VerifiedWebhook, request: WebhookRequest
    ) -> DeliveryAnswer:
        wait = self._limits.wait_for(trigger.row.tenant_id, per_minute=trigger.webhooks_per_minute)
        if wait > 0:
            self._count("rate-limited")
            raise RateLimitedError(
                f"The tenant's limit of {trigger.webhooks_per_minute} webhooks a minute is used up.", retry_after=wait
            )
        if why := trigger.why_ignored():
            return await self._ignore(trigger, _delivery(request, verified), why)
        payload = parse_json(request.body)
        check_schema(payload, trigger.row.payload_schema)
        reading = read_event(request, trigger, payload)
        delivery = _delivery(request, verified, reading)
        if isinstance(reading.event, Ignored):
            return await self._ignore(trigger, delivery, reading.event.reason)
        if trigger.is_own_event(reading.tool_type, reading.event):
            return await self._ignore(trigger, delivery, "our own write, coming back")
        return await self._accept(trigger, delivery, payload)

    async def _accept(self, trigger: KnownTrigger, delivery: Delivery, payload: dict[str, Any]) -> DeliveryAnswer:
        answer = await self._intake.put(Arrival(trigger.row, delivery, payload))
        if answer is None:
            trigger = await self._book.reread(trigger)
            if why := trigger.why_ignored():
                return await self._ignore(trigger, delivery, why)
            answer = await self._intake.put(Arrival(trigger.row, delivery, payload))
        if answer is None:
            raise UnavailableError(
                "The agent is being changed right now; please send the event again.", retry_after=1.0
            )
        self._count(answer.status.value)
        if answer.status is Outcome.ACCEPTED:
            self._waker.wake()
        return answer

    async def _ignore(self, trigger: KnownTrigger, delivery: Delivery, reason: str) -> DeliveryAnswer:
        answer = await repository.record(
            self._pool, trigger.row, delivery, outcome="ignored", reason=reason, http_status=202
        )
        self._count("ignored")
        return answer or DeliveryAnswer(status=Outcome.IGNORED, reason=reason)

    async def _refuse(self, trigger: KnownTrigger, request: WebhookRequest, error: SignatureError) -> None:
        """Keep the fact and the reason of a refusal; a flood of forgeries is counted but not stored."""
        self._count("rejected")
        if self._limits.wait_for(f"refusals/{trigger.row.trigger_id}", per_minute=RECORDED_REFUSALS_PER_MINUTE) == 0:
            delivery = Delivery(
                delivery_id=None, scheme=None, body_sha256=_sha256(request.body), body_bytes=len(request.body)
            )
            await repository.record(
                self._pool, trigger.row, delivery, outcome="rejected", reason=error.detail, http_status=error.status
            )


# -- reading a body: pure ------------------------------------------------------------------------


def parse_json(body: bytes) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        BadRequestError: It is not JSON, or not an object.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"The body is not JSON: {error}. Send a JSON object.") from error
    if not isinstance(payload, dict):
        raise BadRequestError("The body must be a JSON object.")
    # JSON may hold U+0000 and PostgreSQL may not; a ticket is not refused for a character nobody sees.
    return _without_nul(payload) if b"\\u0000" in body else payload


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(item) for name, item in value.items()}
    return value


def read_event(request: WebhookRequest, trigger: KnownTrigger, payload: dict[str, Any]) -> Reading:
    """Let the agent's desks read the body; a trigger with a schema of its own may also take a plain ``ticket_id``.

    Raises:
        NotAVendorPayloadError: Nobody recognises it.
    """
    failure: NotAVendorPayloadError | None = None
    for tool_type, plugin in trigger.readers:
        try:
            return Reading(tool_type, plugin.extract_metadata(request))
        except NotAVendorPayloadError as error:
            failure = failure or error
    plain = _plain_event(payload, trigger)
    if plain is not None:
        return plain
    raise failure or NotAVendorPayloadError("No desk of this agent sends such a body.")


def _plain_event(payload: dict[str, Any], trigger: KnownTrigger) -> Reading | None:
    ticket_id = payload.get("ticket_id")
    if trigger.row.payload_schema is None or not isinstance(ticket_id, str | int) or not trigger.readers:
        return None
    tool_type = trigger.default_tool
    action = payload.get("action")
    return Reading(
        tool_type, plain_ticket_event(tool_type, str(ticket_id), action if isinstance(action, str) else "custom")
    )


def plain_ticket_event(tool_type: str, ticket_id: str, event: str) -> TicketEvent:
    """An event that names nothing but a ticket."""
    return TicketEvent(event=event, ticket=TicketMetadata(tool_type=tool_type, ticket_id=ticket_id))


def _delivery(request: WebhookRequest, verified: VerifiedWebhook, reading: Reading | None = None) -> Delivery:
    event = reading.event if reading else None
    ticket_event = event if isinstance(event, TicketEvent) else None
    return Delivery(
        delivery_id=verified.delivery_id,
        scheme=verified.scheme,
        event=event.event if event else None,
        tool_type=reading.tool_type if reading else None,
        ticket_ref=ticket_event.ticket.ticket_id if ticket_event else None,
        marks=ticket_event.marks if ticket_event else (),
        body_sha256=_sha256(request.body),
        body_bytes=len(request.body),
    )


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


__all__ = ["Inbox", "parse_json", "read_event"]
