"""Tenants: create, change, read, list, deactivate. Secrets are encrypted here and never leave decrypted."""

from __future__ import annotations

from collections.abc import Set
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import LargeBinary
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.errors import ConflictError, FieldProblem, ForbiddenError, InvalidInputError, NotFoundError
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.nearest import what_exists
from deskhand.kit.page import Page
from deskhand.kit.schema import ensure_size
from deskhand.kit.secret_strength import ensure_strong
from deskhand.plugins.registry import PluginManager
from deskhand.tenants import repository
from deskhand.tenants.companies import EVERY_DESK
from deskhand.tenants.connections import connection_faults, ensure_extras_known
from deskhand.tenants.destinations import Destination, ensure_secrets_stay, stored_destinations
from deskhand.tenants.fields import PLAIN_FIELDS, SECRET_FIELDS, TOOL_FIELDS
from deskhand.tenants.mail import ensure_mail_settings
from deskhand.tenants.models import EnhancementHistory, TenantConfig
from deskhand.tenants.notices import ensure_notices_reach
from deskhand.tenants.outside import ensure_outside_settings
from deskhand.tenants.schemas import (
    MAX_LIMITS_BYTES,
    CompanyMapping,
    RateLimits,
    TenantConfigCreate,
    TenantConfigUpdate,
)

_SECRETS = (*SECRET_FIELDS, "connection_extras", "webhook_signing_secret")


