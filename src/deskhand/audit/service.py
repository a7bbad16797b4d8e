"""The audit log: what was changed, by whom, provably complete up to its newest entry.

Each entry is hashed together with the hash before it, one chain per tenant. A changed, removed
or reordered entry breaks the chain at that point. What a chain cannot show by itself is that its
newest entries were cut off; ``ChainReport.head`` is what an operator keeps elsewhere for that.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import repository
from deskhand.audit.export import Format, heading, line
from deskhand.audit.filters import AuditFilters
from deskhand.audit.models import AuditLog
from deskhand.audit.source import Source, current_source
from deskhand.errors import NotFoundError
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.kit.secrets_in_text import without_secrets

Status = Literal["success", "failure", "denied"]
PLATFORM = ""
"""The ``tenant_id`` of the installation's own log: what is done in no tenant, such as the sign-in of a person of none.
Policies compare with NULLIF(setting, ''), so no tenant's session reads or writes it, whatever it sets; the
platform's role alone does. It is chained, verified and exported like a tenant's."""
PRUNED = "audit.prune"
"""What ``prune_audit_log()`` calls the entry with which it says what it deleted."""
_SEQUENCE = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Result of checking one tenant's chain.

    Attributes:
        tenant_id: Whose chain.
        entries: How many entries were read.
        head: Hex hash of the newest entry; keep it elsewhere to notice a cut-off end.
        broken_at: Sequence number of the first entry that does not fit, or None.
        reason: What does not fit there.
        first: Sequence number of the oldest entry.
        pruned: Hex hash of the entry before the oldest, where that was pruned.
        pruning_is_recorded: Whether the chain has the entry of that pruning.
    """

    tenant_id: str
    entries: int = 0
    head: str = ""
    first: int = 0
    pruned: str = ""
    pruning_is_recorded: bool = False
    broken_at: int | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """True if every entry fits the one before it."""
        return self.broken_at is None


async def record(
    session: AsyncSession,
    *,
    tenant_id: str,
    actor: str,
    operation: str,
    resource_type: str,
    resource_id: str | uuid.UUID | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    status: Status = "success",
    source: Source | None = None,
) -> AuditLog:
    """Append an entry in the caller's transaction: it is there if and only if the change is.

    The tenant's chain stays locked until the transaction ends, so call this late in it.

    Args:
        session: A tenant session of ``tenant_id`` or a platform session.
        tenant_id: Whose log; ``PLATFORM`` (with a platform session) for what is done in no tenant.
        actor: Who did it, e.g. ``api-key:dhk_ab12cd34``.
        operation: What was done, e.g. ``agent.activate``.
        resource_type: Kind of thing it was done to.
        resource_id: Which one.
        before: What it was like, JSON-able; of a change, what differs from ``after`` is kept.
        after: What it is like now.
        details: More about it, JSON-able. Never put a secret here; entries cannot be removed.
        status: How it ended.
        source: From where; left out, from where the present request or command comes.

    Returns:
        The stored entry.
    """
    source = source or current_source()
    # Two entries that read the same newest one would both name it as the one before them, and the chain would fork.
    await repository.lock_chain(session, tenant_id)
    previous, now = await repository.last_entry(session, tenant_id)
    entry = AuditLog(
        id=uuid.uuid4(),
        tenant_id=tenant_id,
        # Cut rather than refused: an action must not fail because its actor's name is long.
        actor=actor[:255],
        operation=operation,
        resource_type=resource_type,
        resource_id=None if resource_id is None else str(resource_id),
        status=status,
        # As JSON gives it back, since the digest is computed again from what the database returns.
        details=json.loads(json.dumps(_said(before, after, details), default=str, allow_nan=False)),
        address=source.address,
        user_agent=source.user_agent,
        request_id=source.request_id,
        previous_hash=previous,
        created_at=now,
    )
    entry.entry_hash = entry_digest(entry)
    await repository.append(session, entry)
    return entry


async def verify(session: AsyncSession) -> list[ChainReport]:
    """Recompute every chain the session may see.

    Args:
        session: A tenant session (that tenant's chain) or a platform session (all of them).

    Returns:
        One report per tenant that has entries.
    """
    reports: dict[str, ChainReport] = {}
    async for entry in repository.in_order(session):
        report = reports.get(entry.tenant_id) or ChainReport(entry.tenant_id)
        reports[entry.tenant_id] = _check(report, entry)
    return [_judge(report) for report in reports.values()]


