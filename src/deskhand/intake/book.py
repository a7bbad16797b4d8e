"""What the API knows of triggers: read once, kept for a moment, checked again inside the accepting statement.

A cached trigger can be stale for ``ttl`` seconds. That is safe: the accepting statement compares the agent's
revision and refuses, and then the book reads again. A rotated secret stays accepted for at most ``ttl`` longer.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from deskhand.agents.event_filter import EventFilter, read_filter
from deskhand.engine.births import why_not_startable
from deskhand.intake import repository
from deskhand.intake.repository import TriggerRow
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Ignored, TicketEvent, TicketingToolPlugin, TicketMetadata
from deskhand.plugins.registry import PluginManager, is_beside_desks
from deskhand.tenants.boundaries import NO_BOUNDARIES, Boundaries, read_boundaries
from deskhand.tenants.calendars import NO_CALENDARS, Calendars, stored_calendars
from deskhand.tenants.connections import connected_tools, desk_config
from deskhand.tenants.machine_rules import MADE_BY_MACHINE, MachineRule, machine_rules, rule_about
from deskhand.tenants.mail import own_addresses
from deskhand.tenants.service import TenantService
from deskhand.tenants.traits import Traits

DEFAULT_WEBHOOKS_PER_MINUTE = 600
MAX_ENTRIES = 10_000
MAX_NAME = 100
"""Longest name of a tenant (``tenant_configs.tenant_id``)."""


@dataclass(frozen=True, slots=True)
class KnownTrigger:
    """A trigger ready for use: secrets and the configurations of the desks decrypted."""

    row: TriggerRow
    own_secrets: tuple[str, ...]
    previous_secret: str | None
    tenant_secrets: tuple[str, ...]
    readers: tuple[tuple[str, type[TicketingToolPlugin]], ...]
    configs: dict[str, BaseModel] = field(default_factory=dict)
    event_filter: EventFilter | None = None
    boundaries: Boundaries = NO_BOUNDARIES
    own_addresses: frozenset[str] = frozenset()
    machines: tuple[MachineRule, ...] = ()
    calendars: Calendars = NO_CALENDARS

    @property
    def plugins(self) -> tuple[type[TicketingToolPlugin], ...]:
        """The plugin classes of the agent's tools."""
        return tuple(plugin for _, plugin in self.readers)

    def plugins_for(self, tool_type: str) -> tuple[type[TicketingToolPlugin], ...]:
        """The plugin class of one tool, if the agent has it."""
        return tuple(plugin for name, plugin in self.readers if name == tool_type)

    @property
    def default_tool(self) -> str:
        """The tenant's default desk if the agent may use it, else the agent's first."""
        names = [name for name, _ in self.readers]
        return self.row.tenant_tool_type if self.row.tenant_tool_type in names else names[0]

    @property
    def webhooks_per_minute(self) -> int:
        """The tenant's limit."""
        return int(self.row.rate_limits.get("webhooks_per_minute", DEFAULT_WEBHOOKS_PER_MINUTE))

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """Secrets in force: the current one, and the previous one during a rotation."""
        # Judged at each delivery and not when the entry is read: a rotation may end while the entry is kept.
        until = self.row.previous_hmac_secret_expires_at
        if self.previous_secret and until is not None and now < until:
            return (*self.own_secrets, self.previous_secret)
        return self.own_secrets

    def why_ignored(self) -> str | None:
        """Why a genuine delivery starts nothing right now, or None."""
        return why_not_startable(self.row.agent_status, tenant_is_active=self.row.tenant_is_active)

    def why_silent(self, event: TicketEvent | Ignored) -> str | None:
        """Why the tenant wants nothing done about an event's ticket; None where that is not sure."""
        if event.ticket is None or not self.boundaries.rules:
            return None
        return self.boundaries.why_silent(self._traits(event.ticket), openly=True)

    def why_machine(self, event: TicketEvent) -> str | None:
        """Why nothing is said about a ticket that a machine made; None where that is not sure, or once something is."""
        if not self.machines:
            return None
        rule = rule_about(self.machines, self._traits(event.ticket))
        if rule is None or rule.speak != "silent":
            return None
        return f"{MADE_BY_MACHINE.format(rule=rule.name)}: nothing was done."

    def is_in_hours(self, event: TicketEvent, at: datetime) -> bool | None:
        """Whether a time is in working time of the ticket's company; None where the event does not say whose it is."""
        return self.calendars.is_open(at, self._traits(event.ticket).company)

    def _traits(self, ticket: TicketMetadata) -> Traits:
        plugin = next((plugin for name, plugin in self.readers if name == ticket.tool_type), None)
        return _traits(self.boundaries, ticket, plugin, self.configs.get(ticket.tool_type))

    def is_own_event(self, tool_type: str, event: TicketEvent) -> bool | None:
        """Whether our own account on that desk caused the event; None if that cannot be said."""
        config = self.configs.get(tool_type)
        plugin = next((plugin for name, plugin in self.readers if name == tool_type), None)
        return None if config is None or plugin is None else plugin.is_own_event(config, event)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a tenant says of its own, as the door needs it."""

    boundaries: Boundaries
    configs: dict[str, BaseModel]
    own_addresses: frozenset[str]
    machines: tuple[MachineRule, ...]
    calendars: Calendars


@dataclass(frozen=True, slots=True)
class DeskAddress:
    """A tenant's desk, at whose address no agent listens."""

    plugin: type[TicketingToolPlugin]
    secrets: tuple[str, ...]
    rate_limits: dict[str, int]
    boundaries: Boundaries = NO_BOUNDARIES
    config: BaseModel | None = None

    def why_silent(self, event: TicketEvent | Ignored) -> str | None:
        """As a trigger's."""
        if event.ticket is None:
            return None
        return self.boundaries.why_silent(_traits(self.boundaries, event.ticket, self.plugin, self.config), openly=True)


