"""One desk of a tenant connected, changed and disconnected, as its form sends it; the others stay as they are.

What decides is ``TenantService.update_tenant``, as over the API: here a form's fields become that request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from deskhand.errors import ConflictError, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.problem import invalid_input
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import connection_faults, read_extras
from deskhand.tenants.desks.fields import TypedConnection
from deskhand.tenants.destinations import place_of
from deskhand.tenants.fields import TOOL_FIELDS
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.schemas import TenantConfigUpdate
from deskhand.tenants.service import TenantService


class DeskConnections:
    """What can be done with a tenant's connections, in the caller's transaction.

    Args:
        tenants: Of that tenant's session.
        secrets: Decrypts what is stored beside the desk that is changed.
        plugins: The registered desks.
        actor: Who acts, for the audit log.
    """

    def __init__(self, tenants: TenantService, *, secrets: SecretBox, plugins: PluginManager, actor: str) -> None:
        self._tenants = tenants
        self._secrets = secrets
        self._plugins = plugins
        self._actor = actor

    async def connect(self, tenant_id: str, tool_type: str, typed: TypedConnection) -> TenantConfig:
        """Give a desk this connection, all of it: what was not typed is not there any more, unless it is kept.

        Raises:
            NotFoundError: There is no such tenant or desk.
            InvalidInputError: A field is missing or wrong, or a stored secret would go to another host.
        """
        self._plugins.get_plugin(tool_type)
        # Locked: two who change two desks at one moment would each put the other's old extras back.
        tenant = await self._tenants.get_tenant(tenant_id, for_update=True)
        body = _columns(tool_type, typed) | self._extras(tenant, tool_type, typed)
        retyped = frozenset(place_of(tool_type, name) for name in typed.values)
        changed = await self._update(tenant_id, body, retyped)
        faults = connection_faults(changed, tool_type, secrets=self._secrets, plugins=self._plugins)
        if faults:
            raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults)
        return changed

    async def disconnect(self, tenant_id: str, tool_type: str) -> TenantConfig:
        """Forget how a desk is reached, its credentials too.

        Raises:
            NotFoundError: There is no such tenant or desk.
            ConflictError: It is the tenant's default desk.
        """
        self._plugins.get_plugin(tool_type)
        tenant = await self._tenants.get_tenant(tenant_id, for_update=True)
        if tenant.tool_type == tool_type:
            raise ConflictError("This is the default desk. Make another one the default, then disconnect it.")
        fields = TOOL_FIELDS.get(tool_type)
        columns = dict.fromkeys((*fields.plain, *fields.secret)) if fields else {}
        return await self._update(tenant_id, {**columns, **self._extras(tenant, tool_type, TypedConnection())})

    async def make_default(self, tenant_id: str, tool_type: str) -> TenantConfig:
        """Let a desk be the tenant's default one.

        Raises:
            NotFoundError: There is no such tenant or desk.
            InvalidInputError: It is not connected.
        """
        return await self._update(tenant_id, {"tool_type": tool_type})

    async def set_webhook_secret(self, tenant_id: str, secret: str) -> TenantConfig:
        """Let the tenant's desks sign their webhooks with another secret; the present one counts no more.

        Raises:
            NotFoundError: There is no such tenant.
            InvalidInputError: It can be guessed.
        """
        return await self._update(tenant_id, {"webhook_signing_secret": secret})

    async def _update(
        self, tenant_id: str, body: Mapping[str, Any], retyped: frozenset[str] = frozenset()
    ) -> TenantConfig:
        try:
            data = TenantConfigUpdate.model_validate(body)
        except ValidationError as error:
            raise invalid_input(error) from error
        return await self._tenants.update_tenant(
            tenant_id, data, actor=self._actor, may_set_limits=False, retyped=retyped
        )

    def _extras(self, tenant: TenantConfig, tool_type: str, typed: TypedConnection) -> dict[str, Any]:
        """What is to be stored beyond the columns, of every desk; nothing where that does not change."""
        stored = read_extras(tenant, self._secrets)
        own = stored.get(tool_type, {})
        columns = _column_names(tool_type)
        wanted = {name: value for name, value in typed.values.items() if name not in columns}
        # A secret of a column may lie among the extras, where it counts: typed anew, it goes to its column.
        wanted |= {name: own[name] for name in own if name in typed.kept}
        extras = {**stored, tool_type: wanted}
        extras = {name: values for name, values in extras.items() if values}
        return {} if extras == stored else {"connection_extras": extras or None}


def first_connection(tool_type: str, typed: TypedConnection) -> dict[str, Any]:
    """A connection as the request has it that creates a tenant."""
    columns = _column_names(tool_type)
    extras = {name: value for name, value in typed.values.items() if name not in columns}
    stored: dict[str, Any] = {name: value for name, value in typed.values.items() if name in columns}
    return {**stored, **({"connection_extras": {tool_type: extras}} if extras else {})}


def _column_names(tool_type: str) -> frozenset[str]:
    fields = TOOL_FIELDS.get(tool_type)
    return frozenset((*fields.plain, *fields.secret)) if fields else frozenset()


def _columns(tool_type: str, typed: TypedConnection) -> dict[str, Any]:
    names = _column_names(tool_type)
    return {name: typed.values.get(name) for name in names if name not in typed.kept}