async def list_entries(
    session: AsyncSession, *, tenant_id: str, filters: AuditFilters, limit: int = 50, cursor: str | None = None
) -> Page[AuditLog]:
    """A tenant's entries, newest first.

    Raises:
        NotFoundError: The cursor is not one of this list, so there is no such page.
    """
    position = decode_cursor(cursor, str)
    if position is not None and not _SEQUENCE.fullmatch(position[0]):
        raise NotFoundError("There is no such page: the cursor is not one this list gave out.")
    before = int(position[0]) if position is not None else None
    rows = await repository.newest_first(session, tenant_id, filters, before=before, limit=limit + 1)
    return cut_page(rows, limit, lambda entry: (str(entry.sequence),))


async def actors_of_run(
    session: AsyncSession, *, tenant_id: str, execution_id: uuid.UUID, operations: Collection[str], since: datetime
) -> set[str]:
    """Who did any of these operations with a run.

    Args:
        session: A tenant session.
        tenant_id: Whose log.
        execution_id: Which run.
        operations: As they are named in the log.
        since: When the run was accepted; there is nothing about it before.
    """
    return await repository.actors(session, tenant_id, operations, execution_id=str(execution_id), since=since)


async def export(session: AsyncSession, *, tenant_id: str, filters: AuditFilters, form: Format) -> AsyncIterator[str]:
    """A tenant's entries as text, in the order of the chain, a batch at a time.

    Args:
        session: Of the tenant; open for as long as the text is read.
        tenant_id: Whose log.
        filters: Which entries.
        form: JSON Lines or CSV.
    """
    yield heading(form)
    after = 0
    while entries := await repository.oldest_first(session, tenant_id, filters, after=after):
        yield "".join(line(entry, form) for entry in entries)
        after = entries[-1].sequence
        # A log of years is read through one session, which would keep every entry in memory.
        session.expunge_all()


def entry_digest(entry: AuditLog) -> bytes:
    """SHA-256 over everything an entry says and the hash before it."""
    content = [
        "" if entry.previous_hash is None else bytes(entry.previous_hash).hex(),
        str(entry.id),
        entry.tenant_id,
        entry.actor,
        entry.operation,
        entry.resource_type,
        entry.resource_id,
        entry.status,
        _canonical(entry.details),
        entry.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
    ]
    # Entries from before there was a source keep the hash they have; to take it out of a newer one changes the content.
    source = [entry.address, entry.user_agent, entry.request_id]
    if any(part is not None for part in source):
        content.append(source)
    # One spelling for one content: PostgreSQL's jsonb keeps neither blanks nor the order of keys.
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def _said(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, details: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What an entry says beside its columns, without secrets, and of what was and is only what differs."""
    said = dict(details or {})
    if before is not None and after is not None:
        before, after = (
            {name: value for name, value in one.items() if name not in other or other[name] != value}
            for one, other in ((before, after), (after, before))
        )
    said |= {name: dict(one) for name, one in (("before", before), ("after", after)) if one is not None}
    # Last of all: whoever adds a field should not have to remember that this log can never be cleaned.
    cleaned = without_secrets(said)
    assert isinstance(cleaned, dict)
    return cleaned


def _check(report: ChainReport, entry: AuditLog) -> ChainReport:
    stored = bytes(entry.entry_hash).hex()
    reason = ""
    if report.entries == 0:
        # The oldest entry may follow one that was pruned; whether it did is said by an entry further on.
        before = bytes(entry.previous_hash or b"").hex()
        report = replace(report, first=entry.sequence, pruned=before, head=before)
    if entry.operation == PRUNED and report.pruned and entry.details.get("hash") == report.pruned:
        report = replace(report, pruning_is_recorded=True)
    if (b"" if entry.previous_hash is None else bytes(entry.previous_hash)).hex() != report.head:
        reason = "an entry before it is missing, or it was moved"
    elif entry_digest(entry) != bytes(entry.entry_hash):
        reason = "its content was changed"
    seen = replace(report, entries=report.entries + 1, head=stored)
    # The first break alone is told: every entry after a missing one fits its own neighbour again.
    return replace(seen, broken_at=entry.sequence, reason=reason) if reason and report.ok else seen


def _judge(report: ChainReport) -> ChainReport:
    if not report.ok or not report.pruned or report.pruning_is_recorded:
        return report
    return replace(
        report, broken_at=report.first, reason="the entries before it are missing, and no pruning is recorded"
    )


def _canonical(value: Any) -> Any:
    """Mark and normalise numbers: JSONB keeps their value but not their notation. No stored key has a NUL."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        # PostgreSQL's numeric knows no negative zero.
        return {"\x00number": format(Decimal(repr(value or 0.0)).normalize(), "f")}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"\x00number": str(value)}
    return value
