"""A tenant's connections: which desks it can reach, with what, and whether that works.

The configuration of a desk is its columns with the decrypted secrets, and over them what
``connection_extras_encrypted`` holds for the tool. A plugin from outside the built-in four has
no columns; all of its configuration is in the extras.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.nearest import what_exists
from deskhand.kit.pointer import fault_sentence, pointer
from deskhand.plugins.contract import ConnectionReport, DeskContext, TicketingToolPlugin
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.fields import BESIDE_DESKS, TOOL_FIELDS
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.schemas import ConnectionCheck, ConnectionResponse, ConnectionTestResponse


def desk_for(
    tenant: TenantConfig,
    tool_type: str,
    *,
    secrets: SecretBox,
    plugins: PluginManager,
    http: HttpClientFactory,
) -> TicketingToolPlugin:
    """Open a tenant's connection to a desk; the caller closes it with ``aclose()``.

    Args:
        tenant: Whose connection.
        tool_type: Which desk.
        secrets: Decrypts the stored secrets.
        plugins: The registered plugins.
        http: The one door out.

    Raises:
        PluginNotFoundError: No plugin of that name is registered.
        InvalidInputError: The connection is incomplete or wrong; every fault is named, no value is.
    """
    config = desk_config(tenant, tool_type, secrets=secrets, plugins=plugins)
    return plugins.get_plugin(tool_type)(config, DeskContext(http=http, priority_mapping=_priority_mapping(tenant)))


def desk_config(tenant: TenantConfig, tool_type: str, *, secrets: SecretBox, plugins: PluginManager) -> BaseModel:
    """The configuration of a tenant's connection, decrypted; nothing is opened.

    Raises:
        PluginNotFoundError: No plugin of that name is registered.
        InvalidInputError: The connection is incomplete or wrong; every fault is named, no value is.
    """
    plugin = plugins.get_plugin(tool_type)
    faults = connection_faults(tenant, tool_type, secrets=secrets, plugins=plugins)
    if faults:
        raise InvalidInputError(
            f"The connection to {plugin.manifest.name} is not complete: {'; '.join(fault.detail for fault in faults)}.",
            errors=faults,
        )
    return plugin.config_model.model_validate(stored_values(tenant, tool_type, secrets))


def connection_faults(
    tenant: TenantConfig, tool_type: str, *, secrets: SecretBox, plugins: PluginManager
) -> list[FieldProblem]:
    """Everything that keeps a connection from being used; empty if it is complete.

    Raises:
        PluginNotFoundError: No plugin of that name is registered.
    """
    model = plugins.get_plugin(tool_type).config_model
    fields = TOOL_FIELDS.get(tool_type)
    values = stored_values(tenant, tool_type, secrets)
    # The specification's own sentence says what a desk needs, so it comes before the plugin's model is asked.
    if fields and any(values.get(name) is None for name in fields.order):
        missing = [name for name in fields.order if values.get(name) is None]
        return [FieldProblem(pointer([name]), f"{name} is missing ({fields.requirement})") for name in missing]
    if not fields and not values:
        return [FieldProblem(pointer(["connection_extras", tool_type]), f"connection_extras has no '{tool_type}'")]
    return _model_faults(model, values)


def ensure_extras_known(tenant: TenantConfig, *, secrets: SecretBox, plugins: PluginManager) -> None:
    """Refuse extras under a name that no desk reads: whoever wrote it would wait for it to act.

    Of each desk, not the default one alone; what a connection still lacks is said when it is used.

    Raises:
        InvalidInputError: Names every such tool and field, with those there are.
    """
    faults = []
    for tool_type, values in read_extras(tenant, secrets).items():
        if tool_type in BESIDE_DESKS:
            continue
        if tool_type not in plugins.tool_types:
            sentence = f"there is no tool '{tool_type}'; {what_exists(tool_type, [*plugins.tool_types, *BESIDE_DESKS])}"
            faults.append(FieldProblem(pointer(["connection_extras", tool_type]), sentence))
            continue
        model = plugins.get_plugin(tool_type).config_model
        faults += [
            FieldProblem(pointer(["connection_extras", tool_type, *fault["loc"]]), _sentence(model, fault))
            for fault in _errors(model, stored_values(tenant, tool_type, secrets))
            if fault["loc"] and fault["loc"][0] in values
        ]
    if faults:
        raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults)


def list_connections(tenant: TenantConfig, *, secrets: SecretBox, plugins: PluginManager) -> list[ConnectionResponse]:
    """The tenant's connection to every registered desk, complete or not."""
    listed = []
    for described in plugins.list_registered_plugins():
        tool_type = str(described["tool_type"])
        fields = TOOL_FIELDS.get(tool_type)
        faults = connection_faults(tenant, tool_type, secrets=secrets, plugins=plugins)
        stored = stored_values(tenant, tool_type, secrets)
        listed.append(
            ConnectionResponse(
                tool_type=tool_type,
                name=str(described["name"]),
                is_default=tenant.tool_type == tool_type,
                is_complete=not faults,
                missing=[fault.detail for fault in faults],
                # Plain columns alone. Of a plugin from outside nobody knows which of its values is secret, so none is
                # shown.
                settings={name: str(stored[name]) for name in (fields.plain if fields else ()) if name in stored},
                secrets_set=[name for name in (fields.secret if fields else ()) if name in stored],
            )
        )
    return listed