def _traits(
    boundaries: Boundaries, ticket: TicketMetadata, plugin: type[TicketingToolPlugin] | None, config: BaseModel | None
) -> Traits:
    company_field = plugin.company_field(config) if plugin is not None and config is not None else None
    return boundaries.of_event(ticket, company_field)


class TriggerBook:
    """Finds triggers, from the database or from memory.

    Args:
        db: Sessions, for the tenant's connections.
        pool: Connections of the application role.
        secrets: Decrypts.
        plugins: Registered desks.
        ttl: Seconds an entry is kept.
    """

    def __init__(
        self,
        db: Database,
        pool: asyncpg.Pool[asyncpg.Record],
        secrets: SecretBox,
        plugins: PluginManager,
        *,
        ttl: float = 2.0,
    ) -> None:
        self._db = db
        self._pool = pool
        self._secrets = secrets
        self._plugins = plugins
        self._ttl = ttl
        self._entries: OrderedDict[str, tuple[float, tuple[KnownTrigger, ...]]] = OrderedDict()
        self._reading: dict[str, asyncio.Task[tuple[KnownTrigger, ...]]] = {}

    @property
    def desks(self) -> tuple[type[TicketingToolPlugin], ...]:
        """Every registered desk."""
        return tuple(self._plugins.get_plugin(tool_type) for tool_type in self._plugins.tool_types)

    async def of_agent(self, agent_id: UUID) -> tuple[KnownTrigger, ...]:
        """The agent's webhook triggers; empty if there is no such agent."""
        return await self._cached(f"agent/{agent_id}", lambda: repository.triggers_of_agent(self._pool, agent_id))

    async def of_desk(self, tenant_id: str, tool_type: str) -> tuple[KnownTrigger, ...]:
        """Triggers of the tenant's agents on one desk, one per agent; none under names that no tenant can have."""
        # A stranger chooses both words; what cannot be a tenant's must cost no query.
        if len(tenant_id) > MAX_NAME or tool_type not in self._plugins.tool_types:
            return ()
        return await self._cached(
            f"desk/{tenant_id}/{tool_type}", lambda: repository.triggers_of_desk(self._pool, tenant_id, tool_type)
        )

    async def address_of_desk(self, tenant_id: str, tool_type: str) -> DeskAddress | None:
        """What proves and bounds a delivery to a tenant's desk itself; None under names that no tenant has."""
        if len(tenant_id) > MAX_NAME or tool_type not in self._plugins.tool_types:
            return None
        row = await repository.secret_of_desk(self._pool, tenant_id, tool_type)
        if row is None:
            return None
        secret = self._secrets.decrypt(row["webhook_signing_secret_encrypted"])
        rules = await self._rules_of(tenant_id)
        plugin = self._plugins.get_plugin(tool_type)
        return DeskAddress(plugin, (secret,), row["rate_limits"] or {}, rules.boundaries, rules.configs.get(tool_type))

    def forget(self, agent_id: UUID) -> None:
        """Read the agent's triggers anew at its next delivery."""
        key = f"agent/{agent_id}"
        self._entries.pop(key, None)
        self._reading.pop(key, None)  # begun before we knew; what it brings may be as old as what we have

    async def reread(self, trigger: KnownTrigger) -> KnownTrigger:
        """The same trigger as it is now; unchanged if it is gone (the accepting statement refuses it then)."""
        self.forget(trigger.row.agent_id)
        fresh = await self.of_agent(trigger.row.agent_id)
        return next((t for t in fresh if t.row.trigger_id == trigger.row.trigger_id), trigger)

    async def _cached(self, key: str, read: Callable[[], Awaitable[list[TriggerRow]]]) -> tuple[KnownTrigger, ...]:
        entry = self._entries.get(key)
        if entry is not None and time.monotonic() - entry[0] < self._ttl:
            return entry[1]
        # Of a flood that finds an entry too old, one reads for all.
        reading = self._reading.get(key)
        if reading is None:
            # A task of its own: the sender that caused the read may hang up, and the others still wait for it.
            reading = self._reading[key] = asyncio.create_task(self._read(key, read), name=f"read-{key}")
        # The shield keeps one sender's cancellation from ending the read for all.
        return await asyncio.shield(reading)

    async def _read(self, key: str, read: Callable[[], Awaitable[list[TriggerRow]]]) -> tuple[KnownTrigger, ...]:
        # The age counts from the question: what the database answered may have been true only then.
        asked_at = time.monotonic()
        try:
            known = await self._prepare(await read())
        finally:
            # reread() may have put a younger read in its place; that one must stay.
            if self._reading.get(key) is asyncio.current_task():
                del self._reading[key]
        if not known:  # addresses that lead nowhere are anybody's to invent, so none of them is remembered
            self._entries.pop(key, None)
            return known
        self._entries[key] = (asked_at, known)
        self._entries.move_to_end(key)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return known

    async def _prepare(self, rows: Sequence[TriggerRow]) -> tuple[KnownTrigger, ...]:
        if not rows:
            return ()
        # All rows of one read are of one tenant: an agent has one, and a desk's address names it.
        rules = await self._rules_of(rows[0].tenant_id)
        return tuple(self._known(row, rules) for row in rows)

    async def _rules_of(self, tenant_id: str) -> _Rules:
        async with self._db.tenant_session(tenant_id) as session:
            service = TenantService(session, secrets=self._secrets, plugins=self._plugins)
            tenant = await service.get_tenant(tenant_id)
            boundaries = await read_boundaries(session, tenant.enhancement_preferences)
        # Only the configurations, without a client: a delivery asks who we are on that desk, and never talks to it.
        ready = connected_tools(tenant, secrets=self._secrets, plugins=self._plugins)
        configs = {tool: desk_config(tenant, tool, secrets=self._secrets, plugins=self._plugins) for tool in ready}
        machines = machine_rules(tenant.enhancement_preferences)
        calendars = stored_calendars(tenant.enhancement_preferences)
        return _Rules(boundaries, configs, own_addresses(tenant, self._secrets), machines, calendars)

    def _known(self, row: TriggerRow, rules: _Rules) -> KnownTrigger:
        decrypt = self._secrets.decrypt
        return KnownTrigger(
            row=row,
            own_secrets=(decrypt(row.hmac_secret),) if row.hmac_secret else (),
            previous_secret=decrypt(row.previous_hmac_secret) if row.previous_hmac_secret else None,
            tenant_secrets=(decrypt(row.webhook_signing_secret_encrypted),),
            readers=tuple((tool, self._plugins.get_plugin(tool)) for tool in row.tool_ids if not is_beside_desks(tool)),
            configs=rules.configs,
            event_filter=read_filter(row.event_filter),
            boundaries=rules.boundaries,
            own_addresses=rules.own_addresses,
            machines=rules.machines,
            calendars=rules.calendars,
        )
