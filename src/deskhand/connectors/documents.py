"""Sources that an OpenAPI document describes: made, and given a newer document. Runs inside a tenant session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.connectors import service
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.openapi.document import MAX_BYTES, DocumentError, read_document, server_of
from deskhand.connectors.openapi.reading import credential_fault, offered
from deskhand.connectors.schemas import OpenApiSource
from deskhand.connectors.values import SourceOperation
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory

FETCH_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What a newer document changed, by the names of operations."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    switched_off: list[str]


async def create_source(
    session: AsyncSession,
    tenant_id: str,
    data: OpenApiSource,
    *,
    http: HttpClientFactory,
    secrets: SecretBox,
    actor: str,
) -> ToolSource:
    """Let a tenant's agents call what a document describes.

    Args:
        session: Of the tenant.
        tenant_id: Whose it is.
        data: The document or its address, where it is called, which operations.
        http: Reads the address, past the outbound guard.
        secrets: Encrypts the credential.
        actor: Who sets it up.

    Raises:
        InvalidInputError: The document cannot be used; says why and where.
        ConflictError: The slug is taken, or there are too many sources.
    """
    at = "/document" if data.url is None else "/url"
    text = data.document if data.url is None else await _fetch(data.url, http)
    document = await _read(text or "", at)
    server = data.server or server_of(document, data.url)
    if server is None:
        raise _fault("/server", "must be given: the document names no address where it is called")
    credential = None if data.credential is None else data.credential.credential()
    if fault := credential_fault(document, credential):
        raise _fault("/credential", fault)
    info = document.get("info")
    source = ToolSource(
        tenant_id=tenant_id,
        slug=data.slug,
        kind=SourceKind.OPENAPI.value,
        name=data.name,
        configuration={
            "server": server,
            "url": data.url,
            "idempotency_header": data.idempotency_header,
            **_of_document(info),
        },
        document=json.dumps(document, ensure_ascii=False),
    )
    found = _offered(document, at, keyed=data.idempotency_header is not None)
    service.set_operations(source, service.chosen(found, data.operations))
    return await service.add_source(session, source, credential=data.credential, secrets=secrets, actor=actor)


async def renew_document(
    session: AsyncSession, slug: str, text: str | None, *, http: HttpClientFactory, actor: str
) -> tuple[ToolSource, Changes]:
    """Read a source's document again, or take a newer one; what is on stays on as far as it is still there.

    Args:
        session: Of the tenant.
        slug: Of the source.
        text: The document; None reads its address again.
        http: Reads the address, past the outbound guard.
        actor: Who asks for it.

    Raises:
        NotFoundError: There is no such source.
        ConflictError: It is of another kind, or was not read from an address.
        InvalidInputError: The document cannot be used.
    """
    source = await service.get_source(session, slug, for_update=True)
    url = str(source.configuration.get("url") or "")
    if source.kind != SourceKind.OPENAPI or (text is None and not url):
        raise ConflictError(f"'{source.tool_id}' was not read from an address: send its document.")
    document = await _read(await _fetch(url, http) if text is None else text, "/document")
    before, older = service.audited(source), {one.name: one for one in service.operations_of(source)}
    newer = _offered(document, "/document", keyed=bool(source.configuration.get("idempotency_header")))
    source.document = json.dumps(document, ensure_ascii=False)
    source.configuration = {**source.configuration, **_of_document(document.get("info"))}
    wanted = [_kept(one, older.get(one.name)) for one in newer]
    _set_usable(source, wanted)
    await service.save(session, source)
    changes = _changes(older, {one.name: one for one in service.operations_of(source)})
    details = {"added": len(changes.added), "removed": changes.removed[:50], "switched_off": changes.switched_off}
    await service.record(session, source, "tool_source.renew", actor, before=before, details=details)
    return source, changes


def _kept(newer: SourceOperation, older: SourceOperation | None) -> SourceOperation:
    # Under its old name another method or address is another operation, of which the tenant has said nothing.
    if older is None or any(older.call.get(part) != newer.call[part] for part in ("method", "path")):
        return newer
    return replace(newer, is_enabled=older.is_enabled, is_write=older.is_write)


def _set_usable(source: ToolSource, operations: Sequence[SourceOperation]) -> None:
    """Give a source what can be used of these operations; what was on and cannot be any more goes off."""
    try:
        service.set_operations(source, operations)
    except InvalidInputError as error:
        unusable = {fault.pointer.rpartition("/")[2] for fault in error.errors}
        off = [replace(one, is_enabled=one.is_enabled and one.name not in unusable) for one in operations]
        service.set_operations(source, off)


def _changes(older: Mapping[str, SourceOperation], newer: Mapping[str, SourceOperation]) -> Changes:
    both = [name for name in newer if name in older]
    return Changes(
        added=[name for name in newer if name not in older],
        removed=[name for name in older if name not in newer],
        changed=[
            name
            for name in both
            if older[name].call["digest"] != newer[name].call["digest"]
            or (newer[name].is_enabled and older[name].arguments != newer[name].arguments)
        ],
        switched_off=[
            name for name, one in older.items() if one.is_enabled and not (name in newer and newer[name].is_enabled)
        ],
    )


async def _read(text: str, at: str) -> dict[str, Any]:
    try:
        # Beside the event loop: megabytes of somebody else's must not hold up the other tenants.
        return await asyncio.to_thread(read_document, text)
    except DocumentError as error:
        raise _fault(at, str(error)) from error


def _offered(document: Mapping[str, Any], at: str, *, keyed: bool) -> list[SourceOperation]:
    try:
        return offered(document, keyed=keyed)
    except DocumentError as error:
        raise _fault(at, str(error)) from error


async def _fetch(url: str, http: HttpClientFactory) -> str:
    try:
        async with asyncio.timeout(FETCH_SECONDS), http.client() as client, client.stream("GET", url) as response:
            if response.status_code != httpx2.codes.OK:
                raise _fault("/url", f"answered {response.status_code}; redirects are not followed")
            content = b""
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MAX_BYTES:
                    raise _fault("/url", f"is larger than {MAX_BYTES // 1024**2} MiB")
            return content.decode(errors="replace")
    except (httpx2.TransportError, httpx2.InvalidURL, TimeoutError) as error:
        raise _fault("/url", f"cannot be read ({type(error).__name__})") from error


def _of_document(info: Any) -> dict[str, str]:
    part = info if isinstance(info, dict) else {}
    return {name: str(part.get(name, ""))[:200] for name in ("title", "version")}


def _fault(at: str, sentence: str) -> InvalidInputError:
    return InvalidInputError(f"{at[1:]} {sentence}.", errors=[FieldProblem(at, sentence)])
