"""Shapes of a tenant: what comes in with its rules, what goes out without its secrets."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic.config import JsonDict

from deskhand.errors import InvalidInputError
from deskhand.kit.crypto import new_webhook_secret
from deskhand.kit.http import callable_address
from deskhand.kit.schema import KNOWN, NOT_BLANK, InputModel
from deskhand.kit.storable import read_json
from deskhand.llm.fallbacks import ModelRules
from deskhand.plugins.priorities import Priority
from deskhand.tenants.approval_rules import ApprovalRules
from deskhand.tenants.boundaries import MOST_RULES, Boundary
from deskhand.tenants.calendars import MOST_CALENDARS, Calendar, check_calendars
from deskhand.tenants.companies import EVERY_DESK, CompanyMode
from deskhand.tenants.contracts import Contracts
from deskhand.tenants.fields import SECRET_FIELDS, TOOL_FIELDS
from deskhand.tenants.instructions import MOST_INSTRUCTIONS, Instruction
from deskhand.tenants.machine_rules import MachineRule
from deskhand.tenants.models import DEFAULT_TOOL_TYPE, TenantConfig
from deskhand.tenants.note_rules import NoteRules
from deskhand.tenants.notification_rules import NotificationRules
from deskhand.tenants.privacy_rules import PrivacyRules
from deskhand.tenants.replay_bar import ReplayBar
from deskhand.tenants.storm_rules import StormRules
from deskhand.tenants.worth_rules import WorthRules

MAX_EXTRAS_BYTES = 32_768
MAX_LIMITS_BYTES = 4_096
MAX_PREFERENCES_BYTES = 65_536


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        # Read for their errors: Python checks a port only when it is asked for.
        host, _port = parts.hostname, parts.port
        # Two readers of an address must agree on it: the one here, and the one that connects.
        callable_address(value)
    except (ValueError, InvalidInputError) as error:
        raise ValueError("must be a web address such as https://desk.example.com") from error
    if parts.scheme not in ("http", "https") or not host or any(char.isspace() for char in value):
        raise ValueError("must be a web address such as https://desk.example.com")
    # Addresses are shown and logged, and a password in one would be, too.
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password; credentials have fields of their own")
    # Paths are appended to it; behind a query they would become part of the query.
    if parts.query or parts.fragment:
        raise ValueError("must not contain a query or a fragment")
    return value.rstrip("/")


def _check_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("must not be empty")
    return value


def _seal(value: Any) -> Any:
    """Hide a text at once, so that no later message can show it."""
    # Sealed before anything can fail: an error of a later check would quote the value.
    return SecretStr(json.dumps(value)) if isinstance(value, dict) else value


def _check_extras(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(text) > MAX_EXTRAS_BYTES:
        raise ValueError(f"must not be larger than {MAX_EXTRAS_BYTES} bytes")
    try:
        parsed = read_json(text)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or not all(isinstance(part, dict) for part in parsed.values()):
        raise ValueError("must be an object that maps a tool type to an object of connection fields")
    return value


TenantIdText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z0-9][a-z0-9-]*$"),
    Field(description="Lowercase letters, digits and hyphens; the first is no hyphen. It can't be changed."),
]
TenantName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    Field(json_schema_extra=NOT_BLANK),
]
ToolType = Annotated[str, StringConstraints(min_length=1, max_length=50), Field(json_schema_extra={KNOWN: "desks"})]
ShortText = Annotated[str, StringConstraints(max_length=200)]
DeskUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=500),
    AfterValidator(_check_url),
    Field(json_schema_extra={"pattern": r"^https?://[A-Za-z0-9.-]+(?::[0-9]{1,4})?(?:/[^\s?#\u0000]*)?$"}),
]
Secret = Annotated[
    SecretStr, Field(min_length=1, max_length=4096, json_schema_extra=NOT_BLANK), AfterValidator(_check_secret)
]
SigningSecret = Secret
ProjectKey = Annotated[str, StringConstraints(max_length=50, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Subdomain = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
Extras = Annotated[
    SecretStr,
    BeforeValidator(_seal, json_schema_input_type=dict[str, dict[str, Any]]),
    AfterValidator(_check_extras),
    Field(
        description="What a desk needs beyond its own fields, by tool type. Stored encrypted, never shown.",
        json_schema_extra={"writeOnly": True},
    ),
]


class RateLimits(InputModel):
    """What a tenant may use up; the platform decides it. Further keys are kept, up to a size."""

    model_config = ConfigDict(extra="allow")
    max_bytes = MAX_LIMITS_BYTES

    webhooks_per_minute: int = Field(600, ge=1, le=100_000, description="Deliveries accepted in a minute.")
    concurrent_executions: int = Field(5, ge=1, le=1_000, description="Executions running at once.")
    executions_per_hour: int = Field(2_000, ge=1, le=1_000_000, description="Executions started in an hour.")
    weight: float = Field(1.0, ge=0.01, le=100, description="Share of busy workers, beside the others'.")


def _say_which_desks(schema: JsonDict) -> None:
    # Made anew each time: the document takes the mark out of what it is given.
    schema["propertyNames"] = {"anyOf": [{"const": EVERY_DESK}, {KNOWN: "desks"}]}


CompanyMapping = Annotated[
    dict[str, CompanyMode],
    Field(
        max_length=100,
        description="By desk (`*`: every other one): `company` keeps what belongs to one of its client companies from"
        " the others, `one` says that all of it is one company. A desk without either is one until it names a company.",
        json_schema_extra=_say_which_desks,
    ),
]


class EnhancementPreferences(InputModel):
    """How notes are written and values mapped; further keys are kept, up to a size."""

    model_config = ConfigDict(extra="allow")
    max_bytes = MAX_PREFERENCES_BYTES

    tool_config: dict[str, Any] = Field(default_factory=dict, description="Defaults on the desk.")
    priority_mapping: dict[Priority, ShortText] = Field(
        default_factory=dict, description="Our four priorities to the desk's own words."
    )
    custom_fields: dict[str, Any] = Field(default_factory=dict, description="Fields to set on the desk.")
    workflow_config: dict[str, Any] = Field(default_factory=dict, description="What to do on status changes.")
    approvals: ApprovalRules = Field(default_factory=ApprovalRules, description="Who may approve, and who is told.")
    notifications: NotificationRules = Field(
        default_factory=NotificationRules, description="Who is told of failures, doubts and budgets, and how often."
    )
    storms: StormRules = Field(
        default_factory=StormRules, description="When tickets count as reports of one outage, and who is told of it."
    )
    notes: NoteRules = Field(default_factory=NoteRules, description="When agents write notes.")
    worth: WorthRules = Field(default_factory=WorthRules, description="How what notes are worth is measured.")
    replay_bar: ReplayBar = Field(
        default_factory=ReplayBar,
        description="What a version of an agent must reach in the replay lab before it is activated; none unless set.",
    )
    boundaries: list[Boundary] = Field(
        default_factory=list,
        max_length=MOST_RULES,
        description="Tickets that no agent, or only a careful one, may touch; above what any agent was granted.",
    )
    privacy: PrivacyRules = Field(
        default_factory=PrivacyRules, description="What of a ticket is kept from models outside the house."
    )
    models: ModelRules = Field(default_factory=ModelRules, description="Which models agents fall back to.")
    machines: list[MachineRule] = Field(
        default_factory=list,
        max_length=MOST_RULES,
        description="Tickets that monitoring makes: nothing is said about them, or once for a condition.",
    )
    calendars: Annotated[list[Calendar], AfterValidator(check_calendars)] = Field(
        default_factory=list,
        max_length=MOST_CALENDARS,
        description="When people work, by client company: what `hours` of an event filter and working days mean."
        " Without one, Monday to Friday, UTC.",
    )
    contracts: Contracts = Field(default_factory=list)
    instructions: list[Instruction] = Field(
        default_factory=list,
        max_length=MOST_INSTRUCTIONS,
        description="What every agent is told about certain tickets, above its own prompt; it grants no tool.",
    )


_EXAMPLE: JsonDict = {
    "tenant_id": "globex-inc",
    "name": "Globex Inc",
    "tool_type": "jira",
    "jira_url": "https://globex.atlassian.net",
    "jira_api_token": "the token from your Atlassian account",
    "jira_project_key": "SUPPORT",
    "enhancement_preferences": {"priority_mapping": {"critical": "Highest"}},
}


class _Connections(InputModel):
    """Fields of the built-in desks, all optional here; the tool in use demands its own."""

    servicedesk_url: DeskUrl | None = None
    servicedesk_api_key: Secret | None = None
    jira_url: DeskUrl | None = None
    jira_api_token: Secret | None = None
    jira_project_key: ProjectKey | None = None
    zendesk_subdomain: Subdomain | None = None
    zendesk_api_token: Secret | None = None
    servicenow_instance_url: DeskUrl | None = None
    servicenow_api_key: Secret | None = None
    connection_extras: Extras | None = None


class TenantConfigCreate(_Connections):
    """A new tenant. The fields of the desk named by ``tool_type`` are required."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    tenant_id: TenantIdText
    name: TenantName = Field(description="Name for people.")
    tool_type: ToolType = Field(DEFAULT_TOOL_TYPE, description="The default desk: a registered plugin.")
    webhook_signing_secret: SigningSecret = Field(
        # Made where none was sent: there is no default secret that two installations could share.
        default_factory=lambda: SecretStr(new_webhook_secret()),
        description="Secret the desk signs its webhooks with: 32 or more random characters, or `whsec_` and 24 or more"
        " random bytes in base64; a weaker one is refused. Left out, one is made and shown once in the answer.",
    )
    enhancement_preferences: EnhancementPreferences = Field(default_factory=EnhancementPreferences)
    company_mapping: CompanyMapping = Field(default_factory=dict)
    rate_limits: RateLimits = Field(default_factory=RateLimits)

    @model_validator(mode="after")
    def _tool_is_complete(self) -> TenantConfigCreate:
        fields = TOOL_FIELDS.get(self.tool_type)
        if fields and any(getattr(self, name) is None for name in fields.order):
            raise ValueError(fields.requirement)
        return self


