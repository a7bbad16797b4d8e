"""What people do with the replay lab: begin a run, look at it, cancel it; keep a ticket as a test case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from deskhand.agents.models import Agent, AgentVersion
from deskhand.agents.names import agent_name
from deskhand.audit import service as audit
from deskhand.engine.births import DRY_RUN, find_why_not_startable
from deskhand.errors import ConflictError, NotFoundError
from deskhand.kit.db.session import database_now
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.lab import repository
from deskhand.lab.keeping import Keeping, invalid
from deskhand.lab.models import CaseState, LabCase, LabRun, LabState, TestCase
from deskhand.lab.running import compared
from deskhand.lab.schemas import (
    LEAST,
    CaseView,
    Comparison,
    LabRequest,
    LabRunView,
)
from deskhand.plugins.registry import is_beside_desks
from deskhand.tenants.connections import connected_tools
from deskhand.tenants.service import TenantService

OFFERED_VERSIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a run of the lab can be made of: versions, connected desks, and why it cannot be begun, if so."""

    agent: Agent
    versions: Sequence[AgentVersion]
    desks: Sequence[str]
    not_startable: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab(Keeping):
    """The lab of one tenant."""

    async def start(self, agent_id: UUID, wanted: LabRequest) -> LabRunView:
        """Begin a run of the lab; its tickets are run by the workers, few at a time.

        Raises:
            NotFoundError: There is no such agent.
            ConflictError: The agent can start nothing, has a run of the lab already, or too few closed tickets are
                known.
            InvalidInputError: There is no such version, or it has no such desk.
        """
        agent = await self.agents.get_agent(agent_id)
        version = await self._version(agent, wanted.agent_version)
        if why := await find_why_not_startable(self.session, agent_id, mode=DRY_RUN):
            raise ConflictError(f"{why} Nothing was started.")
        if await repository.running_of(self.session, agent_id) is not None:
            raise ConflictError("A run of the lab with this agent goes on; wait for it, or cancel it first.")
        desk = await self._desk(version, wanted.tool_type)
        run = LabRun(
            id=uuid4(),
            tenant_id=self.tenant,
            agent_id=agent_id,
            agent_version_id=version.id,
            version_number=version.version_number,
            tool_type=desk,
            state=LabState.RUNNING,
            parallel=wanted.parallel,
            max_cost_usd=wanted.max_cost_usd,
            started_by=self.principal.actor[:255],
        )
        cases = await self._cases(run, wanted)
        run.comparison = compared(cases)
        await repository.add(self.session, run)
        await repository.add(self.session, *cases)
        await self._record("lab.start", run, {"agent_version": run.version_number, "tickets": len(cases)})
        return await self._view(run)

    async def get(self, lab_run_id: UUID) -> LabRunView:
        """One run of the lab.

        Raises:
            NotFoundError: There is none of that id.
        """
        return await self._view(await self._run(lab_run_id))

    async def runs(self, agent_id: UUID, *, limit: int, cursor: str | None = None) -> Page[LabRunView]:
        """An agent's runs of the lab, newest first.

        Raises:
            NotFoundError: There is no such agent, or the cursor is none of this list.
        """
        await self.agents.get_agent(agent_id)
        after = decode_cursor(cursor, datetime, UUID)
        position = None if after is None else (after[0], after[1])
        rows = await repository.runs_of(self.session, agent_id, limit=limit + 1, after=position)
        views = [await self._view(row) for row in rows]
        return cut_page(views, limit, lambda row: (row.created_at, row.id))

    async def cases(self, lab_run_id: UUID, *, limit: int, cursor: str | None = None) -> Page[CaseView]:
        """The tickets of a run: where the agent was wrong first.

        Raises:
            NotFoundError: There is no such run, or the cursor is none of this list.
        """
        await self._run(lab_run_id)
        after = decode_cursor(cursor, int, int)
        position = None if after is None else (after[0], after[1])
        rows = await repository.page_of_cases(self.session, lab_run_id, limit=limit + 1, after=position)
        return cut_page([case_view(row) for row in rows], limit, lambda row: (int(row.is_wrong), row.place))

    async def cancel(self, lab_run_id: UUID) -> LabRunView:
        """End a run of the lab: nothing more is begun, and what is at work stops before its next step.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It has ended already.
        """
        run = await self._run(lab_run_id, lock=True)
        if run.state != LabState.RUNNING:
            raise ConflictError(f"The run of the lab is {run.state} already; there is nothing left to cancel.")
        cases = await repository.cases_of(self.session, run.id)
        now = await database_now(self.session)
        at_work = [one.execution_id for one in cases if one.state == CaseState.RUNNING and one.execution_id]
        stopped = await repository.cancel_open(self.session, at_work, now)
        run.state, run.ended_at, run.why = LabState.CANCELLED, now, f"Cancelled by {self.principal.actor}."
        for case in cases:
            if case.state in (CaseState.WAITING, CaseState.RUNNING):
                case.state, case.why = CaseState.LEFT_OUT, "The run of the lab was cancelled."
        await self.session.flush()
        await self._record("lab.cancel", run, {"stopped": stopped}, before={"state": LabState.RUNNING.value})
        return await self._view(run)

    async def subject(self, agent_id: UUID) -> Subject:
        """What a run of the lab can be made of.

        Raises:
            NotFoundError: There is no such agent.
        """
        agent = await self.agents.get_agent(agent_id)
        versions = (await self.agents.list_versions(agent_id, limit=OFFERED_VERSIONS)).items
        return Subject(
            agent=agent,
            versions=versions,
            desks=await self._desks(await self._version(agent, None)),
            not_startable=await find_why_not_startable(self.session, agent_id, mode=DRY_RUN),
        )

    # -- what a run is made of ---------------------------------------------------------------

    async def _version(self, agent: Agent, number: int | None) -> AgentVersion:
        try:
            return await self.agents.get_version(agent.id, number or agent.current_version)
        except NotFoundError as error:
            raise invalid(
                "/agent_version", f"the agent has no version {number}; it is at {agent.current_version}"
            ) from (error)

    async def _desks(self, version: AgentVersion) -> list[str]:
        """Desks of a version that are connected."""
        tenants = TenantService(self.session, secrets=self.secrets, plugins=self.plugins)
        connected = connected_tools(await tenants.get_tenant(self.tenant), secrets=self.secrets, plugins=self.plugins)
        tools = sorted(str(tool["tool_id"]) for tool in version.tools)
        return [tool for tool in tools if not is_beside_desks(tool) and tool in connected]

    async def _desk(self, version: AgentVersion, wanted: str | None) -> str:
        desks = await self._desks(version)
        if not desks:
            raise invalid("/tool_type", "this version of the agent has no connected desk among its tools")
        if wanted is not None and wanted not in desks:
            raise invalid("/tool_type", f"'{wanted}' is no connected desk of this version; it has {', '.join(desks)}")
        return wanted or desks[0]

    async def _cases(self, run: LabRun, wanted: LabRequest) -> list[LabCase]:
        tests: Sequence[TestCase] = ()
        if wanted.test_cases:
            tests = await repository.kept_of(self.session, run.agent_id, tool_type=run.tool_type)
        kept = {one.ticket_ref for one in tests}
        closed = []
        if wanted.tickets:
            latest = await repository.closed_tickets(self.session, run.tool_type, limit=wanted.tickets + len(kept))
            # A kept ticket is run as it was kept, and not a second time.
            closed = [one for one in latest if one.ticket_ref not in kept][: wanted.tickets]
            if len(closed) < LEAST:
                raise ConflictError(
                    f"Of {run.tool_type} {len(closed)} closed tickets are known, and fewer than {LEAST} say too little."
                    " Import the desk's history first, or run the test cases alone (tickets: 0)."
                )
        if not closed and not tests:
            raise invalid("/tickets", "the agent has no test case of this desk; say how many closed tickets to take")
        named = [
            *(((one.ticket_ref, one.number, one.name), one) for one in tests),
            *(((one.ticket_ref, one.number, one.subject), None) for one in closed),
        ]
        return [_case(run, place, about, test) for place, (about, test) in enumerate(named)]

    async def _run(self, lab_run_id: UUID, *, lock: bool = False) -> LabRun:
        run = await repository.find_run(self.session, lab_run_id, lock=lock)
        if run is None:
            raise NotFoundError(f"There is no run {lab_run_id} of the lab.")
        return run

    async def _view(self, run: LabRun) -> LabRunView:
        await self.session.refresh(run)
        cases = await repository.cases_of(self.session, run.id)
        counts = {state: sum(one.state == state for one in cases) for state in CaseState}
        return LabRunView(
            id=run.id,
            agent_id=run.agent_id,
            agent_name=await agent_name(self.session, run.agent_id),
            agent_version=run.version_number,
            tool_type=run.tool_type,
            state=LabState(run.state),
            why=run.why,
            parallel=run.parallel,
            max_cost_usd=run.max_cost_usd,
            started_by=run.started_by,
            created_at=run.created_at,
            ended_at=run.ended_at,
            tickets=len(cases),
            waiting=counts[CaseState.WAITING],
            running=counts[CaseState.RUNNING],
            compared=counts[CaseState.COMPARED],
            left_out=counts[CaseState.LEFT_OUT],
            wrong=sum(one.is_wrong for one in cases),
            comparison=Comparison.model_validate(run.comparison),
        )

    async def _record(
        self, operation: str, run: LabRun, details: dict[str, Any], *, before: dict[str, Any] | None = None
    ) -> None:
        await audit.record(
            self.session,
            tenant_id=self.tenant,
            actor=self.principal.actor,
            operation=operation,
            resource_type="lab_run",
            resource_id=run.id,
            before=before,
            after={"state": str(run.state)},
            details={"agent_id": str(run.agent_id), **details},
        )


def _case(run: LabRun, place: int, about: tuple[str, str, str], test: TestCase | None) -> LabCase:
    ref, number, subject = about
    return LabCase(
        id=uuid4(),
        tenant_id=run.tenant_id,
        lab_run_id=run.id,
        place=place,
        ticket_ref=ref,
        number=number,
        subject=subject,
        state=CaseState.WAITING,
        test_case_id=test.id if test else None,
        as_of=test.as_of if test else None,
        truth=test.expected if test else None,
        is_wrong=False,
    )


def case_view(case: LabCase) -> CaseView:
    """One ticket of a run, for people."""
    outcome = case.outcome or {}
    names = ("id", "place", "ticket_ref", "number", "subject", "state", "why", "as_of", "execution_id", "test_case_id")
    return CaseView(
        **{name: getattr(case, name) for name in (*names, "truth", "cost_usd", "took_ms", "is_wrong")},
        said=outcome.get("said") or {},
        cited=outcome.get("cited") or [],
        verdicts=outcome.get("verdicts") or {},
    )
