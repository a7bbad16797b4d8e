"""A tool source of a made-up kind: it answers as a test says, and keeps what left the machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from deskhand.connectors import kinds, service
from deskhand.connectors.errors import SourceRefusedError
from deskhand.connectors.kinds import KindOfSource
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.schemas import CredentialInput
from deskhand.connectors.values import Connection, SourceCaller, SourceOperation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory

ORDER = {
    "type": "object",
    "properties": {"order": {"type": "string"}},
    "required": ["order"],
    "additionalProperties": False,
}
OPERATIONS = (
    SourceOperation(name="get_order", description="Read an order.", is_write=False, is_enabled=True, arguments=ORDER),
    SourceOperation(name="cancel", description="Cancel an order.", is_write=True, is_enabled=True, arguments=ORDER),
    SourceOperation(
        name="touch", description="Touch an order.", is_write=True, is_enabled=True, repeatable=True, arguments=ORDER
    ),
    SourceOperation(name="drop_all", description="Drop all orders.", is_write=True),
)


@dataclass
class Shop:
    """The source: what came, and what it answers."""

    calls: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    answer: Callable[[str, Mapping[str, Any]], dict[str, Any]] = lambda name, _: {"body": f"did {name}"}
    seen: list[Connection] = field(default_factory=list)

    async def check(self, operation: SourceOperation, arguments: Mapping[str, Any]) -> None:
        if arguments.get("order") == "no such":
            raise SourceRefusedError("There is no such order.")

    async def call(self, operation: SourceOperation, arguments: Mapping[str, Any], *, mark: str) -> dict[str, Any]:
        self.calls.append((operation.name, dict(arguments), mark))
        return self.answer(operation.name, arguments)

    @asynccontextmanager
    async def open(self, connection: Connection, _http: HttpClientFactory) -> AsyncIterator[SourceCaller]:
        self.seen.append(connection)
        yield self

    @contextmanager
    def in_place(self) -> Iterator[Shop]:
        """Sources of the kind ``openapi`` are this one."""
        with mock.patch.dict(kinds.KINDS, {SourceKind.OPENAPI: KindOfSource(open=self.open)}):
            yield self


async def add_shop(
    db: Database, secrets: SecretBox, *, tenant_id: str = "acme", credential: CredentialInput | None = None
) -> None:
    """Let a tenant have the source ``openapi:shop``."""
    async with db.tenant_session(tenant_id) as session:
        source = ToolSource(tenant_id=tenant_id, slug="shop", kind="openapi", name="Shop", configuration={"url": "x"})
        source.operations = [one.as_stored() for one in OPERATIONS]
        await service.add_source(session, source, credential=credential, secrets=secrets, actor="tests")
