"""What was changed past the files, as the audit log has it: behind the mark that applying leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.audit.filters import AuditFilters
from deskhand.audit.models import AuditLog
from deskhand.configuration.values import Drift

APPLIED = "configuration.apply"
_SHOWN_DRIFT = 10


@dataclass(frozen=True, slots=True)
class Log:
    """The audit log of one tenant, for one who applies files.

    Args:
        session: A session of the tenant.
        tenant_id: The tenant.
        actor: Who applies.
    """

    session: AsyncSession
    tenant_id: str
    actor: str

    async def note(self, resource_type: str, ident: str | UUID, details: Mapping[str, Any]) -> None:
        """Leave the mark behind which a change is drift."""
        await audit.record(
            self.session,
            tenant_id=self.tenant_id,
            actor=self.actor,
            operation=APPLIED,
            resource_type=resource_type,
            resource_id=ident,
            details=details,
        )

    async def drift(self, ident: object, parts: Sequence[object], kinds: tuple[str, ...]) -> list[Drift]:
        """Who changed something past the files, newest first: since they were applied last, or ever.

        Args:
            ident: Of what the files say, by which its marks are known.
            parts: Ids of what belongs to it.
            kinds: How the operations begin that count.
        """
        last = await self._entries(ident, limit=1, operation=APPLIED)
        since = last[0].sequence if last else 0
        entries = [entry for one in (ident, *parts) for entry in await self._entries(one, limit=_SHOWN_DRIFT)]
        changes = [
            entry
            for entry in sorted(entries, key=lambda entry: entry.sequence, reverse=True)
            if entry.sequence > since and entry.operation.startswith(kinds)
        ]
        return [
            Drift(
                actor=entry.actor,
                at=entry.created_at,
                operation=entry.operation,
                fields=_changed(entry),
            )
            for entry in changes[:_SHOWN_DRIFT]
        ]

    async def _entries(self, ident: object, *, limit: int, operation: str | None = None) -> list[AuditLog]:
        wanted = AuditFilters(resource_id=str(ident), operation=operation)
        page = await audit.list_entries(self.session, tenant_id=self.tenant_id, filters=wanted, limit=limit)
        return list(page.items)


def _changed(entry: AuditLog) -> tuple[str, ...]:
    """Names of what an entry changed: as it says itself, else of what it keeps from before."""
    details = entry.details or {}
    return tuple(map(str, details["changed"] if "changed" in details else sorted(details.get("before") or {})))
