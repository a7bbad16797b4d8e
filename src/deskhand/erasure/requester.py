"""One requester of a tenant goes: the rows that speak of the person, and of the person's tickets.

Whole rows, since a note or a trace with a name cut out of it still tells who it was. What people wrote themselves
(prompts, articles, the inventory) is named and left to them; the audit log is kept, and goes with its retention.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.erasure.scan import FOUND, ensure_telling, mentions
from deskhand.errors import ConflictError, NotFoundError
from deskhand.kit.crypto import SecretBox

KEPT_BY_LAW = "audit_log"
"""Append-only; a trigger lets nobody take single entries out of it."""

# A payload names the ticket by its own reference, and steps by whatever the desk says.
_RUNS = f"""SELECT e.id, e.status, e.tool_type, e.ticket_ref, {FOUND.format(row="e.input_payload")} AS asked
  FROM agent_executions e WHERE e.tenant_id = :tenant AND ({FOUND.format(row="e")}
   OR EXISTS (SELECT 1 FROM execution_steps s WHERE s.tenant_id = :tenant AND s.execution_id = e.id
               AND {FOUND.format(row="s")})
   OR EXISTS (SELECT 1 FROM approvals a WHERE a.tenant_id = :tenant AND a.execution_id = e.id
               AND {FOUND.format(row="a")}))"""  # noqa: S608 - no word of anybody is in it
_OF_TICKETS = """SELECT e.id, e.status FROM agent_executions e WHERE e.tenant_id = :tenant
   AND e.ticket_ref = ANY(CAST(:tickets AS text[]))"""
_PAST = f"SELECT t.ticket_id, t.desk_id FROM ticket_history t WHERE t.tenant_id = :tenant AND {FOUND.format(row='t')}"  # noqa: S608
_AT_WORK = ("queued", "running", "waiting")

BY_TICKET = {
    "enhancement_history": "ticket_id",
    "enhancement_feedback": "ticket_id",
    "ticket_history": "ticket_id",
    "history_refreshes": "ticket_id",
    "alert_conditions": "ticket_id",
    "storm_reports": "ticket_id",
    "test_cases": "number",
    "lab_cases": "number",
}
"""Tables whose rows are about one ticket, and the column that names it."""

BY_WORDS = (
    *BY_TICKET,
    "webhook_deliveries",
    "notification_facts",
    "notifications",
    "knowledge_jobs",
    "note_grounds",
    "approvals",
)
"""Tables whose rows go where they hold one of the words."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What went and what stays.

    Attributes:
        rows: Deleted, by table; what went with them is not counted.
        tickets: Of the person, by their references.
        left: Rows that still hold one of the words, by table.
    """

    rows: dict[str, int]
    tickets: tuple[str, ...]
    left: dict[str, int]

    @property
    def to_be_changed(self) -> dict[str, int]:
        """What is left and is no log: somebody must change it."""
        return {table: count for table, count in self.left.items() if table != KEPT_BY_LAW}


async def erase_requester(
    session: AsyncSession,
    *,
    tenant_id: str,
    words: Sequence[str],
    tickets: Sequence[str],
    secrets: SecretBox,
    actor: str,
) -> Erased:
    """Delete what speaks of one requester, in the caller's transaction.

    Args:
        session: A platform session.
        tenant_id: In which tenant.
        words: The person's address, name, login: whatever rows may hold.
        tickets: Further tickets of the person, by the references that the desk uses.
        secrets: Names the person in the log, without saying who it is.
        actor: Who does it.

    Raises:
        NotFoundError: There is no such tenant.
        ConflictError: Runs about it have not ended, and would write on.
        InvalidInputError: The words would find others as well.
    """
    names = ensure_telling(words)
    told: dict[str, object] = {"tenant": tenant_id, "words": names}
    if not await session.scalar(text("SELECT 1 FROM tenant_configs WHERE tenant_id = :tenant"), told):
        raise NotFoundError(f"There is no tenant '{tenant_id}'.")
    runs, own = await _runs_and_tickets(session, told, tickets)
    rows = {"agent_executions": await _count(session, _DELETE_RUNS, {"runs": runs})}
    for table in BY_WORDS:
        about = f" OR t.{BY_TICKET[table]} = ANY(CAST(:tickets AS text[]))" if table in BY_TICKET else ""
        statement = f"DELETE FROM {table} t WHERE t.tenant_id = :tenant AND ({FOUND.format(row='t')}{about})"  # noqa: S608
        rows[table] = await _count(session, statement, {**told, "tickets": own})
    # Answers to repeated calls are kept encrypted for a day: nobody can look into them, so all of them go.
    answers = "DELETE FROM idempotency_keys WHERE tenant_id = :tenant"
    rows["idempotency_keys"] = await _count(session, answers, {"tenant": tenant_id})
    erased = Erased({table: count for table, count in rows.items() if count}, tuple(own), {})
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="requester.erase",
        resource_type="requester",
        resource_id=_pseudonym(secrets, names[0]),
        details={"rows": erased.rows},
    )
    return Erased(erased.rows, erased.tickets, await mentions(session, tenant_id, names))


_DELETE_RUNS = "DELETE FROM agent_executions WHERE id = ANY(CAST(:runs AS uuid[]))"


async def _runs_and_tickets(
    session: AsyncSession, told: dict[str, object], tickets: Sequence[str]
) -> tuple[list[object], list[str]]:
    """The runs that speak of the person or of a ticket of the person's, and those tickets."""
    found = (await session.execute(text(_RUNS), told)).all()
    past = (await session.execute(text(_PAST), told)).all()
    own = {*tickets, *(run.ticket_ref for run in found if run.asked and run.ticket_ref)}
    own |= {name for row in past for name in row if name}
    listed = sorted(own)
    more = (await session.execute(text(_OF_TICKETS), {**told, "tickets": listed})).all()
    runs = {run.id: run.status for run in (*found, *more)}
    if going := sum(status in _AT_WORK for status in runs.values()):
        raise ConflictError(
            f"{going} runs about this person have not ended and would write on. Cancel them or wait, then erase."
            " Nothing was changed."
        )
    return list(runs), listed


async def _count(session: AsyncSession, statement: str, values: dict[str, object]) -> int:
    result = await session.execute(text(statement), values)
    return int(result.rowcount)  # type: ignore[attr-defined]  # of a DELETE, a cursor's result


def _pseudonym(secrets: SecretBox, word: str) -> str:
    """The same for the same person while the key is the same; nobody without it can guess who it is."""
    return hmac.new(secrets.derive("erasure"), word.casefold().encode(), hashlib.sha256).hexdigest()[:32]
