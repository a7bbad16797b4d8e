"""Shapes of tool sources over HTTP. A credential goes in and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from deskhand.connectors.models import SourceKind
from deskhand.connectors.openapi.document import MAX_BYTES
from deskhand.connectors.values import (
    ADDRESS,
    MOST_ADDRESS,
    MOST_OPERATIONS,
    OPERATION_NAME,
    Credential,
    CredentialKind,
)
from deskhand.kit.schema import InputModel

Slug = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9-]{0,19}$")]
SourceName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"),
]
OperationName = Annotated[str, StringConstraints(pattern=f"^[A-Za-z0-9_-]{{1,{OPERATION_NAME}}}$")]
SLUG_HELP = "Its short name: agents name the tool by it, and a model reads it before each operation."

# What the connection itself needs must not be anybody's to set.
_NEVER = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade"})


class CredentialInput(InputModel):
    """What the source is shown to let agents in. Stored encrypted, and never shown."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "bearer", "secret": "the token"}]})

    kind: CredentialKind = Field(
        description="`bearer` and `basic`: the header Authorization. `header`, `query`: under the name that is given."
    )
    secret: SecretStr = Field(min_length=1, max_length=4_000, description="The token, password or key.")
    name: str = Field(
        "",
        max_length=100,
        pattern=r"^[A-Za-z0-9._~\[\]$-]*$",
        description="Of `header` and `query`: the header or parameter it goes in.",
    )
    user: str = Field("", max_length=200, description="Of `basic`: the user.")

    @model_validator(mode="after")
    def _complete(self) -> CredentialInput:
        named = self.kind in (CredentialKind.HEADER, CredentialKind.QUERY)
        if named != bool(self.name):
            raise ValueError("name belongs to the kinds 'header' and 'query', and they need it")
        if self.kind is CredentialKind.HEADER and self.name.lower() in _NEVER:
            raise ValueError(f"name must not be '{self.name}', which the connection itself sets")
        if (self.kind is CredentialKind.BASIC) != bool(self.user):
            raise ValueError("user belongs to the kind 'basic', and it needs one")
        if not all(" " <= char <= "~" for char in self.secret.get_secret_value()):
            raise ValueError("secret must be of visible ASCII characters, which a header can carry")
        return self

    def credential(self) -> Credential:
        """The same as a value."""
        return Credential(kind=self.kind, secret=self.secret.get_secret_value(), name=self.name, user=self.user)


class OperationChoice(InputModel):
    """What the tenant says of one operation; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True, "access": "read"}]})

    enabled: bool | None = Field(None, description="Whether agents may be granted it.")
    access: Literal["read", "write"] | None = Field(
        None, description="Whether it changes something. This decides, whatever the source says of itself."
    )
    repeatable: bool | None = Field(
        None,
        description="Of a write: whether twice is as once. Where nobody knows whether it happened, it is made again;"
        " otherwise a person is asked.",
    )


Choices = Annotated[
    dict[OperationName, OperationChoice],
    Field(max_length=MOST_OPERATIONS, description="By operation; those that are not named stay as they are."),
]


class SourceChange(InputModel):
    """Changes to a tool source; what is left out stays, the credential too."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"operations": {"list_orders": {"enabled": True, "access": "read"}}}]}
    )

    name: SourceName | None = Field(None, description="Name for people.")
    credential: CredentialInput | None = Field(None, description="A new one; left out, the stored one stays.")
    operations: Choices = Field(default_factory=dict)


Server = Annotated[str, StringConstraints(max_length=MOST_ADDRESS, pattern=ADDRESS)]
DocumentUrl = Annotated[str, StringConstraints(max_length=1_000, pattern=ADDRESS.removesuffix("$") + r"(\?[!-~]*)?$")]
DocumentText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_BYTES)]
HeaderName = Annotated[str, StringConstraints(max_length=100, pattern="^[A-Za-z0-9-]+$")]


class OpenApiSource(InputModel):
    """A program that an OpenAPI document describes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "shop",
                    "name": "The shop",
                    "url": "https://shop.example.com/openapi.json",
                    "credential": {"kind": "bearer", "secret": "the token"},
                    "operations": {"getOrder": {"enabled": True}},
                }
            ]
        }
    )

    slug: Slug = Field(description=SLUG_HELP)
    name: SourceName = Field(description="Name for people.")
    document: DocumentText | None = Field(None, description="The document, OpenAPI 3.0 or 3.1, as JSON or YAML.")
    url: DocumentUrl | None = Field(None, description="Or where it is: read once, and again when asked to.")
    server: Server | None = Field(
        None,
        description="Where it is called, and the only place the credential goes; else the document's own.",
    )
    credential: CredentialInput | None = Field(None, description="As the document's security schemes say.")
    idempotency_header: HeaderName | None = Field(
        None, description="A header by which the program knows a request again, so that a write may be repeated."
    )
    operations: Choices = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_two(self) -> OpenApiSource:
        if (self.document is None) == (self.url is None):
            raise ValueError("give the document, or the url where it is: one of the two")
        if (self.idempotency_header or "").lower() in _NEVER | {"authorization", "cookie"}:
            raise ValueError(f"idempotency_header must not be '{self.idempotency_header}', which is set otherwise")
        return self


class DocumentUpdate(InputModel):
    """A newer document."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    document: DocumentText | None = Field(None, description="The document; left out, it is read again from its url.")