class TenantService:
    """What can be done with tenants, in the caller's transaction.

    Args:
        session: A platform session, or a tenant session for that one tenant.
        secrets: Encrypts what must not be readable in the database.
        plugins: The registered desks.
    """

    def __init__(self, session: AsyncSession, *, secrets: SecretBox, plugins: PluginManager) -> None:
        self._session = session
        self._secrets = secrets
        self._plugins = plugins

    async def create_tenant(self, data: TenantConfigCreate, *, actor: str = "system") -> TenantConfig:
        """Create a tenant.

        Args:
            data: Its configuration; rate limits left out get the defaults.
            actor: Who does it, for the audit log.

        Raises:
            PluginNotFoundError: ``tool_type`` names no registered plugin.
            InvalidInputError: The plugin refuses the connection's fields, or the webhook secret is too weak.
            ConflictError: The id is taken.
        """
        self._plugins.get_plugin(data.tool_type)
        ensure_strong(data.webhook_signing_secret.get_secret_value(), "/webhook_signing_secret")
        tenant = TenantConfig(
            tenant_id=data.tenant_id,
            name=data.name,
            tool_type=data.tool_type,
            enhancement_preferences=data.enhancement_preferences.model_dump(mode="json", exclude_unset=True),
            company_mapping=self._known_desks(data.company_mapping),
            rate_limits=data.rate_limits.model_dump(mode="json"),
            # At once: a desk that was just connected is of use when its past is known.
            history_due_at=utc_now(),
            **{name: getattr(data, name) for name in PLAIN_FIELDS},
        )
        for name in _SECRETS:
            self._store_secret(tenant, name, getattr(data, name))
        ensure_extras_known(tenant, secrets=self._secrets, plugins=self._plugins)
        self._ensure_default_tool_works(tenant)
        ensure_mail_settings(tenant, self._secrets)
        ensure_outside_settings(tenant, self._secrets)
        await ensure_notices_reach(self._session, tenant, self._secrets)
        await repository.add_tenant(self._session, tenant)
        await self._audit(tenant, actor, "tenant.create")
        return tenant

    async def update_tenant(
        self,
        tenant_id: str,
        data: TenantConfigUpdate,
        *,
        actor: str = "system",
        may_set_limits: bool = True,
        retyped: Set[str] | None = None,
    ) -> TenantConfig:
        """Change what the request names; connection fields set to null are cleared.

        Args:
            tenant_id: Which tenant.
            data: The changes.
            actor: Who does it, for the audit log.
            may_set_limits: Whether the caller decides how much this tenant may use: the platform does, not the tenant.
            retyped: Secrets that a person typed, where the request also has stored ones that nobody did; see
                ``destinations.ensure_secrets_stay``.

        Raises:
            ForbiddenError: The request changes a limit, which the caller may not.
            NotFoundError: There is no such tenant for this session.
            PluginNotFoundError: ``tool_type`` names no registered plugin.
            InvalidInputError: Afterwards the default desk's connection would be incomplete, or the secret is too weak.
        """
        tenant = await self._get(tenant_id, for_update=True)
        # Only what the request names: a field that is absent stays, one that is null is cleared.
        sent = data.model_fields_set
        connects = sent & {"tool_type", "connection_extras", *PLAIN_FIELDS, *SECRET_FIELDS}
        # Taken before anything changes, to tell afterwards whether a stored secret would go to another host.
        before = stored_destinations(tenant, secrets=self._secrets, plugins=self._plugins) if connects else {}
        facts = _facts(tenant)
        if data.tool_type is not None:
            self._plugins.get_plugin(data.tool_type)
            tenant.tool_type = data.tool_type
        if data.name is not None:
            tenant.name = data.name
        for name in sent & set(PLAIN_FIELDS):
            setattr(tenant, name, getattr(data, name))
        for name in sent & {*SECRET_FIELDS, "connection_extras"}:
            self._store_secret(tenant, name, getattr(data, name))
        if data.webhook_signing_secret is not None:
            ensure_strong(data.webhook_signing_secret.get_secret_value(), "/webhook_signing_secret")
            self._store_secret(tenant, "webhook_signing_secret", data.webhook_signing_secret)
        await self._set_preferences(tenant, data)
        if data.rate_limits is not None:
            self._set_limits(tenant, data.rate_limits, allowed=may_set_limits)
        if connects:
            self._ensure_connections_hold(tenant, before, sent, sent if retyped is None else retyped)
            tenant.history_due_at = utc_now()
        ensure_mail_settings(tenant, self._secrets)
        ensure_outside_settings(tenant, self._secrets)
        if sent:
            await self._save(tenant)
            # Of secrets names alone: the log cannot be cleaned.
            await self._audit(tenant, actor, "tenant.update", before=facts, fields=sorted(sent))
        return tenant

    async def get_tenant(self, tenant_id: str, *, for_update: bool = False) -> TenantConfig:
        """One tenant; ``for_update``, where what is stored decides what will be.

        Raises:
            NotFoundError: There is no such tenant for this session.
        """
        return await self._get(tenant_id, for_update=for_update)

    async def list_tenants(
        self,
        *,
        q: str | None = None,
        tool_type: str | None = None,
        is_active: bool | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[TenantConfig]:
        """Tenants in the order of their ids.

        Args:
            q: Words in id or name.
            tool_type: Only tenants whose default desk this is.
            is_active: Only active, or only deactivated ones.
            limit: Rows on the page.
            cursor: ``next_cursor`` of the page before.
        """
        return await repository.list_tenants(
            self._session, q=q, tool_type=tool_type, is_active=is_active, limit=limit, cursor=cursor
        )

    async def deactivate_tenant(self, tenant_id: str, *, actor: str = "system") -> TenantConfig:
        """Stop a tenant: its webhooks and schedules start nothing any more. Its data stays.

        Raises:
            NotFoundError: There is no such tenant for this session.
            ConflictError: It is deactivated already.
        """
        return await self._set_active(tenant_id, actor, active=False)

    async def reactivate_tenant(self, tenant_id: str, *, actor: str = "system") -> TenantConfig:
        """Let a deactivated tenant work again.

        Raises:
            NotFoundError: There is no such tenant for this session.
            ConflictError: It is active.
        """
        return await self._set_active(tenant_id, actor, active=True)

    async def _set_preferences(self, tenant: TenantConfig, data: TenantConfigUpdate) -> None:
        if data.enhancement_preferences is not None:
            before = (tenant.enhancement_preferences or {}).get("boundaries")
            tenant.enhancement_preferences = data.enhancement_preferences.model_dump(mode="json", exclude_unset=True)
            if tenant.enhancement_preferences.get("boundaries") != before:
                # At once: what the history knows of a client who is kept out goes now, and not in the coming night.
                tenant.history_due_at = utc_now()
            await ensure_notices_reach(self._session, tenant, self._secrets)
        if data.company_mapping is not None:
            tenant.company_mapping = self._known_desks(data.company_mapping)

    def _known_desks(self, mapping: CompanyMapping) -> dict[str, str]:
        strange = [tool for tool in mapping if tool != EVERY_DESK and tool not in self._plugins.tool_types]
        # Under a name that no desk has it would act on nothing, and its writer would believe in a wall.
        if strange:
            words = what_exists(strange[0], [*self._plugins.tool_types, EVERY_DESK])
            detail = f"there is no desk '{strange[0]}'; {words}"
            raise InvalidInputError(detail, errors=[FieldProblem(f"/company_mapping/{strange[0]}", detail)])
        return dict(mapping)

    def _set_limits(self, tenant: TenantConfig, limits: RateLimits, *, allowed: bool) -> None:
        stored = tenant.rate_limits or {}
        changed = {**stored, **limits.model_dump(mode="json", exclude_unset=True)}
        # Compared and not forbidden outright: a form that sends the limits back unchanged must pass.
        if changed != stored and not allowed:
            raise ForbiddenError(
                "rate_limits are set by the platform's administrators; ask them for more, or leave the field out."
            )
        try:
            ensure_size(changed, MAX_LIMITS_BYTES)
        except ValueError as error:
            raise InvalidInputError(
                f"rate_limits {error}", errors=[FieldProblem("/rate_limits", str(error))]
            ) from error
        tenant.rate_limits = changed

    async def _set_active(self, tenant_id: str, actor: str, *, active: bool) -> TenantConfig:
        tenant = await self._get(tenant_id, for_update=True)
        if tenant.is_active == active:
            raise ConflictError(f"The tenant '{tenant_id}' is already {'active' if active else 'deactivated'}.")
        before = _facts(tenant)
        tenant.is_active = active
        await self._save(tenant)
        await self._audit(tenant, actor, "tenant.reactivate" if active else "tenant.deactivate", before=before)
        return tenant

    async def _get(self, tenant_id: str, *, for_update: bool = False) -> TenantConfig:
        tenant = await repository.get_tenant(self._session, tenant_id, for_update=for_update)
        if tenant is None:
            # The same words for a tenant of others: row-level security hides it, and the answer must not tell the two
            # apart.
            raise NotFoundError(f"There is no tenant '{tenant_id}'.")
        return tenant

    async def _save(self, tenant: TenantConfig) -> None:
        await self._session.flush()
        # Read back, because the database stamps updated_at, and the answer must show what is stored.
        await self._session.refresh(tenant)

    async def _audit(
        self,
        tenant: TenantConfig,
        actor: str,
        operation: str,
        *,
        before: dict[str, Any] | None = None,
        **details: object,
    ) -> None:
        await audit.record(
            self._session,
            tenant_id=tenant.tenant_id,
            actor=actor,
            operation=operation,
            resource_type="tenant",
            resource_id=tenant.tenant_id,
            before=before,
            after=_facts(tenant),
            details=details,
        )

    def _store_secret(self, tenant: TenantConfig, name: str, value: SecretStr | None) -> None:
        column = f"{name}_encrypted"
        token = None if value is None else self._secrets.encrypt(value.get_secret_value())
        # The specification has some of these columns as bytea and some as text.
        binary = isinstance(TenantConfig.__table__.c[column].type, LargeBinary)
        setattr(tenant, column, token.encode() if binary and token is not None else token)

    def _ensure_connections_hold(
        self, tenant: TenantConfig, before: dict[str, Destination], sent: set[str], resent: Set[str]
    ) -> None:
        # Not asked of what was stored before: a desk's package may be gone by now, and names still have to change.
        if "connection_extras" in sent:
            ensure_extras_known(tenant, secrets=self._secrets, plugins=self._plugins)
        after = stored_destinations(tenant, secrets=self._secrets, plugins=self._plugins)
        ensure_secrets_stay(before, after, resent=resent)
        # What a note did on one host says nothing about another.
        tried = {name: kept for name, kept in (tenant.note_trials or {}).items() if before.get(name) == after.get(name)}
        if tried != (tenant.note_trials or {}):
            tenant.note_trials = tried
        self._ensure_default_tool_works(tenant)

    def _ensure_default_tool_works(self, tenant: TenantConfig) -> None:
        faults = connection_faults(tenant, tenant.tool_type, secrets=self._secrets, plugins=self._plugins)
        if not faults:
            return
        # The specification's own sentence where it has one; a desk from outside has only its plugin's model.
        fields = TOOL_FIELDS.get(tenant.tool_type)
        missing = fields is not None and any("is missing" in fault.detail for fault in faults)
        detail = fields.requirement if fields and missing else _joined(faults)
        raise InvalidInputError(detail, errors=faults)


def _facts(tenant: TenantConfig) -> dict[str, Any]:
    """What the audit log says of a tenant; of secrets only that a request named them."""
    names = (
        "name",
        "tool_type",
        "is_active",
        "enhancement_preferences",
        "company_mapping",
        "rate_limits",
        *PLAIN_FIELDS,
    )
    return {name: value for name in names if (value := getattr(tenant, name)) is not None}


def _joined(faults: list[FieldProblem]) -> str:
    return "; ".join(fault.detail for fault in faults)


async def record_enhancement(
    session: AsyncSession,
    *,
    run_id: UUID,
    tenant_id: str,
    ticket_id: str,
    context: dict[str, Any],
    note: str,
    took_ms: int,
) -> None:
    """Keep what a run added to a ticket; recorded again by a resumed run, it stays one row.

    Args:
        session: A session of the tenant.
        run_id: The run, whose id the row gets.
        tenant_id: The tenant.
        ticket_id: The ticket, by the desk's stable id.
        context: What the note stands on.
        note: Its text, Markdown.
        took_ms: Milliseconds from the run's start.
    """
    values = {
        # The run's own id, so that a resumed run meets the row it wrote before and makes no second one.
        "id": run_id,
        "tenant_id": tenant_id,
        "ticket_id": ticket_id,
        "status": "completed",
        "context_gathered": context,
        "llm_output": note,
        "processing_time_ms": took_ms,
    }
    await repository.add_enhancement(session, values)


async def last_enhancement(
    session: AsyncSession, *, ticket_id: str, tool_type: str, agent_id: UUID
) -> EnhancementHistory | None:
    """What an agent last added to a ticket, or None.

    Args:
        session: A session of the tenant.
        ticket_id: The ticket, by the desk's stable id.
        tool_type: Its desk.
        agent_id: The agent.
    """
    marks = {"tool_type": tool_type, "agent_id": str(agent_id)}
    return await repository.last_enhancement(session, ticket_id=ticket_id, marks=marks)
