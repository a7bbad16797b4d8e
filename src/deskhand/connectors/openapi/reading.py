"""What a document offers, as the operations of a source; what is switched on is made ready. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deskhand.connectors.models import ToolSource
from deskhand.connectors.openapi.document import READING, REPEATABLE, DocumentError, Found, digest_of, find_operations
from deskhand.connectors.openapi.preparing import prepare
from deskhand.connectors.values import Credential, CredentialKind, SourceOperation
from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.pointer import pointer

_RESULT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"type": "integer", "description": "The HTTP status."},
        "body": {"description": "The answer; long texts and lists are cut."},
        "unavailable": {"type": "string", "description": "Why there is no answer."},
    },
}


def offered(document: Mapping[str, Any], *, keyed: bool) -> list[SourceOperation]:
    """Every operation of a document, switched off; reading is by its method until the tenant says otherwise.

    Args:
        document: From ``read_document``.
        keyed: Whether the source knows a request again by a header.
    """
    return [_offered(found, keyed=keyed) for found in find_operations(document)]


def ready(source: ToolSource, operations: Sequence[SourceOperation]) -> list[SourceOperation]:
    """Operations that are switched on, with the schemas of their arguments and how they are called.

    Raises:
        InvalidInputError: One cannot be called; says why.
    """
    if not operations:
        return []
    document = json.loads(source.document or "{}")
    found = {one.name: one for one in find_operations(document)}
    made, faults = [], []
    for one in operations:
        try:
            arguments, call = prepare(document, found[one.name])
        except DocumentError as error:
            faults.append(FieldProblem(pointer(["operations", one.name]), f"{error}, so it cannot be switched on"))
        else:
            made.append(replace(one, arguments=arguments, result=_RESULT, call={**one.call, **call}))
    if faults:
        raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults)
    return made


def credential_fault(document: Mapping[str, Any], credential: Credential | None) -> str:
    """Why a credential is not one that the document asks for; empty if it is, or if it asks for none."""
    asked = list(_asked(document))
    if credential is None or not asked or (credential.kind, credential.name.lower()) in asked:
        return ""
    kinds = ", ".join(f"{kind.value} {name}".strip() for kind, name in asked)
    return f"is none that the document asks for: {kinds}"


def _offered(found: Found, *, keyed: bool) -> SourceOperation:
    reads = found.method in READING
    definition = [found.method, found.path, found.operation, found.item.get("parameters")]
    return SourceOperation(
        name=found.name,
        description=found.description,
        is_write=not reads,
        repeatable=keyed or found.method in REPEATABLE,
        hint="read" if reads else "write",
        call={"method": found.method, "path": found.path, "digest": digest_of(definition)},
    )


def _asked(document: Mapping[str, Any]) -> Iterator[tuple[CredentialKind, str]]:
    components = document.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, dict) else None
    for scheme in (schemes if isinstance(schemes, dict) else {}).values():
        if not isinstance(scheme, dict):
            continue
        kind, how = scheme.get("type"), str(scheme.get("scheme", "")).lower()
        if kind in ("oauth2", "openIdConnect") or (kind == "http" and how == "bearer"):
            yield CredentialKind.BEARER, ""
        elif kind == "http" and how == "basic":
            yield CredentialKind.BASIC, ""
        elif kind == "apiKey" and scheme.get("in") in ("header", "query"):
            yield CredentialKind(scheme["in"]), str(scheme.get("name", "")).lower()
