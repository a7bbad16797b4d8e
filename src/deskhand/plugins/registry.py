"""Which desks this installation can talk to.

A built-in desk is one line in ``BUILT_IN``; one from outside announces itself as an entry point in
the group ``deskhand.plugins`` and is found by ``discover()``. A plugin is examined when it is
registered, and every fault is reported at once, so that nothing half-made is met at run time.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any

from pydantic import BaseModel, SecretStr

from deskhand.errors import ConfigurationError, FieldProblem
from deskhand.kit.secrets_in_text import names_a_secret
from deskhand.plugins.contract import Inverse, Manifest, Operation, TicketingToolPlugin
from deskhand.plugins.errors import PluginNotFoundError
from deskhand.plugins.jira import JiraPlugin
from deskhand.plugins.servicedesk_plus import ServiceDeskPlusPlugin
from deskhand.plugins.servicenow import ServiceNowPlugin
from deskhand.plugins.zendesk import ZendeskPlugin

ENTRY_POINT_GROUP = "deskhand.plugins"
TOOLS_BESIDE_DESKS = frozenset({"knowledge", "email", "slack", "teams", "webhook", "http", "openapi", "mcp"})
"""Names of tools that are no desk (``tools.catalogue``); no plugin may take one."""


def is_beside_desks(tool_id: str) -> bool:
    """Whether a tool is no desk: one of those, or one of a tenant's own (``openapi:shop``)."""
    return tool_id.partition(":")[0] in TOOLS_BESIDE_DESKS


BUILT_IN: dict[str, type[TicketingToolPlugin]] = {
    "servicedesk_plus": ServiceDeskPlusPlugin,
    "servicenow": ServiceNowPlugin,
    "zendesk": ZendeskPlugin,
    "jira": JiraPlugin,
}

_TOOL_TYPE = re.compile(r"[a-z][a-z0-9_]{1,49}")  # tenant_configs.tool_type is VARCHAR(50)


class PluginManager:
    """Registered plugins by tool type; a new manager knows the built-in ones."""

    def __init__(self) -> None:
        self._plugins: dict[str, type[TicketingToolPlugin]] = {}
        for plugin in BUILT_IN.values():
            self.register(plugin)

    @classmethod
    def installed(cls) -> PluginManager:
        """A manager that knows the built-in desks and those of installed packages; see ``discover``."""
        manager = cls()
        manager.discover()
        return manager

    def register(self, plugin: type[TicketingToolPlugin]) -> None:
        """Add a plugin; registering the same class again changes nothing.

        Raises:
            ConfigurationError: The class breaks the contract; ``errors`` and the message name every fault.
        """
        faults = [FieldProblem(pointer, detail) for pointer, detail in find_faults(plugin)]
        if not faults:
            known = self._plugins.get(plugin.manifest.tool_type)
            # Two packages with one name would take turns at a tenant's tickets, by the order of installation.
            if known is not None and known is not plugin:
                faults.append(FieldProblem("/manifest/tool_type", f"is taken by {known.__module__}.{known.__name__}"))
        if faults:
            name = getattr(plugin, "__name__", repr(plugin))
            listed = "; ".join(f"{fault.pointer} {fault.detail}" for fault in faults)
            raise ConfigurationError(f"Plugin class {name} cannot be registered: {listed}", errors=faults)
        self._plugins[plugin.manifest.tool_type] = plugin

    def get_plugin(self, tool_type: str) -> type[TicketingToolPlugin]:
        """The plugin class of a tool type.

        Raises:
            PluginNotFoundError: ``Plugin '<tool_type>' not registered``.
        """
        try:
            return self._plugins[tool_type]
        except KeyError:
            raise PluginNotFoundError(tool_type, self.tool_types) from None

    def list_registered_plugins(self) -> list[dict[str, Any]]:
        """Description of every plugin, in order of registration, ready to be sent as JSON."""
        return [deepcopy(describe(plugin)) for plugin in self._plugins.values()]

    @property
    def names(self) -> dict[str, str]:
        """The products' own names by tool type."""
        return {tool_type: plugin.manifest.name for tool_type, plugin in self._plugins.items()}

    @property
    def tool_types(self) -> tuple[str, ...]:
        """Tool types of the registered plugins, in order of registration."""
        return tuple(self._plugins)

    def discover(self) -> tuple[str, ...]:
        """Register the plugins that installed packages offer.

        Returns:
            Their tool types.

        Raises:
            ConfigurationError: An entry point cannot be loaded or its class breaks the contract.
        """
        tool_types: list[str] = []
        for entry in _offered(tuple(sys.path)):
            try:
                plugin = entry.load()
            except (ImportError, AttributeError) as error:
                raise ConfigurationError(
                    f"Entry point '{entry.name}' ({entry.value}) of {ENTRY_POINT_GROUP} cannot be loaded: {error}."
                    " Repair or uninstall the package that offers it."
                ) from error
            self.register(plugin)
            tool_types.append(plugin.manifest.tool_type)
        return tuple(tool_types)


