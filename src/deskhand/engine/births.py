"""How a run begins, and begins again: one road for replays, retries, schedules run by hand; events take it in SQL.

The rules (one run per ticket, a tenant's share, what is parked) are ``start_run`` in ``engine.sql``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import MAX_ATTEMPTS, AgentExecution
from deskhand.engine.queue import enqueue
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ConflictError
from deskhand.kit.db.session import hands_over

ACTIVE = "active"
"""The state in which an agent's triggers start runs."""
DRAFT = "draft"
"""The state in which an agent is tried: a person may start a dry run, and nothing else starts anything."""
DRY_RUN = "dry_run"

_PENDING_LANE = "uq_agent_executions_pending_lane"
_START_RUN = text(
    """
    SELECT outcome, execution_id
      FROM start_run(:id, :tenant_id, :agent_id, :trigger_id, :agent_version_id, :tool_type, :ticket_ref, :mode,
                     :input_payload, :retry_of, :replay_of, NULL, false)
    """
).bindparams(bindparam("input_payload", type_=JSONB(none_as_null=True)))
# By SQL and not by the agents' models: the engine may import no room above it (ADR 9).
_AGENT = text(
    """
    SELECT a.status, t.is_active FROM agents a JOIN tenant_configs t ON t.tenant_id = a.tenant_id
     WHERE a.id = :agent_id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What a run is about.

    Attributes:
        mode: ``live``, ``dry_run`` (nothing is written to the desk), or ``undo`` (what other runs wrote is taken back).
        retry_of: The failed run that this one repeats with another input.
        replay_of: The run that this one repeats as it was.
    """

    tenant_id: str
    agent_id: UUID
    trigger_id: UUID | None
    agent_version_id: UUID
    tool_type: str | None = None
    ticket_ref: str | None = None
    mode: str = "live"
    input_payload: dict[str, Any] | None
    retry_of: UUID | None = None
    replay_of: UUID | None = None


async def start_run(session: AsyncSession, run: NewRun) -> AgentExecution:
    """Let a run be born, in the caller's transaction; its commit wakes the workers.

    Args:
        session: A session of the run's tenant.
        run: What it is about. Whether its agent may start anything is the caller's question (``why_not_startable``).

    Raises:
        ConflictError: Another run of its ticket already waits for its first start; one of them is enough.
    """
    parameters = {**asdict(run), "id": uuid4()}
    birth = (await session.execute(_START_RUN, parameters)).mappings().one()
    # start_run() says so by its row and not by an error, which would undo the caller's whole transaction.
    if birth["execution_id"] is None:
        raise ConflictError("Another run of this ticket already waits for its start; it will see the ticket as it is.")
    hands_over(session)
    # Read again, because SQL wrote the row: defaults, parked and queue_tag are unknown to the session.
    return await session.get_one(AgentExecution, birth["execution_id"], populate_existing=True)


async def requeue_run(session: AsyncSession, execution: AgentExecution) -> bool:
    """Make a locked run that ended or waits queued again, with as many starts left as a new one has.

    Returns:
        False if another run of its ticket already waits for its first start; one of them is enough.
    """
    # What told of the last ending goes, or the page would show an error beside a run that waits.
    values = dict.fromkeys(
        ("not_before", "cancel_requested_at", "completed_at", "error_code", "error_message", "dismissed_at")
    )
    statement = (
        update(AgentExecution)
        .where(AgentExecution.id == execution.id)
        .values(
            **values,
            status=ExecutionStatus.QUEUED,
            parked=False,
            crashes=0,
            # attempt is never set back, since it is the fence: an old worker's late write would pass for the new one's.
            max_attempts=execution.attempt + MAX_ATTEMPTS,
        )
        .execution_options(synchronize_session=False)
    )
    try:
        # A savepoint: the unique index may refuse, and the caller goes on with the other runs of its list.
        async with session.begin_nested():
            await session.execute(statement)
    except IntegrityError as error:
        # Only this index means "another run of the ticket waits"; any other violation is a bug and goes up.
        if _PENDING_LANE not in str(error.orig):
            raise
        return False
    await enqueue(session, execution.id)
    return True


async def find_why_not_startable(session: AsyncSession, agent_id: UUID, *, mode: str = "live") -> str | None:
    """The same of a stored agent, for whoever is about to start a run of it."""
    agent = (await session.execute(_AGENT, {"agent_id": agent_id})).mappings().one()
    return why_not_startable(agent["status"], tenant_is_active=agent["is_active"], mode=mode)


def why_not_startable(agent_status: str, *, tenant_is_active: bool, mode: str = "live") -> str | None:
    """Why an agent starts nothing at present, in a sentence; None where it does."""
    if not tenant_is_active:
        return "The tenant is not active."
    # A dry run writes nothing, so what a draft would do can be seen before anybody lets it loose.
    if agent_status != ACTIVE and not (mode == DRY_RUN and agent_status == DRAFT):
        return f"The agent is '{agent_status}', not '{ACTIVE}'."
    return None