class TenantConfigUpdate(_Connections):
    """Changes to a tenant: what is left out stays; a connection field set to null is cleared."""

    # Let in and passed over, so that a client may send back what it has read, with one field changed.
    read_only = frozenset({"id", "tenant_id", "secrets_set", "is_active", "created_at", "updated_at"})

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Globex International", "rate_limits": {"concurrent_executions": 10}}]}
    )

    name: TenantName | None = None
    tool_type: ToolType | None = None
    webhook_signing_secret: SigningSecret | None = None
    enhancement_preferences: EnhancementPreferences | None = None
    company_mapping: CompanyMapping | None = None
    rate_limits: RateLimits | None = None


class TenantConfigResponse(BaseModel):
    """A tenant as it is shown: secrets only by name."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "018f6f0e-5b8e-7c1e-9a51-3f0f5a4b7c11",
                    "tenant_id": "globex-inc",
                    "name": "Globex Inc",
                    "tool_type": "jira",
                    "servicedesk_url": None,
                    "jira_url": "https://globex.atlassian.net",
                    "jira_project_key": "SUPPORT",
                    "zendesk_subdomain": None,
                    "servicenow_instance_url": None,
                    "secrets_set": ["jira_api_token", "webhook_signing_secret"],
                    "enhancement_preferences": {"priority_mapping": {"critical": "Highest"}},
                    "company_mapping": {"jira": "company"},
                    "rate_limits": {"webhooks_per_minute": 600},
                    "is_active": True,
                    "created_at": "2026-05-04T09:00:00Z",
                    "updated_at": "2026-05-04T09:00:00Z",
                }
            ]
        },
    )

    id: UUID
    tenant_id: str
    name: str
    tool_type: str
    servicedesk_url: str | None
    jira_url: str | None
    jira_project_key: str | None
    zendesk_subdomain: str | None
    servicenow_instance_url: str | None
    secrets_set: list[str] = Field(default_factory=list, description="Names of the secrets that are stored.")
    enhancement_preferences: dict[str, Any]
    company_mapping: dict[str, str]
    rate_limits: dict[str, Any] | None
    is_active: bool
    created_at: datetime
    updated_at: datetime

    @model_validator(mode="before")
    @classmethod
    def _from_row(cls, data: Any) -> Any:
        if not isinstance(data, TenantConfig):
            return data
        # Named one by one: a column that is added later stays hidden until somebody decides that it may be shown.
        shown = {name: getattr(data, name) for name in cls.model_fields if name != "secrets_set"}
        return {**shown, "secrets_set": secrets_set(data)}


class TenantConfigCreated(TenantConfigResponse):
    """A new tenant, and the webhook secret that was made for it."""

    webhook_signing_secret: str | None = Field(
        None, description="Shown this once, and only if the request brought none of its own."
    )


class ConnectionResponse(BaseModel):
    """A tenant's connection to one desk, without its secrets."""

    tool_type: str
    name: str = Field(description="The desk's product name.")
    is_default: bool = Field(description="Whether it is the tenant's `tool_type`.")
    is_complete: bool = Field(description="Whether agents can use it.")
    missing: list[str] = Field(description="Fields that are not filled in, or what is wrong with them.")
    settings: dict[str, str] = Field(description="Fields that are no secrets.")
    secrets_set: list[str] = Field(description="Names of the secrets that are stored.")


