"""Applies the file that says a tenant's rules, and writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.versions import differences
from deskhand.configuration.drift import Log
from deskhand.configuration.places import in_file
from deskhand.configuration.tenant_document import tenant_file
from deskhand.configuration.values import Action, Step, TenantFile
from deskhand.errors import DeskhandError
from deskhand.kit.crypto import SecretBox
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.schemas import TenantConfigUpdate
from deskhand.tenants.service import TenantService


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one tenant and the file that says them.

    Attributes:
        session: A session of the tenant.
        secrets: Reads the tenant's mail and channels, which notices go to.
    """

    session: AsyncSession
    tenant_id: str
    actor: str
    secrets: SecretBox
    plugins: PluginManager

    async def apply(self, file: TenantFile) -> Step:
        """Make the rules what a file says.

        Raises:
            InvalidInputError: They cannot be so; names the file, the line and the key.
        """
        name = f"tenant {self.tenant_id}"
        changes = differences(await self._stored(), file.document.content())
        if not changes:
            return Step(action=Action.UNCHANGED, name=name, file=file.name)
        log = Log(self.session, self.tenant_id, self.actor)
        drift = await log.drift(self.tenant_id, (), ("tenant.update",))
        data = TenantConfigUpdate(enhancement_preferences=file.document.enhancement_preferences)
        try:
            await self._tenants.update_tenant(self.tenant_id, data, actor=self.actor, may_set_limits=False)
        except DeskhandError as error:
            raise in_file(file, error, place=("enhancement_preferences",)) from error
        await log.note("tenant", self.tenant_id, {"file": file.name})
        return Step(action=Action.CHANGE, name=name, file=file.name, changes=tuple(changes), drift=tuple(drift))

    async def export(self) -> dict[str, Any] | None:
        """The rules as they stand in a file; None where nothing was ever set."""
        stored = await self._stored()
        return tenant_file(stored) if stored else None

    async def _stored(self) -> dict[str, Any]:
        return (await self._tenants.get_tenant(self.tenant_id)).enhancement_preferences or {}

    @property
    def _tenants(self) -> TenantService:
        return TenantService(self.session, secrets=self.secrets, plugins=self.plugins)
