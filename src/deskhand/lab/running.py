"""How a run of the lab goes on: settles what ended, begins what is due, ends. One short transaction a look.

Nothing is remembered outside the tables, so whichever worker looks next goes on where the last one was; the dry runs
themselves are the engine's, which takes up what a killed worker left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.births import DRY_RUN, NewRun, find_why_not_startable, start_run
from deskhand.engine.claims import RunningExecution
from deskhand.engine.models import AgentExecution
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database, database_now
from deskhand.lab import repository
from deskhand.lab.comparing import SOLUTION, agreement, judge, percentile, said_in
from deskhand.lab.models import CaseState, LabCase, LabRun, LabState
from deskhand.lab.past import TICKET, Past
from deskhand.lab.rebuilding import Truth

STARVED = timedelta(seconds=30)
"""After so long a busy tenant's lab begins one more ticket all the same."""


@dataclass(slots=True)
class Standing:
    """One run of the lab at one look, its tickets by where they are."""

    run: LabRun
    cases: Sequence[LabCase]
    running: list[LabCase] = field(default_factory=list)
    waiting: list[LabCase] = field(default_factory=list)

    def sort(self) -> None:
        """See anew where each ticket is."""
        self.running = [one for one in self.cases if one.state == CaseState.RUNNING]
        self.waiting = sorted((one for one in self.cases if one.state == CaseState.WAITING), key=lambda one: one.place)

    @property
    def spent(self) -> Decimal:
        """What the tickets that ended have cost."""
        return sum((one.cost_usd or Decimal() for one in self.cases), Decimal())

    def may_begin(self) -> bool:
        """Whether one more ticket is within the limit, with as much set aside for each at work as the dearest cost."""
        dearest = max((one.cost_usd for one in self.cases if one.cost_usd is not None), default=None)
        each = self.run.max_cost_usd / len(self.cases) if dearest is None else dearest
        return self.spent + each * (len(self.running) + 1) <= self.run.max_cost_usd


async def advance(session: AsyncSession, run: LabRun) -> None:
    """Go on with one run of the lab, which the caller has locked."""
    standing = Standing(run, await repository.cases_of(session, run.id))
    await _settle(session, standing)
    standing.sort()
    why = await find_why_not_startable(session, run.agent_id, mode=DRY_RUN) if standing.waiting else None
    if why is not None:
        await _stop(session, standing, f"{why} Nothing more was begun.")
    elif standing.waiting:
        await _begin(session, standing)
    if not standing.running and not standing.waiting:
        _end(run, LabState.STOPPED if run.why else LabState.COMPLETED, await database_now(session))
    run.comparison = compared(standing.cases)


async def _begin(session: AsyncSession, standing: Standing) -> None:
    run = standing.run
    # Live runs go first: people wait for those.
    now = await database_now(session)
    fed = now - (run.stepped_at or datetime.min.replace(tzinfo=UTC)) < STARVED
    if run.stepped_at is not None and fed and await repository.is_live(session):
        return
    while standing.waiting and len(standing.running) < run.parallel:
        if not standing.may_begin():
            # What is at work may turn out cheaper than what was set aside for it.
            if not standing.running:
                await _stop(session, standing, f"The limit of {run.max_cost_usd.normalize():f} USD would be passed.")
            return
        await _start(session, run, standing.waiting.pop(0), standing)
        run.stepped_at = now


async def _start(session: AsyncSession, run: LabRun, case: LabCase, standing: Standing) -> None:
    execution = await start_run(
        session,
        NewRun(
            tenant_id=run.tenant_id,
            agent_id=run.agent_id,
            trigger_id=None,
            agent_version_id=run.agent_version_id,
            tool_type=run.tool_type,
            ticket_ref=case.ticket_ref,
            mode=DRY_RUN,
            # Nothing of the ticket: what is known of it now is not for a run that takes place then.
            input_payload={"lab": {"lab_run_id": str(run.id), "ticket": case.number, "requested_by": run.started_by}},
        ),
    )
    case.execution_id, case.state = execution.id, CaseState.RUNNING
    standing.running.append(case)


