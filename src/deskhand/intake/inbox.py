"""The webhook inbox: from a raw request to an accepted execution, in one commit, or to a clear refusal.

The order is that of ``docs/reference/webhooks.md``: size, trigger, signature, rate, state, reading, echo,
transaction. Neither a model nor a vendor is called before the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

import asyncpg
import structlog

from deskhand.engine.queue import Waker
from deskhand.errors import (
    BadRequestError,
    DeskhandError,
    InvalidInputError,
    RateLimitedError,
    SignatureError,
    UnavailableError,
)
from deskhand.intake import repository
from deskhand.intake.automatic import why_no_message
from deskhand.intake.book import KnownTrigger, TriggerBook
from deskhand.intake.echo import could_be_known, is_echo
from deskhand.intake.filtering import facts_of
from deskhand.intake.freshness import HistoryBell
from deskhand.intake.heard import Heard
from deskhand.intake.notes import change_of, why_no_word
from deskhand.intake.reading import Reading, describe, read_delivery
from deskhand.intake.repository import Arrival, Delivery
from deskhand.intake.schemas import DeliveryAnswer, Outcome
from deskhand.intake.verification import refuse_unknown_address, verify_delivery
from deskhand.kit.clock import Clock
from deskhand.kit.db.away import DATABASE_ERRORS, is_passing, sqlstate
from deskhand.kit.db.group_commit import GroupCommit
from deskhand.kit.payloads.holding import check_schema
from deskhand.kit.rates import RateLimiter
from deskhand.plugins.contract import Ignored, TicketEvent, TicketingToolPlugin, VerifiedWebhook, WebhookRequest
from deskhand.plugins.text import truncate

RECORDED_REFUSALS_PER_MINUTE = 60
DATABASE_RETRY_AFTER = 5.0
REFUSAL_SECONDS = 0.05
"""A wrong signature is answered no sooner, so that the time tells nobody whether the address exists."""
LARGE_BODY = 64 * 1024
SHOWN_FAULTS = 3
REASON_CHARACTERS = 500
ECHO_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 0.0)
"""Looks at a write that is under way, and how long to wait after each; then the event runs."""
ECHO_WRITES = 50
OWN_WRITE = "our own write, coming back"

REFUSED = (
    "The signature or its timestamp does not hold, or there is no webhook at this address. Check the address, the"
    " secret and the sender's clock; the tenant's list of deliveries says which it was."
)
"""One answer for every stranger: what it is exactly stands in the record, which a stranger cannot read."""

_UNREAD = Delivery(delivery_id=None, scheme=None, body_sha256=None, body_bytes=None)
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Count(Protocol):
    """Counts one delivery by its outcome and the desk it came from (empty where nobody could tell)."""

    def __call__(self, outcome: str, *, tool_type: str = "") -> None: ...


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
        self._bell = HistoryBell(pool, book, limits=self._limits, clock=clock, refusal=(REFUSED, REFUSAL_SECONDS))
        self._intake = GroupCommit(partial(repository.accept, pool), order=lambda arrival: arrival.order)

    def last_heard(self, tenant_id: str, tool_type: str) -> Heard | None:
        """The last delivery to a desk's own address at which no agent listened, if this process heard one."""
        return self._bell.last_heard.of(tenant_id, tool_type)

    def forget(self, agent_id: UUID) -> None:
        """Know an agent's webhooks as they are now, also those that were changed a moment ago."""
        self._book.forget(agent_id)

    async def receive_for_agent(self, agent_id: UUID, request: WebhookRequest) -> DeliveryAnswer:
        """A delivery to an agent's own webhook.

        Raises:
            DeskhandError: As listed in the module's docstring; nothing was started.
        """
        with self._storing():
            known = await self._book.of_agent(agent_id)
            candidates = [(trigger, trigger.secrets(self._clock())) for trigger in known]
            trigger, verified = await self._authenticate(candidates, request, self._desks(known))
            return await self._receive(trigger, verified, request)

    async def receive_for_desk(self, tenant_id: str, tool_type: str, request: WebhookRequest) -> list[DeliveryAnswer]:
        """A desk-wide delivery, for every agent of the tenant that works on that desk.

        An agent whose schema or desk refuses it does not cost the others their event.

        Raises:
            BadRequestError, InvalidInputError: Every agent refused it; what the first one said.
            SignatureError: The tenant's webhook secret does not fit; or tenant and tool do not exist, since a stranger
                must not learn which. Where no agent listens, the event still keeps the history current.
        """
        with self._storing():
            known = await self._book.of_desk(tenant_id, tool_type)
            if not known:
                return [await self._bell.receive(tenant_id, tool_type, request)]
            # One secret stands for the whole tenant, so it is tried once, however many agents listen.
            candidates = [(trigger, trigger.tenant_secrets) for trigger in known[:1]]
            plugins = known[0].plugins_for(tool_type) if known else self._book.desks
            _, verified = await self._authenticate(candidates, request, plugins, tool_type=tool_type)
            answers: list[DeliveryAnswer] = []
            refusals: list[DeskhandError] = []
            for trigger in known:
                try:
                    answers.append(await self._receive(trigger, verified, request))
                except (BadRequestError, InvalidInputError) as error:
                    refusals.append(error)
                    answers.append(DeliveryAnswer(status=Outcome.REJECTED, reason=error.detail))
            # One agent that took it is enough for 2xx: a vendor would send the event again to those who have it.
            if refusals and len(refusals) == len(known):
                raise refusals[0]
            return answers

    async def refuse_unread(self, agent_id: UUID | None, tenant_id: str, tool_type: str, error: DeskhandError) -> None:
        """Keep the fact that a body was too large to be read; who sent it is not known.

        Args:
            agent_id: Whose address it came to; None for a desk's.
            tenant_id: Tenant of a desk's address.
            tool_type: Tool of a desk's address.
            error: What the sender is told.
        """
        with self._storing():
            known = await (self._book.of_agent(agent_id) if agent_id else self._book.of_desk(tenant_id, tool_type))
            if known:
                await self._refuse(known[0], _UNREAD, error, may_flood=True)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """What goes wrong in the database, told as the sender has to understand it."""
        try:
            yield
        except DATABASE_ERRORS as error:
            if not is_passing(error):
                raise
            self._count("unavailable")
            log.warning("event_not_stored", error=str(error) or type(error).__name__, sqlstate=sqlstate(error))
            raise UnavailableError(
                "The event could not be stored; please send it again.", retry_after=DATABASE_RETRY_AFTER
            ) from error

    # -- the steps, in order -----------------------------------------------------------------

    def _desks(self, known: Sequence[KnownTrigger]) -> tuple[type[TicketingToolPlugin], ...]:
        return known[0].plugins if known else self._book.desks

    async def _authenticate(
        self,
        candidates: Sequence[tuple[KnownTrigger, Sequence[str]]],
        request: WebhookRequest,
        plugins: Sequence[type[TicketingToolPlugin]],
        *,
        tool_type: str | None = None,
    ) -> tuple[KnownTrigger, VerifiedWebhook]:
        """Which trigger is meant; an agent may have several behind its address, and the signature says which.

        Raises:
            SignatureError: None. The answer is the same, and takes as long, where there is no trigger at all.
        """
        # The clock starts before any work: whether a trigger exists must not show in how long the refusal takes.
        arrived_at = time.monotonic()
        failure: SignatureError | None = None
        for trigger, secrets in candidates:
            try:
                return trigger, await _off_loop(request, partial(self._verify, request, secrets, plugins))
            except SignatureError as error:
                # The first trigger's failure: the record of that trigger gets it.
                failure = failure or error
        if failure is None:
            failure = refuse_unknown_address(request, plugins=plugins, now=self._clock())
        else:
            # At a desk's own address the record says which desk's: whoever sets it up looks for it there.
            unproven = replace(describe(request), tool_type=tool_type)
            await self._refuse(candidates[0][0], unproven, failure, may_flood=True)
        await asyncio.sleep(max(0.0, REFUSAL_SECONDS - (time.monotonic() - arrived_at)))
        raise SignatureError(REFUSED) from failure

    def _verify(
        self, request: WebhookRequest, secrets: Sequence[str], plugins: Sequence[type[TicketingToolPlugin]]
    ) -> VerifiedWebhook:
        return verify_delivery(request, secrets=secrets, plugins=plugins, now=self._clock())

    async def _receive(
        self, trigger: KnownTrigger, verified: VerifiedWebhook, request: WebhookRequest
    ) -> DeliveryAnswer:
        # After the signature: a stranger must not be able to use up a tenant's rate.
        delivery = describe(request, verified)
        wait = self._limits.wait_for(trigger.row.tenant_id, per_minute=trigger.webhooks_per_minute)
        if wait > 0:
            limited = RateLimitedError(
                f"The tenant's limit of {trigger.webhooks_per_minute} webhooks a minute is used up.", retry_after=wait
            )
            await self._refuse(trigger, delivery, limited, may_flood=True)
            raise limited
        if silenced := await self._ring(trigger, request):
            reading, reason = silenced
            # Without what the event says of the ticket: of that nothing is kept.
            return await self._ignore(trigger, replace(describe(request, verified, reading), facts=None), reason)
        # Before the agent reads it: one that is off refuses nothing by its schema.
        if why := trigger.why_ignored():
            return await self._ignore(trigger, delivery, why)
        try:
            await check_schema(await _off_loop(request, lambda: dict(request.payload)), trigger.row.payload_schema)
            reading = await _off_loop(request, partial(read_delivery, request, trigger))
            return await self._act(trigger, describe(request, verified, reading), reading, request)
        except (BadRequestError, InvalidInputError) as error:
            await self._refuse(trigger, delivery, error)
            raise
        except asyncpg.DataError as error:
            unstorable = BadRequestError(f"The event cannot be stored as it is: {error}.")
            await self._refuse(trigger, delivery, unstorable)
            raise unstorable from error

    async def _ring(self, trigger: KnownTrigger, request: WebhookRequest) -> tuple[Reading, str] | None:
        """Tell of the ticket what keeps the history; where the tenant wants nothing done about it, also why."""
        try:
            reading = await _off_loop(request, partial(read_delivery, request, trigger))
        except BadRequestError:
            return None  # refused in its own words where the agent reads it
        why = trigger.why_silent(reading.event)
        await self._bell.ring(trigger.row.tenant_id, reading.tool_type, reading.event, is_silent=why is not None)
        return None if why is None else (reading, why)

    async def _act(
        self, trigger: KnownTrigger, delivery: Delivery, reading: Reading, request: WebhookRequest
    ) -> DeliveryAnswer:
        event = reading.event
        if isinstance(event, Ignored):
            return await self._ignore(trigger, delivery, await self._wake(trigger, reading.tool_type, event))
        # Not told to a run that waits, either: a machine's message is no answer.
        if why := trigger.why_machine(event) or why_no_message(event, trigger.own_addresses):
            return await self._ignore(trigger, delivery, why)
        if why := self._why_unwanted(trigger, reading.tool_type, event):
            # What starts no run may be the answer that one waits for.
            unwanted = Ignored(event=event.event, reason=why, ticket_id=event.ticket.ticket_id)
            return await self._ignore(trigger, delivery, await self._wake(trigger, reading.tool_type, unwanted))
        if await self._is_own_echo(trigger, reading.tool_type, event):
            return await self._ignore(trigger, delivery, OWN_WRITE)
        if why := why_no_word(event, trigger.row.note_word):
            return await self._ignore(trigger, delivery, why)
        change = change_of(event, by_us=trigger.is_own_event(reading.tool_type, event))
        return await self._accept(trigger, Arrival(trigger.row, delivery, dict(request.payload), change))

    def _why_unwanted(self, trigger: KnownTrigger, tool_type: str, event: TicketEvent) -> str | None:
        """Why the trigger's filter lets an event start nothing, as far as the event tells."""
        wanted = trigger.event_filter
        if wanted is None:
            return None
        in_hours = trigger.is_in_hours(event, self._clock()) if wanted.asks_hours else None
        return wanted.why_not(replace(facts_of(tool_type, event), in_hours=in_hours))

    async def _wake(self, trigger: KnownTrigger, tool_type: str, event: Ignored) -> str:
        """Why an event starts nothing; a run that waits on its ticket looks whether there is still something to do."""
        if event.ticket_id is None:
            return event.reason
        woken = await repository.wake_listener(self._pool, trigger.row, tool_type, event.ticket_id)
        if woken is None:
            return event.reason
        self._waker.wake()
        return f"{event.reason}; execution {woken}, which waited for the requester, looks at the ticket"

    async def _is_own_echo(self, trigger: KnownTrigger, tool_type: str, event: TicketEvent) -> bool:
        """Whether our journal knows the event; a desk may report a write before it has answered it."""
        by_us = trigger.is_own_event(tool_type, event)
        # Nearly every event ends here, without a query.
        if by_us is False or not could_be_known(event):
            return False
        for pause in ECHO_PAUSES:
            writes = await repository.writes_on_ticket(
                self._pool, trigger.row.tenant_id, tool_type, event.ticket.ticket_id, limit=ECHO_WRITES
            )
            verdict = is_echo(event, by_us=by_us, writes=writes)
            if verdict is not None:
                return verdict
            await asyncio.sleep(pause)
        return False

    async def _accept(self, trigger: KnownTrigger, arrival: Arrival) -> DeliveryAnswer:
        delivery = arrival.delivery
        answer = await self._intake.put(arrival)
        # The statement found another revision of the agent than the book had. Once more with what it is now; an agent
        # that changes faster than that is being edited, and the vendor will send the event again.
        if answer is None:
            trigger = await self._book.reread(trigger)
            if why := trigger.why_ignored():
                return await self._ignore(trigger, delivery, why)
            answer = await self._intake.put(replace(arrival, trigger=trigger.row))
        if answer is None:
            raise UnavailableError(
                "The agent is being changed right now; please send the event again.", retry_after=1.0
            )
        self._count(answer.status.value, tool_type=delivery.tool_type or "")
        # A run that was joined may be one that waited, and goes on now.
        if answer.status in (Outcome.ACCEPTED, Outcome.COALESCED):
            self._waker.wake()
        return answer

    async def _ignore(self, trigger: KnownTrigger, delivery: Delivery, reason: str) -> DeliveryAnswer:
        answer = await repository.record(
            self._pool, trigger.row, delivery, outcome=Outcome.IGNORED, reason=reason, http_status=202
        )
        self._count(Outcome.IGNORED.value, tool_type=delivery.tool_type or "")
        return answer or DeliveryAnswer(status=Outcome.IGNORED, reason=reason)

    async def _refuse(
        self, trigger: KnownTrigger, delivery: Delivery, error: DeskhandError, *, may_flood: bool = False
    ) -> None:
        """Keep the fact and the reason of a refusal; of what strangers can send without end, so many a minute."""
        self._count(Outcome.REJECTED.value, tool_type=delivery.tool_type or "")
        key = f"refusals/{trigger.row.trigger_id}"
        if may_flood and self._limits.wait_for(key, per_minute=RECORDED_REFUSALS_PER_MINUTE) > 0:
            return
        faults = "; ".join(f"{fault.pointer or '/'} {fault.detail}" for fault in error.errors[:SHOWN_FAULTS])
        reason = truncate(f"{error.detail} {faults}".strip(), REASON_CHARACTERS)
        await repository.record(
            self._pool, trigger.row, delivery, outcome=Outcome.REJECTED, reason=reason, http_status=error.status
        )


async def _off_loop(request: WebhookRequest, work: Callable[[], T]) -> T:
    """Large bodies are hashed and parsed beside the event loop, so that nobody else's event waits for them."""
    return await asyncio.to_thread(work) if len(request.body) > LARGE_BODY else work()
