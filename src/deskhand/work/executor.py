"""One run, from its ticket to its note: read, research, draft, check, write, in that order.

What a small model cannot be trusted with is done by construction around it: the look-ups, the suggested
category and priority, the citations and the assembly of the note are code; the model summarises
and words the next steps, and what it words is checked against the sources before anyone reads it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.names import agent_name
from deskhand.agents.outcomes import OutcomeKind
from deskhand.agents.service import get_version
from deskhand.approvals.service import time_waited
from deskhand.engine.claims import Ending, RunningExecution, kept_marks
from deskhand.engine.journal import Journal
from deskhand.engine.lease import Lease
from deskhand.engine.limits import RunBudget, RunLimits
from deskhand.engine.listening import time_listened
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import NotApprovedError, WaitOverError
from deskhand.intake.second_look import is_of_own_write
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.marks import MarkMaker
from deskhand.kit.telemetry import Telemetry
from deskhand.knowledge.embedding import Embedder
from deskhand.llm.connection import GatewaySettings
from deskhand.notes.layout import (
    ComposedNote,
    NoteFacts,
)
from deskhand.plugins.contract import Ticket
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.service import TenantService, record_enhancement
from deskhand.tools.asking import ASK
from deskhand.work.asking import AWAIT
from deskhand.work.drafting import Drafter, Share, Wording
from deskhand.work.facts import note_input
from deskhand.work.free_run import FreeRun
from deskhand.work.hands import DeskHands
from deskhand.work.note_word import NoteWord
from deskhand.work.opening import ToolboxMaker
from deskhand.work.prompting import system_prompt
from deskhand.work.repetition import LastNote, ReadNote, facts_digest, read_begun_note, read_last_note
from deskhand.work.research import Findings, Researcher
from deskhand.work.run import Run
from deskhand.work.settling import settle_open_writes
from deskhand.work.ticket_outcomes import WRITE_KEYS, Seen, TicketOutcomes
from deskhand.work.timeliness import Timeliness
from deskhand.work.toolbox import Toolbox
from deskhand.work.undo.performing import Undoer
from deskhand.work.undo.schemas import UNDO

NOTE_KEY, EXPIRED_KEY = "add_note:note", "add_note:expired"
OWN_WRITE = "The event was a write of our own, coming back before the journal had it; nothing was written."
LOOKS = 3
"""How often a run looks at a ticket that changes each time before what somebody approved is written."""


class Executor:
    """Does runs. Holds what all runs share; nothing of one run is kept.

    Args:
        db: Sessions.
        pool: Connections of the application role, for the journal.
        secrets: Decrypts the tenant's connections.
        http: Outbound HTTP.
        plugins: Registered desks.
        gateway: How models are reached.
        embedder: For semantic search.
        limits: Of one run.
        telemetry: Figures for Prometheus.
    """

    def __init__(
        self,
        *,
        db: Database,
        pool: asyncpg.Pool[asyncpg.Record],
        secrets: SecretBox,
        http: HttpClientFactory,
        plugins: PluginManager,
        gateway: GatewaySettings,
        embedder: Embedder,
        limits: RunLimits,
        telemetry: Telemetry,
    ) -> None:
        self._db = db
        self._pool = pool
        self._statements = RunStatements(pool)
        self._secrets = secrets
        self._http = http
        self._plugins = plugins
        self._gateway = gateway
        self._embedder = embedder
        self._toolboxes = ToolboxMaker(db=db, secrets=secrets, plugins=plugins, embedder=embedder)
        self._undoer = Undoer(db, secrets, plugins)
        self._limits = limits
        self._telemetry = telemetry
        self._marks = MarkMaker(secrets.derive("marks"))

    async def execute(self, execution: RunningExecution, lease: Lease) -> Ending:
        """Do one attempt of one run.

        Args:
            execution: The run, owned by this worker.
            lease: Whether the worker may still act.

        Raises:
            Exception: Whatever went wrong; ``retry.decide`` says what it means.
        """
        budget = RunBudget(self._limits)
        # The limit is a model's. What is taken back is what a person saw, however many tickets that is.
        limit = asyncio.timeout(None if execution.mode == UNDO else self._limits.timeout)
        try:
            with self._telemetry.running():
                async with limit:
                    run = await self._prepare(execution, lease, budget)
                    if execution.mode == UNDO:
                        return await self._undoer.perform(run)
                    return await self._agents_run(run)
        except TimeoutError as error:
            # A TimeoutError of a library inside the run is that library's failure, and its own sentence says more.
            if not limit.expired():
                raise
            raise budget.out_of_time() from error

    async def _prepare(self, execution: RunningExecution, lease: Lease, budget: RunBudget) -> Run:
        async with self._db.tenant_session(execution.tenant_id) as session:
            tenants = TenantService(session, secrets=self._secrets, plugins=self._plugins)
            # A first attempt has begun no write and asked nobody; most runs have no other, and save the queries.
            again = execution.attempt > 1
            marks = await kept_marks(session, execution.id) if again else {}
            waited = await _time_waited(session, execution) if again else timedelta()
            return Run(
                execution=execution,
                version=await get_version(session, execution.agent_version_id),
                agent_name=await agent_name(session, execution.agent_id),
                tenant=await tenants.get_tenant(execution.tenant_id),
                journal=Journal(
                    self._statements, execution, budget, lease, self._telemetry, marks=self._marks, kept_marks=marks
                ),
                # The last look at the claim is just before a request leaves.
                http=replace(self._http, before_send=lease.check),
                deadline=budget.deadline,
                waited=waited,
            )

    async def _agents_run(self, run: Run) -> Ending:
        async with self._toolboxes.open(run) as toolbox:
            ending = await (
                self._ticket_run(run, toolbox)
                if run.execution.ticket_ref
                else FreeRun(self._gateway).perform(run, toolbox)
            )
            # Here and nowhere else, since every way in which a run completes comes by.
            await settle_open_writes(run, toolbox, self._db)
            return ending

    # -- a run about a ticket ----------------------------------------------------------------

    async def _ticket_run(self, run: Run, toolbox: Toolbox) -> Ending:
        own = toolbox.own
        assert own is not None  # the run has a ticket, so its desk is there or the toolbox was refused
        if await self._is_echo(run, own):
            return _withheld(run, OWN_WRITE)
        if run.note_word and (why := await NoteWord(own, run.journal, self._db).why_not_said(run.note_word)):
            output = {"outcome": run.outcome.kind.value, "degraded": False, "not_written": why}
            return Ending(ExecutionStatus.COMPLETED, output=output)
        try:
            ending = await self._looked(run, toolbox, own)
        except WaitOverError as error:
            output = {"outcome": run.outcome.kind.value, "degraded": False, "not_written": error.detail}
            return Ending(ExecutionStatus.COMPLETED, output=output)
        remarks = toolbox.approver.expired()
        # A note of its own, for the other one has its 500 words. Where the agent may not write one unasked, the
        # run's page alone says it.
        if remarks and own.may("add_note") and not own.needs_approval("add_note"):
            await own.add_note("\n\n".join(remarks), key=EXPIRED_KEY)
        return replace(ending, output={**(ending.output or {}), **toolbox.approver.output()})

    async def _is_echo(self, run: Run, own: DeskHands) -> bool:
        """Whether the run's event was our own write, coming back while nobody knew that it was ours."""
        # What an earlier attempt has begun is finished.
        if run.execution.mode != "live" or run.journal.begun_writes:
            return False
        return await is_of_own_write(
            self._db,
            self._pool,
            run.execution.input_payload,
            tenant_id=run.execution.tenant_id,
            execution_id=run.execution.id,
            plugin=type(own.desk),
            is_own=lambda event: own.desk.is_own_event(own.desk.config, event),
        )

    async def _looked(self, run: Run, toolbox: Toolbox, own: DeskHands) -> Ending:
        """What the run ends in; it looks at its ticket again where that changed before an approved write."""
        look = 0
        while True:
            look += 1
            try:
                return await self._look(run, toolbox, own, look)
            except NotApprovedError as error:
                if toolbox.approver.is_void and look < LOOKS:
                    continue
                output = {"outcome": run.outcome.kind.value, "degraded": False, "not_written": error.detail}
                return Ending(ExecutionStatus.COMPLETED, output=output)

    async def _look(self, run: Run, toolbox: Toolbox, own: DeskHands, look: int) -> Ending:
        ticket = await own.own_ticket()
        timely = Timeliness(run, own, ticket, WRITE_KEYS.get(run.outcome.kind, NOTE_KEY))
        # Before anything is looked up: nobody reads what comes of it.
        if why := await timely.why_not():
            return _withheld(run, why)
        findings = await Researcher(self._db, run.journal, self._embedder).research(ticket)
        seen = Seen(ticket, note_input(ticket, findings), timely, look)
        if run.outcome.kind is not OutcomeKind.NOTE:
            return await TicketOutcomes(self._gateway, self._limits.timeout).perform(run, toolbox, own, seen)
        return await self._note(run, toolbox, own, seen, findings)

    async def _note(self, run: Run, toolbox: Toolbox, own: DeskHands, seen: Seen, findings: Findings) -> Ending:
        live, ticket, facts = run.execution.mode == "live", seen.ticket, seen.facts
        digest = facts_digest(facts, run.execution.agent_version_id)
        may_write = own.may("add_note")
        # A dry run shows the note that would be written, also where it repeats the last one.
        last = await self._last_note(read_last_note, run, ticket) if live and may_write else None
        # Before the model is asked: the same facts would cost its tokens for a note that is thrown away. A run that has
        # asked people goes on to what they approved, whatever note another run wrote while it waited.
        if last is not None and last.facts_digest == digest and not run.waited:
            return await self._nothing_new(run, last)
        wording = await self._word(run, toolbox, seen)
        note, body = wording.note, wording.note.markdown
        # Again, with the words: other facts may lead to the same note.
        begun = await self._last_note(read_begun_note, run, ticket) if live and may_write else None
        if same := next((one for one in (last, begun) if one is not None and one.says(body)), None):
            return await self._nothing_new(run, same)
        if why := await seen.timely.why_not(has_closed=toolbox.may_have_closed):
            return _withheld(run, why)
        receipt = None
        if may_write:
            key = seen.key(NOTE_KEY)
            approved = await own.ask("add_note", {"body": body}, key=key, reason="The run ends in this note.")
            body = str(approved["body"])
            receipt = await own.add_note(body, key=key)
        output = {
            "note": {
                "markdown": body,
                "confidence": note.confidence,
                "word_count": note.word_count,
                # None for a dry run, and where a person who answered a doubt did not know the note's id
                "note_id": (receipt.id or None) if receipt and live else None,
                "sources": _cited(wording.facts, note),
                "dropped": to_jsonable_python(note.dropped),
            },
            "triage": to_jsonable_python(findings.triage),
            "unavailable": list(facts.unavailable),
            "model": wording.model_name,
            "degraded": bool(wording.failure),
            "degraded_reason": wording.failure or None,
        }
        # A degraded note keeps no digest, so that the next event of the ticket tries the model again.
        if live:
            await self._remember(run, ticket, output, facts_digest=None if wording.failure else digest)
        return Ending(ExecutionStatus.COMPLETED, output=output)

    async def _last_note(self, read: ReadNote, run: Run, ticket: Ticket) -> LastNote | None:
        return await read(
            self._db,
            tenant_id=run.execution.tenant_id,
            agent_id=run.execution.agent_id,
            tool_type=ticket.tool_type,
            ticket_id=ticket.id,
            besides=run.execution.id,
        )

    async def _nothing_new(self, run: Run, last: LastNote) -> Ending:
        """End a run whose note the ticket already has: nothing is written, and its trace and page say so."""
        same = {"execution_id": str(last.run_id), "note_id": last.note_id}

        async def keep() -> Any:
            return same

        await run.journal.step(name="keep_last_note", kind="compute", body=keep, owed=True)
        return Ending(ExecutionStatus.COMPLETED, output={"note": None, "same_as": same, "degraded": False})

    async def _word(self, run: Run, toolbox: Toolbox, seen: Seen) -> Wording:
        timeout = self._limits.timeout
        share = Share.of(run.execution, deadline=run.deadline, timeout=timeout, for_people=run.waited)
        return await Drafter(self._gateway, run.http, run.journal, share).word(
            seen.facts,
            toolbox,
            llm_config=run.version.llm_config,
            prompt=lambda specs: system_prompt(run, specs, seen.ticket),
            look=seen.look,
        )

    async def _remember(self, run: Run, ticket: Ticket, output: dict[str, Any], *, facts_digest: str | None) -> None:
        context = {
            "sources": output["note"]["sources"],
            "unavailable": output["unavailable"],
            "agent_id": str(run.execution.agent_id),
            "tool_type": ticket.tool_type,
            "note_id": output["note"]["note_id"],
            "facts_digest": facts_digest,
        }
        async with self._db.tenant_session(run.execution.tenant_id) as session:
            await record_enhancement(
                session,
                run_id=run.execution.id,
                tenant_id=run.execution.tenant_id,
                ticket_id=ticket.id,
                context=context,
                note=output["note"]["markdown"],
                took_ms=round((self._limits.timeout - (run.deadline - time.monotonic())) * 1000),
            )


async def _time_waited(session: AsyncSession, execution: RunningExecution) -> timedelta:
    """How long a run has waited for people, those who approve and the one who filed its ticket."""
    return await time_waited(session, execution.id) + await time_listened(session, execution, ASK, AWAIT)


def _withheld(run: Run, why: str) -> Ending:
    output = {"outcome": run.outcome.kind.value, "note": None, "degraded": False, "not_written": why}
    return Ending(ExecutionStatus.COMPLETED, output=output)


def _cited(facts: NoteFacts, note: ComposedNote) -> list[dict[str, Any]]:
    by_ref = {source.ref: source for source in facts.sources}
    return [
        {"ref": by_ref[ref].label, "kind": by_ref[ref].kind, "title": by_ref[ref].title, "url": by_ref[ref].url}
        for ref in note.cited
    ]
