"""A tool of a tenant's own as a file: where it is, and what of it agents may be granted.

A file names every operation that is on and says what it does; whatever it does not name is off. So a document or a
server that offers more tomorrow gives agents nothing more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from deskhand.agents.documents import API_VERSION, SecretReference
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.openapi.document import server_of
from deskhand.connectors.schemas import (
    CredentialInput,
    DocumentUrl,
    HeaderName,
    OperationChoice,
    OperationName,
    Server,
    Slug,
    SourceName,
)
from deskhand.connectors.values import MOST_ENABLED, SourceOperation
from deskhand.kit.schema import InputModel
from deskhand.kit.storable import read_json

KIND = "Tool"
_OF_KIND = {
    SourceKind.OPENAPI: ("url", "document", "server", "idempotency_header"),
    SourceKind.MCP: ("url", "command"),
}
REACHED_BY = ("type", "url", "server", "idempotency_header", "command")
"""What decides where a tool is; with another one it is another program, which nothing stored was meant for."""

FileReference = Annotated[str, StringConstraints(pattern=r"^file:[^\x00\n]{1,1000}$")]


class CredentialDocument(CredentialInput):
    """A credential in a file."""

    secret: SecretReference = Field(
        description="Where the secret is: `env:NAME`, or `file:PATH` from the file's folder."
    )


class OperationDocument(InputModel):
    """What the tenant says of an operation that is on."""

    access: Literal["read", "write"] = Field(description="Whether it changes something. This decides.")
    repeatable: bool = Field(False, description="Of a write: whether twice is as once.")


class ToolDocument(InputModel):
    """A tool of a tenant's own in a file."""

    api_version: Literal["deskhand/v1"] = Field(alias="apiVersion", description="The format.")
    kind: Literal["Tool"]
    slug: Slug = Field(
        description="Its short name; files know a tool by it, and agents name it `openapi:SLUG`, `mcp:SLUG`."
    )
    type: SourceKind
    name: SourceName = Field(description="Name for people.")
    url: DocumentUrl | None = Field(None, description="Where its document is, or where the server speaks MCP.")
    document: FileReference | None = Field(
        None, description="Of `openapi`, instead: `file:PATH` from the file's folder."
    )
    server: Server | None = Field(None, description="Of `openapi`: where it is called; left out, the document's own.")
    idempotency_header: HeaderName | None = Field(None, description="Of `openapi`: by which it knows a request again.")
    command: Slug | None = Field(None, description="Of `mcp`, instead of a url: a name in DESKHAND_MCP_COMMANDS.")
    credential: CredentialDocument | None = Field(
        None, description="Left out, the stored one stays, and a new tool has none."
    )
    operations: dict[OperationName, OperationDocument] = Field(
        default_factory=dict, max_length=MOST_ENABLED, description="Those that are on; every other one is off."
    )

    @model_validator(mode="after")
    def _fields_of_its_type(self) -> ToolDocument:
        for name in ("url", "document", "server", "idempotency_header", "command"):
            if getattr(self, name) is not None and name not in _OF_KIND[self.type]:
                raise ValueError(f"{name} is not a field of the type '{self.type}'")
        return self

    @property
    def tool_id(self) -> str:
        """What an agent's grant names."""
        return f"{self.type}:{self.slug}"

    def choices(self, known: Sequence[SourceOperation]) -> dict[str, OperationChoice]:
        """What is to be said of the operations of a tool, so that those of the file are on and no other."""
        off = {one.name: OperationChoice(enabled=False) for one in known if one.is_enabled}
        on = {
            name: OperationChoice(enabled=True, access=said.access, repeatable=said.repeatable)
            for name, said in self.operations.items()
        }
        return {**off, **on}

    def content(self, *, described: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What it says, in the form in which ``tool_content`` says it of a stored tool.

        Args:
            described: Its document, which says where it is called if the file does not.
        """
        server = self.server or (None if described is None else server_of(described, self.url))
        return {
            "slug": self.slug,
            "type": self.type.value,
            "name": self.name,
            "url": self.url,
            "server": server.rstrip("/") if server else None,
            "idempotency_header": self.idempotency_header,
            "command": self.command,
            "operations": {name: _said(one.access, one.repeatable) for name, one in sorted(self.operations.items())},
        }


def tool_content(source: ToolSource) -> dict[str, Any]:
    """What a file would say of a stored tool, but for its document."""
    on = sorted((one for one in source.operations if one["is_enabled"]), key=lambda one: str(one["name"]))
    server = source.configuration.get("server")
    return {
        "slug": source.slug,
        "type": source.kind,
        "name": source.name,
        "url": source.configuration.get("url"),
        "server": server.rstrip("/") if server else None,
        "idempotency_header": source.configuration.get("idempotency_header"),
        "command": source.configuration.get("command"),
        "operations": {
            str(one["name"]): _said("write" if one["is_write"] else "read", bool(one["repeatable"])) for one in on
        },
    }


def tool_file(content: Mapping[str, Any], *, document: str | None = None) -> dict[str, Any]:
    """The content as it stands in a file.

    Args:
        content: From ``tool_content``.
        document: Name of the file beside it that holds the document, for a tool that was not read from an address.
    """
    said = {name: value for name, value in content.items() if value not in (None, {}) and name != "operations"}
    beside = {"document": f"file:{document}"} if document else {}
    operations = {"operations": content["operations"]} if content["operations"] else {}
    return {"apiVersion": API_VERSION, "kind": KIND, **said, **beside, **operations}


def document_text(stored: str) -> str:
    """A stored document as it stands beside its file: read again, it is the same."""
    return json.dumps(read_json(stored), indent=1, ensure_ascii=False) + "\n"


def _said(access: str, repeatable: bool) -> dict[str, Any]:
    # Of what only reads it decides nothing, so it is no difference either.
    return {"access": access, **({"repeatable": True} if access == "write" and repeatable else {})}