class ConnectionCheck(BaseModel):
    """One thing that was tried on a desk."""

    name: str
    ok: bool
    detail: str


class ConnectionTestResponse(BaseModel):
    """What testing a connection found, in the order it was tried."""

    tool_type: str
    ok: bool
    checks: list[ConnectionCheck]
    account: str | None = Field(None, description="The account Deskhand is signed in with, as the desk names it.")
    warnings: list[str] = Field([], description="What works and should not stay so, such as a person's own account.")


class PluginOperation(BaseModel):
    """Something agents can be granted on a desk."""

    name: str
    access: Literal["read", "write"]


class PluginResponse(BaseModel):
    """A registered plugin: its manifest and the JSON schema of its connection."""

    tool_type: str
    name: str
    operations: list[PluginOperation]
    events: list[str] = Field(description="Vendor events that can start an agent.")
    ignored_events: list[str]
    signature: str = Field(description="How its webhooks are authenticated.")
    optimistic_writes: bool
    documentation: str
    config_schema: dict[str, Any] = Field(description="JSON schema of a connection; secrets are `writeOnly`.")


def secrets_set(tenant: TenantConfig) -> list[str]:
    """Names of the secrets a tenant has stored."""
    names = (*SECRET_FIELDS, "connection_extras", "webhook_signing_secret")
    return [name for name in names if getattr(tenant, f"{name}_encrypted")]