async def _stop(session: AsyncSession, standing: Standing, why: str) -> None:
    standing.run.why = why
    for case in standing.waiting:
        case.state, case.why = CaseState.LEFT_OUT, "It was not begun."
    standing.waiting = []
    await session.flush()


def _end(run: LabRun, state: LabState, now: datetime) -> None:
    run.state, run.ended_at = state, now


async def _settle(session: AsyncSession, standing: Standing) -> None:
    """Set beside what people did what has ended since the last look."""
    at_work = [one for one in standing.cases if one.state == CaseState.RUNNING]
    executions = await repository.executions_of(session, [one.execution_id for one in at_work if one.execution_id])
    for case in at_work:
        execution = executions.get(case.execution_id) if case.execution_id else None
        if execution is None:
            case.state, case.why = CaseState.LEFT_OUT, "Its run was deleted before it could be looked at."
        elif ExecutionStatus(execution.status).is_final:
            await _judge(session, case, execution)


async def _judge(session: AsyncSession, case: LabCase, execution: AgentExecution) -> None:
    output = execution.output_result or {}
    said = said_in(output, await repository.intents_of(session, execution.id))
    verdicts = judge(said, case.truth or {})
    case.cost_usd = execution.cost_usd
    if execution.completed_at is not None:
        case.took_ms = round((execution.completed_at - execution.started_at).total_seconds() * 1000)
    case.why = execution.error_message or output.get("not_written") or output.get("degraded_reason")
    if execution.status == ExecutionStatus.CANCELLED:
        # What a person stopped says nothing about the agent.
        case.state, case.why = CaseState.LEFT_OUT, "Its run was cancelled."
        return
    if not verdicts:
        # Nothing that people did is known, so that an agent can neither be right nor wrong about it.
        case.state, case.why = CaseState.LEFT_OUT, case.why or "What people did with it is not known."
        return
    case.state = CaseState.COMPARED
    case.outcome = {"said": dict(said.fields), "cited": list(said.cited), "verdicts": verdicts}
    case.is_wrong = "wrong" in verdicts.values()


def compared(cases: Sequence[LabCase]) -> dict[str, Any]:
    """What came of a run of the lab so far, as it is stored."""
    done = [one for one in cases if one.state == CaseState.COMPARED and one.outcome is not None]
    costs = [one.cost_usd for one in cases if one.cost_usd is not None]
    took = [one.took_ms for one in done if one.took_ms is not None]
    again = [one for one in done if (one.truth or {}).get("reopened") is not None]
    reopened = [one for one in again if (one.truth or {})["reopened"]]
    total = sum(costs, Decimal())
    figures: dict[str, Any] = to_jsonable_python({
        **agreement((one.outcome or {})["verdicts"] for one in done),
        "reopened": {
            "reopened": len(reopened), "of": len(again), "wrong": sum(one.is_wrong for one in reopened),
        },
        "cost_usd": total,
        "cost_per_ticket_usd": round(total / len(costs), 6) if costs else None,
        "took_p50_ms": percentile(took, 0.5),
        "took_p95_ms": percentile(took, 0.95),
    })  # fmt: skip
    return figures


# -- what a run of it works with -----------------------------------------------------------------


async def past_of(db: Database, session: AsyncSession, execution: RunningExecution) -> Past | None:
    """The time in which a run takes place; None of every run that is not the lab's.

    Args:
        db: Keeps what people did in a session of its own.
        session: Of the run's tenant.
        execution: The run.
    """
    if execution.mode != DRY_RUN:
        return None
    found = await repository.case_of_execution(session, execution.id)
    if found is None:
        return None
    case, test = found
    tenant_id, case_id = execution.tenant_id, case.id
    return Past(
        case_id=case_id,
        ticket_ref=case.ticket_ref,
        kept=TICKET.validate_python(test.ticket) if test else None,
        at=test.as_of if test else case.as_of,
        keep=lambda truth, at: _keep(db, tenant_id, case_id, truth, at),
    )


async def _keep(db: Database, tenant_id: str, case_id: Any, truth: Truth, at: datetime) -> None:
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        solution = await repository.known_by(session, truth.named, at)
        kept = {"fields": truth.fields, SOLUTION: solution, "reopened": truth.reopened}
        await repository.keep_truth(session, case_id, to_jsonable_python(kept), at)