class McpSource(InputModel):
    """An MCP server: at an address, or behind a command of this machine that the installation lists."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "printers",
                    "name": "Printers",
                    "url": "https://tools.example.com/mcp",
                    "credential": {"kind": "bearer", "secret": "the token"},
                    "operations": {"look_up": {"enabled": True, "access": "read"}},
                }
            ]
        }
    )

    slug: Slug = Field(description=SLUG_HELP)
    name: SourceName = Field(description="Name for people.")
    url: Server | None = Field(None, description="Where it speaks MCP over streamable HTTP.")
    command: Slug | None = Field(None, description="Instead of an address: a name in DESKHAND_MCP_COMMANDS.")
    credential: CredentialInput | None = Field(None, description="Of an address: `bearer`, `basic` or `header`.")
    operations: Choices = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_one_way(self) -> McpSource:
        if (self.url is None) == (self.command is None):
            raise ValueError("needs a url or a command, and not both")
        if self.credential is None:
            return self
        if self.command is not None:
            raise ValueError("a command takes no credential: it has an empty environment")
        # The protocol forbids it, and whoever logs addresses would log the credential.
        if self.credential.kind is CredentialKind.QUERY:
            raise ValueError("an MCP server takes no credential in its address: use bearer, basic or header")
        return self

    @property
    def configuration(self) -> dict[str, Any]:
        """What is kept of how it is reached."""
        return {"command": self.command} if self.url is None else {"url": self.url}


class Acceptance(InputModel):
    """Changes that somebody has read and accepts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"operations": {"look_up": "9f86d081884c7d65" * 4}}]})

    operations: dict[OperationName, Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]] = Field(
        min_length=1, max_length=MOST_OPERATIONS, description="By operation, the digest of the change that was read."
    )


class OperationWords(BaseModel):
    """What a source says of one operation; all of it is a stranger's, and a model reads it."""

    description: str
    hint: str = Field(description="What it says of its effect.")
    arguments: dict[str, Any] = Field(description="JSON schema of its arguments, as a model reads it.")


class OperationChangeView(BaseModel):
    """An operation that is off because its source says something else of it by now."""

    name: str
    state: Literal["changed", "gone", "unread"] = Field(
        description="`gone`: the source has it no more. `unread`: a run found it changed; refresh the source to see."
    )
    accepted: OperationWords
    now: OperationWords | None = Field(description="What would be accepted.")
    digest: str | None = Field(description="Names what would be accepted: send it back to accept just that.")
    fault: str = Field(description="Why it cannot be used as it is now; empty if it can.")


class SourceOperationView(BaseModel):
    """One thing a source can do."""

    name: str
    description: str
    enabled: bool = Field(description="Whether agents may be granted it.")
    access: Literal["read", "write"] = Field(description="The tenant's word, which decides.")
    repeatable: bool = Field(description="Of a write: whether twice is as once, by the tenant's word.")
    hint: str = Field(description="What the source says of itself: read, write, or nothing.")
    state: Literal["", "changed", "gone", "unread", "unusable"] = Field(
        description="Why it is off though nobody switched it off: see the source's changes."
    )
    fault: str = Field(description="Why it cannot be switched on; empty if it can.")


class SourceSummary(BaseModel):
    """A tool source, without its operations and its credential."""

    slug: str
    kind: SourceKind
    tool_id: str = Field(description="Name it in an agent's `tool_ids`.")
    name: str
    configuration: dict[str, Any] = Field(description="How it is reached; the kind's own.")
    has_credential: bool
    enabled_operations: int
    revision: int = Field(description="Counts every change.")
    created_at: datetime
    updated_at: datetime


class SourceView(SourceSummary):
    """A tool source with its operations, without its credential."""

    operations: list[SourceOperationView]


class DocumentChanges(BaseModel):
    """What a newer document changed."""

    source: SourceView
    added: list[str] = Field(description="Operations that it has and the older one had not; they are off.")
    removed: list[str] = Field(description="Operations that it has no more.")
    changed: list[str] = Field(description="Operations that it describes otherwise.")
    switched_off: list[str] = Field(
        description="Operations that were on and are gone, lead elsewhere, or cannot be called any more."
    )
