"""One run, from its ticket to its note: read, research, draft, check, write, in that order.

What a small model cannot be trusted with is done by construction around it: the look-ups, the suggested
category and priority, the citations and the assembly of the note are code; the model summarises
and words the next steps, and what it words is checked against the sources before anyone reads it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.names import agent_name
from deskhand.agents.outcomes import OutcomeKind
from deskhand.agents.service import get_version
from deskhand.approvals.service import time_waited
from deskhand.budgets.purse import purse_of
from deskhand.engine.claims import Ending, RunningExecution, kept_marks
from deskhand.engine.journal import Journal
from deskhand.engine.lease import Lease
from deskhand.engine.limits import RunBudget, RunLimits
from deskhand.engine.listening import receipts, time_listened
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import NotApprovedError, StoodBackError, WaitOverError
from deskhand.gateways.reach import reach_of
from deskhand.intake.second_look import is_of_own_write
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.readers import Readers
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.marks import MarkMaker
from deskhand.kit.telemetry import Telemetry
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.verdicts.links import VerdictLinks
from deskhand.lab.running import past_of
from deskhand.llm.connection import GatewaySettings
from deskhand.plugins.contract import Ticket
from deskhand.plugins.errors import DeskNotFoundError
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.boundaries import Effect, read_boundaries
from deskhand.tenants.mail import own_addresses
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.note_rules import note_rules
from deskhand.tenants.service import TenantService
from deskhand.tools.asking import ASK
from deskhand.work.asking import AWAIT
from deskhand.work.automatic import why_no_message
from deskhand.work.companies import CompanyWall
from deskhand.work.conversation import Conversation, read_conversation
from deskhand.work.due import Due, was_asked
from deskhand.work.facts import note_input
from deskhand.work.family import FamilyReader
from deskhand.work.files.eyes import eyes_of
from deskhand.work.files.read import NO_FILES, FilesRead
from deskhand.work.files.reader import FileReader
from deskhand.work.free_run import FreeRun
from deskhand.work.front import Front, drives
from deskhand.work.hands import DeskHands
from deskhand.work.holding_out import HoldOut
from deskhand.work.machines.speaking import why_quiet
from deskhand.work.merging import GONE
from deskhand.work.note_outcome import NOTE_KEY, NoteOutcome, withheld
from deskhand.work.note_word import NoteWord
from deskhand.work.opening import ToolboxMaker
from deskhand.work.privacy import learn_people, masker_for
from deskhand.work.research import Findings, Researcher
from deskhand.work.run import Run
from deskhand.work.settling import settle_open_writes
from deskhand.work.storming import Storming
from deskhand.work.ticket_outcomes import WRITE_KEYS, Seen, TicketOutcomes
from deskhand.work.timeliness import Timeliness
from deskhand.work.told import told_about
from deskhand.work.toolbox import Toolbox, with_shown
from deskhand.work.undo.performing import Undoer
from deskhand.work.undo.schemas import UNDO
from deskhand.work.voice import Voice
from deskhand.work.wanted import why_unwanted

EXPIRED_KEY = "add_note:expired"
OWN_WRITE = "The event was a write of our own, coming back before the journal had it; nothing was written."
MOVED = "The ticket went from one company to another again and again; nothing was written."
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
        public_url: Where people's browsers find the API.
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
        public_url: str,
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
        self._storming = Storming(db, embedder)
        self._hold_out = HoldOut(db, secrets.derive("hold-out"))
        self._limits = limits
        self._telemetry = telemetry
        self._marks = MarkMaker(secrets.derive("marks"))
        self._masking_key = secrets.derive("masking")
        self._links = VerdictLinks(secrets, public_url)

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
            tenant = await tenants.get_tenant(execution.tenant_id)
            return Run(
                execution=execution,
                version=await get_version(session, execution.agent_version_id),
                agent_name=await agent_name(session, execution.agent_id),
                tenant=tenant,
                wall=CompanyWall(
                    tenant.company_mapping,
                    frozenset(self._plugins.tool_types),
                    await read_boundaries(session, tenant.enhancement_preferences),
                ),
                journal=Journal(
                    self._statements,
                    execution,
                    budget,
                    lease,
                    self._telemetry,
                    marks=self._marks,
                    kept_marks=marks,
                    purse=purse_of(self._db, execution),
                ),
                # The last look at the claim is just before a request leaves.
                http=replace(self._http, before_send=lease.check),
                deadline=budget.deadline,
                waited=waited,
                past=await past_of(self._db, session, execution),
                gateway=await self._ways(session, execution, tenant),
            )

    async def _ways(self, session: AsyncSession, execution: RunningExecution, tenant: TenantConfig) -> GatewaySettings:
        ways = await reach_of(session, execution.tenant_id, self._gateway, self._secrets)
        rules = (tenant.enhancement_preferences or {}).get("models") or {}
        return replace(ways, rules=rules, masker=masker_for(execution.id, tenant, self._masking_key))

    async def _agents_run(self, run: Run) -> Ending:
        async with self._toolboxes.open(run) as toolbox:
            if not run.execution.ticket_ref:
                if why := await why_unwanted(self._db, run, None):
                    return withheld(run, why)
                await self._enter(run, None)
            ending = await (
                self._ticket_run(run, toolbox)
                if run.execution.ticket_ref
                else FreeRun(run.gateway).perform(run, toolbox)
            )
            # Here and nowhere else, since every way in which a run completes comes by.
            await settle_open_writes(run, toolbox, self._db)
            return with_shown(ending, toolbox)

    async def _enter(self, run: Run, ticket: Ticket | None) -> None:
        async with self._db.tenant_session(run.execution.tenant_id) as session:
            await run.wall.enter(session, run.execution.tenant_id, ticket, execution_id=run.execution.id)

    # -- a run about a ticket ----------------------------------------------------------------

    async def _ticket_run(self, run: Run, toolbox: Toolbox) -> Ending:
        own = toolbox.own
        assert own is not None  # the run has a ticket, so its desk is there or the toolbox was refused
        if await self._is_echo(run, own):
            return withheld(run, OWN_WRITE)
        # Before anything is read: what would come of it could not be written. What was begun is settled all the same.
        if own.discretion.refused and run.execution.mode == "live" and not run.journal.begun_writes:
            return withheld(run, f"{own.discretion.refused} Nothing was written.")
        if run.note_word and (why := await NoteWord(own, run.journal, self._db).why_not_said(run.note_word)):
            output = {"outcome": run.outcome.kind.value, "degraded": False, "not_written": why}
            return Ending(ExecutionStatus.COMPLETED, output=output)
        try:
            ending = await self._looked(run, toolbox, own)
        except WaitOverError as error:
            output = {"outcome": run.outcome.kind.value, "degraded": False, "not_written": error.detail}
            return Ending(ExecutionStatus.COMPLETED, output={**output, **run.wall.output(output)})
        remarks = toolbox.approver.expired()
        # A note of its own, for the other one has its 500 words. Where the agent may not write one unasked, the
        # run's page alone says it.
        if remarks and own.may("add_note") and not own.needs_approval("add_note") and own.discretion.may_note:
            await own.add_note("\n\n".join(remarks), key=EXPIRED_KEY)
        done = ending.output or {}
        return replace(ending, output={**done, **run.wall.output(done), **toolbox.approver.output()})

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
                ending = await self._look(run, toolbox, own, look)
            except DeskNotFoundError:
                # One that the desk never showed is for people to see: an account without the right, a wrong address.
                if not own.last_look.has_seen(own.own):
                    raise
                return withheld(run, GONE)
            except StoodBackError as error:
                output = {"outcome": run.outcome.kind.value, "degraded": False, "not_written": error.detail}
                return Ending(ExecutionStatus.COMPLETED, output=output)
            except NotApprovedError as error:
                if toolbox.approver.is_void and look < LOOKS:
                    continue
                output = {"outcome": run.outcome.kind.value, "degraded": False, "not_written": error.detail}
                return Ending(ExecutionStatus.COMPLETED, output=output)
            if ending is not None:
                return ending
            # The ticket is another company's now: nothing that was found for the first one may help it.
            toolbox.forget()
            if look >= LOOKS:
                return withheld(run, MOVED)

    async def _look(self, run: Run, toolbox: Toolbox, own: DeskHands, look: int) -> Ending | None:
        """What one look ends in; None where the ticket went to another company meanwhile."""
        ticket = await own.own_ticket()
        if isinstance(ticket, str):
            return withheld(run, ticket)
        if run.past is not None:
            run.past.saw(ticket)
        learn_people(run, ticket)
        gateway = self._guarded(run, toolbox, ticket)
        timely = Timeliness(run, own, ticket, WRITE_KEYS.get(run.outcome.kind, NOTE_KEY))
        # Before anything is looked up: nobody reads what comes of it.
        due = Due(self._db, run, NOTE_KEY)
        if (
            why := await why_unwanted(self._db, run, ticket)
            or await timely.why_not()
            or await due.why_not_at_all(ticket)
            or await self._why_no_message(run, ticket)
        ):
            return withheld(run, why)
        await self._enter(run, ticket)
        if held := await self._hold_out.end(run, own, ticket):
            return held
        if part := await self._storming.part_of(run, ticket):
            # What it would say of the others' tickets is not for another company.
            is_elsewhere = part.speaks and await timely.has_moved()
            return None if is_elsewhere else await self._storming.end(run, own, ticket, part)
        files = await self._files(run, own, ticket, look, gateway)
        find = partial(self._found, run, toolbox, own, ticket=ticket, timely=timely, look=look, files=files)
        kind, speaks = run.outcome.kind, toolbox.speaks and drives(run, gateway)
        if kind is not OutcomeKind.NOTE:
            readers = Readers.OUTSIDE if speaks or kind is OutcomeKind.REPLY else Readers.HOUSE
            toolbox.begin(readers)
            seen, _ = await find(readers=readers)
            return await TicketOutcomes(gateway, self._limits.timeout).perform(run, toolbox, own, seen)
        seen, findings = await find(readers=Readers.HOUSE)
        front = None
        if speaks:
            public, _ = await find(readers=Readers.OUTSIDE)
            front = Front(gateway, public, is_all=public.knows_as_much_as(seen))
        outcome = NoteOutcome(self._db, gateway, self._limits.timeout, self._links, self._embedder)
        return await outcome.perform(run, toolbox, own, seen, findings=findings, front=front)

    async def _found(
        self,
        run: Run,
        toolbox: Toolbox,
        own: DeskHands,
        *,
        ticket: Ticket,
        timely: Timeliness,
        look: int,
        files: FilesRead,
        readers: Readers,
    ) -> tuple[Seen, Findings]:
        """What is known of a ticket to these readers."""
        heard = Voice(readers).heard(ticket)
        conversation = await self._conversation(run, own, heard)
        known_by = run.past.moment if run.past else None
        researcher = Researcher(
            self._db, run.journal, self._embedder, run.wall, known_by=known_by, readers=readers, look=look
        )
        told = await told_about(self._db, run, heard, look, readers)
        toolbox.tell(told)
        if readers is Readers.OUTSIDE:
            files = files.public()
        family = await FamilyReader(self._db, run, own).read(ticket, look=look, readers=readers)
        findings = await researcher.research(heard, conversation.turns, (*files.texts, *family.texts))
        facts = note_input(heard, findings, conversation, files, family.kin)
        left_out = (*conversation.extent, *files.extent, *family.extent)
        return Seen(heard, facts, timely, look, left_out, told, family), findings

    @staticmethod
    async def _files(run: Run, own: DeskHands, ticket: Ticket, look: int, gateway: GatewaySettings) -> FilesRead:
        """What the ticket's files say, to whomever."""
        if not note_rules(run.tenant.enhancement_preferences).read_files:
            return NO_FILES
        return await FileReader(own, run.journal, eyes_of(run, gateway)).read(ticket, look=look)

    def _guarded(self, run: Run, toolbox: Toolbox, ticket: Ticket) -> GatewaySettings:
        """The models that a ticket may be shown to; of a sensitive one a person approves every write."""
        if run.wall.decide(ticket, Effect.APPROVE):
            toolbox.guard()
        local = run.wall.decide(ticket, Effect.LOCAL)
        return run.gateway if local is None else replace(run.gateway, only_local=local.words)

    async def _why_no_message(self, run: Run, ticket: Ticket) -> str | None:
        """Why there is nobody to answer, in a sentence: a machine wrote what is new, and nobody asked for the run."""
        if run.execution.mode != "live" or run.journal.begun_writes:
            return None
        async with self._db.tenant_session(run.execution.tenant_id) as session:
            ours = await receipts(session, run.execution) if ticket.notes else set()
        why = why_no_message(ticket, ours, own_addresses(run.tenant, self._secrets)) or await why_quiet(
            self._db, run, ticket
        )
        return None if why is None or await was_asked(self._db, run) else why

    async def _conversation(self, run: Run, own: DeskHands, ticket: Ticket) -> Conversation:
        if not ticket.notes:
            return Conversation()
        async with self._db.tenant_session(run.execution.tenant_id) as session:
            ours = await receipts(session, run.execution)
        return read_conversation(ticket, own.desk, ours)


async def _time_waited(session: AsyncSession, execution: RunningExecution) -> timedelta:
    """How long a run has waited for people, those who approve and the one who filed its ticket."""
    return await time_waited(session, execution.id) + await time_listened(session, execution, ASK, AWAIT)