@cache  # looking through the metadata of every installed package takes 10 ms; what is found depends on the path alone
def _offered(_path: tuple[str, ...]) -> EntryPoints:
    return entry_points(group=ENTRY_POINT_GROUP)


@cache  # making a JSON schema takes milliseconds, and a class does not change
def describe(plugin: type[TicketingToolPlugin]) -> dict[str, Any]:
    """A plugin's manifest and the JSON schema of its configuration (secrets are marked ``writeOnly``)."""
    manifest = plugin.manifest
    return {
        "tool_type": manifest.tool_type,
        "name": manifest.name,
        "operations": [
            {"name": operation.value, "access": operation.access.value}
            for operation in Operation
            if operation in manifest.operations
        ],
        "events": sorted(manifest.events),
        "ignored_events": sorted(manifest.ignored_events),
        "signature": manifest.signature,
        "optimistic_writes": manifest.optimistic_writes,
        "documentation": manifest.documentation,
        "config_schema": plugin.config_model.model_json_schema(),
    }


def find_faults(plugin: object) -> Iterator[tuple[str, str]]:
    """Everything that keeps a class from being a plugin, as (pointer, what is wrong)."""
    if not (inspect.isclass(plugin) and issubclass(plugin, TicketingToolPlugin)):
        yield "", "is not a subclass of TicketingToolPlugin"
        return
    for name in sorted(getattr(plugin, "__abstractmethods__", ())):
        yield f"/{name}", "is not implemented"
    manifest = getattr(plugin, "manifest", None)
    if isinstance(manifest, Manifest):
        yield from _manifest_faults(manifest)
        yield from _method_faults(plugin, manifest)
    else:
        yield "/manifest", "is missing or not a Manifest"
    yield from _config_faults(getattr(plugin, "config_model", None))


def _manifest_faults(manifest: Manifest) -> Iterator[tuple[str, str]]:
    if manifest.tool_type in TOOLS_BESIDE_DESKS:
        yield "/manifest/tool_type", f"is taken: '{manifest.tool_type}' is a tool of its own and no desk"
    if not _TOOL_TYPE.fullmatch(manifest.tool_type):
        yield "/manifest/tool_type", "must be lower-case letters, digits and underscores, 2 to 50 of them"
    for name in ("name", "signature"):
        if not getattr(manifest, name).strip():
            yield f"/manifest/{name}", "is empty"
    missing = {Operation.GET_TICKET, Operation.ADD_NOTE} - manifest.operations
    if missing:
        yield "/manifest/operations", f"lacks {', '.join(sorted(missing))}, without which no agent can work"
    if not manifest.events:
        yield "/manifest/events", "is empty: no event could ever start an agent"
    both = manifest.events & manifest.ignored_events
    if both:
        yield "/manifest/ignored_events", f"repeats handled events: {', '.join(sorted(both))}"


def _method_faults(plugin: type[TicketingToolPlugin], manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What the manifest offers must have a method of the plugin's own, and the other way round."""
    optional = {Operation.LIST_NOTES, Operation.TICKET_CHANGES, Operation.CREATE_TICKET, Operation.LINK_TICKETS}
    optional |= {Operation.UPDATE_NOTE, Operation.LOG_TIME}
    for name, offered in (
        *((operation.value, operation in manifest.operations) for operation in sorted(optional)),
        ("find_created", Operation.CREATE_TICKET in manifest.operations),
        ("find_time", Operation.LOG_TIME in manifest.operations),
        *((inverse.value, inverse in manifest.inverses) for inverse in Inverse),
    ):
        # Compared as functions: a plugin that only inherits the refusing body has not made the method.
        made = getattr(plugin, name) is not getattr(TicketingToolPlugin, name)
        if offered and not made:
            yield f"/{name}", "is in the manifest and is not implemented"
        elif made and not offered:
            yield f"/{name}", "is implemented and not in the manifest"
    if bool(manifest.links) != (Operation.LINK_TICKETS in manifest.operations):
        yield "/manifest/links", "and the operation link_tickets go together"
    if manifest.bills_time and Operation.LOG_TIME not in manifest.operations:
        yield "/manifest/bills_time", "needs the operation log_time"


def _config_faults(model: object) -> Iterator[tuple[str, str]]:
    if not (inspect.isclass(model) and issubclass(model, BaseModel)):
        yield "/config_model", "is missing or not a pydantic model"
        return
    for name, field in model.model_fields.items():
        if names_a_secret(name) and "SecretStr" not in str(field.annotation) and field.annotation is not SecretStr:
            yield f"/config_model/{name}", "looks like a secret and must be a SecretStr"