def seems_connected(tenant: TenantConfig) -> bool:
    """Whether what a desk needs is kept, or something of a further tool; nothing is decrypted, so it may be no good."""
    for fields in TOOL_FIELDS.values():
        columns = [*fields.plain, *(f"{name}_encrypted" for name in fields.secret)]
        if all(getattr(tenant, column) for column in columns):
            return True
    return tenant.connection_extras_encrypted is not None


def connected_tools(tenant: TenantConfig, *, secrets: SecretBox, plugins: PluginManager) -> frozenset[str]:
    """Tool types the tenant's agents can use."""
    return frozenset(
        tool_type
        for tool_type in plugins.tool_types
        if not connection_faults(tenant, tool_type, secrets=secrets, plugins=plugins)
    )


async def check_connection(desk: TicketingToolPlugin) -> ConnectionTestResponse:
    """Try a connection on the real desk, and close it."""
    try:
        report: ConnectionReport = await desk.test_connection()
    finally:
        await desk.aclose()
    account = report.account
    return ConnectionTestResponse(
        tool_type=desk.manifest.tool_type,
        ok=report.ok,
        checks=[ConnectionCheck(name=name, ok=ok, detail=detail) for name, ok, detail in report.checks],
        account=(account.email or account.name or account.id) if account else None,
        warnings=list(report.warnings),
    )


def webhook_signing_secret(tenant: TenantConfig, *, secrets: SecretBox) -> str:
    """The secret the tenant's desk signs its webhooks with."""
    return secrets.decrypt(tenant.webhook_signing_secret_encrypted)


def read_extras(tenant: TenantConfig, secrets: SecretBox) -> dict[str, dict[str, Any]]:
    """What is stored beyond the columns, by tool type."""
    if not tenant.connection_extras_encrypted:
        return {}
    extras: dict[str, dict[str, Any]] = json.loads(secrets.decrypt(tenant.connection_extras_encrypted))
    return extras


def stored_values(tenant: TenantConfig, tool_type: str, secrets: SecretBox) -> dict[str, Any]:
    """What a connection is made of, decrypted: columns, and over them the extras."""
    fields = TOOL_FIELDS.get(tool_type)
    values: dict[str, Any] = {}
    if fields:
        values.update({name: getattr(tenant, name) for name in fields.plain})
        for name in fields.secret:
            token = getattr(tenant, f"{name}_encrypted")
            values[name] = secrets.decrypt(token) if token else None
    # The extras win: they hold what the columns have no place for.
    values.update(read_extras(tenant, secrets).get(tool_type, {}))
    return {name: value for name, value in values.items() if value is not None}


def _model_faults(model: type[BaseModel], values: Mapping[str, Any]) -> list[FieldProblem]:
    return [FieldProblem(pointer(fault["loc"]), _sentence(model, fault)) for fault in _errors(model, values)]


def _errors(model: type[BaseModel], values: Mapping[str, Any]) -> list[ErrorDetails]:
    try:
        model.model_validate(values)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _sentence(model: type[BaseModel], fault: ErrorDetails) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{name}: there is no such field; {what_exists(name, model.model_fields)}"
    return f"{name}: {fault_sentence(fault)}".lstrip(": ")


def _priority_mapping(tenant: TenantConfig) -> dict[str, str]:
    mapping = (tenant.enhancement_preferences or {}).get("priority_mapping")
    # The column takes any JSON; what is no mapping counts as none.
    return {str(ours): str(word) for ours, word in mapping.items()} if isinstance(mapping, dict) else {}
