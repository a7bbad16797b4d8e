"""POSTs that a client may send again: the header ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header).

The answer is kept in the transaction of the change: if one is there, so is the other. Answers hold what is shown once
(keys, links), so they are encrypted like every other secret; who lost such an answer needs it again most of all.
Failures are not kept: nothing was changed, and the same key may try again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.models import IdempotencyKey
from deskhand.access.principal import Principal
from deskhand.appstate import AppState
from deskhand.errors import ConfigurationError, ConflictError, FieldProblem, InvalidInputError
from deskhand.kit.crypto import SecretBox

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)
_KEY = re.compile(r'"?([!#-\[\]-~]{1,255})"?', re.ASCII)
_IS_FREE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('deskhand.idempotency/' || :digest, 0))")
_FIND = text(
    "SELECT fingerprint, answer_encrypted FROM idempotency_keys"
    " WHERE tenant_id = :tenant_id AND digest = :digest AND created_at > now() - CAST(:kept AS interval)"
)
# Beside each new one, so that the table grows in no tenant where nobody works; what is locked waits for the next.
_FORGET = text(
    "DELETE FROM idempotency_keys WHERE tenant_id = :tenant_id AND (digest = :digest OR digest IN ("
    "SELECT o.digest FROM idempotency_keys o WHERE o.tenant_id = :tenant_id"
    " AND o.created_at <= now() - CAST(:kept AS interval) LIMIT 100 FOR UPDATE SKIP LOCKED))"
)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AlreadyAnsweredError(Exception):
    """The request came before; carries the answer it got. Never leaves ``IdempotentRoute``."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class _Claim:
    session: AsyncSession
    secrets: SecretBox
    tenant_id: str
    digest: bytes
    fingerprint: bytes

    async def keep(self, answer: Response) -> None:
        """Store the answer, in the transaction of what it tells of."""
        headers = [pair for pair in answer.headers.items() if pair[0] != "content-length"]
        content = {"status": answer.status_code, "headers": headers, "body": bytes(answer.body).decode()}
        await self.session.execute(_FORGET, {"tenant_id": self.tenant_id, "digest": self.digest, "kept": KEPT})
        self.session.add(
            IdempotencyKey(
                tenant_id=self.tenant_id,
                digest=self.digest,
                fingerprint=self.fingerprint,
                answer_encrypted=self.secrets.encrypt(json.dumps(content)),
            )
        )
        await self.session.flush()


class IdempotentRoute(APIRoute):
    """A route whose POSTs heed ``Idempotency-Key``."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def answer_once(request: Request) -> Response:
            try:
                answer = await handle(request)
            except AlreadyAnsweredError as known:
                return known.answer
            # The sessions of a request are committed after this returns, the answer with the change.
            claim: _Claim | None = getattr(request.state, "idempotency", None)
            if claim is not None:
                await claim.keep(answer)
            return answer

        return answer_once


async def claim_key(
    request: Request, app: AppState, principal: Principal, session: AsyncSession, tenant_id: str
) -> None:
    """Let a request with an ``Idempotency-Key`` be answered once; call it with the session of its change.

    Raises:
        AlreadyAnsweredError: It was answered before.
        InvalidInputError: The header cannot be read, or the key came with another request before.
        ConflictError: The same request is being answered at this moment.
    """
    sent = request.headers.get(HEADER)
    if request.method != "POST" or sent is None or not isinstance(request.scope.get("route"), IdempotentRoute):
        return
    match = _KEY.fullmatch(sent)
    if match is None:
        raise _fault(f"{HEADER} must be 1 to 255 visible characters of ASCII, such as a UUID.")
    digest = _hash(principal.actor, request.url.path, match[1])
    fingerprint = _hash(request.url.query, (await request.body()).hex())
    if not await session.scalar(_IS_FREE, {"digest": digest.hex()}):
        raise ConflictError(f"A request with this {HEADER} is being answered at this moment; repeat it in a moment.")
    known = (await session.execute(_FIND, {"tenant_id": tenant_id, "digest": digest, "kept": KEPT})).one_or_none()
    if known is None:
        request.state.idempotency = _Claim(session, app.secrets, tenant_id, digest, fingerprint)
        return
    if bytes(known.fingerprint) != fingerprint:
        raise _fault(f"This {HEADER} came with another request before; take a new one for a new request.")
    raise AlreadyAnsweredError(_stored(app.secrets, known.answer_encrypted))


def _stored(secrets: SecretBox, encrypted: str) -> Response:
    try:
        content = json.loads(secrets.decrypt(encrypted))
    except ConfigurationError as error:
        raise ConflictError(
            "This request was answered before, and its answer cannot be read any more: the encryption keys were changed"
            " since. What it created is there."
        ) from error
    return Response(content["body"], content["status"], {**dict(content["headers"]), REPLAYED: "true"})


def _fault(words: str) -> InvalidInputError:
    return InvalidInputError(words, errors=[FieldProblem(f"/{HEADER}", words)])


def _hash(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()
