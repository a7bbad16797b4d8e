"""What a browser shows of itself: its cookies, and its address.

Cookies hold values that only we can make (encrypted with the installation's keys), or, for a sign-in under way, a
secret of which we keep the hash; no script can read them. Behind HTTPS their names begin with ``__Host-``: browsers
take such a cookie from this very host alone, so that a neighbour under the same domain cannot put its own session into
a reader's browser. Only ``HostCookies`` knows of the prefix.
"""

from __future__ import annotations

import json
import secrets as random_secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskhand.access.service import SESSION_LIFETIME
from deskhand.appstate import AppState
from deskhand.errors import ConfigurationError
from deskhand.kit.crypto import SecretBox
from deskhand.ui.csrf import SESSION_COOKIE

DEVICE_COOKIE = "deskhand_device"
DEVICE_LIFETIME = timedelta(days=180)
SSO_COOKIE = "deskhand_sso"
SSO_LIFETIME = timedelta(minutes=10)
PROVIDER_COOKIE = "deskhand_provider"
HOST = "__Host-"
_OURS = frozenset({SESSION_COOKIE, DEVICE_COOKIE, SSO_COOKIE, PROVIDER_COOKIE})
_MAX_COOKIE = 2000


def give_session(answer: Response, app: AppState, value: str) -> None:
    """Let the browser keep the session's cookie; it lives no longer than the session can."""
    _set(answer, app, SESSION_COOKIE, value, SESSION_LIFETIME)


def take_session(answer: Response, app: AppState) -> None:
    """Let the browser forget the session's cookie."""
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax", secure=_secure(app))


def give_device(answer: Response, app: AppState, *, email: str, device: str | None) -> None:
    """Let the browser be known again at this account's next sign-in, by the name it has if it has one."""
    name = device or random_secrets.token_urlsafe(16)
    value = app.secrets.encrypt(json.dumps({"email": email.lower(), "device": name}))
    _set(answer, app, DEVICE_COOKIE, value, DEVICE_LIFETIME)


def known_device(secrets: SecretBox, cookie: str | None, *, email: str) -> str | None:
    """The name under which this browser is known to the account, if it signed in to it before."""
    if not cookie or len(cookie) > _MAX_COOKIE:
        return None
    try:
        content: Any = json.loads(secrets.decrypt(cookie))
        # Of another account it says nothing: a guesser who has one account would be a known browser at all of them.
        return str(content["device"]) if content["email"] == email else None
    except (ConfigurationError, ValueError, KeyError, TypeError):
        return None  # not ours, or of a key that is gone: a browser like any other


def give_attempt(answer: Response, app: AppState, secret: str) -> None:
    """Let the browser keep the secret of a sign-in that it begins with an identity provider.

    Lax lets it come along when the provider sends the browser back, which is another site's link.
    """
    _set(answer, app, SSO_COOKIE, secret, SSO_LIFETIME)


def take_attempt(answer: Response, app: AppState) -> None:
    """Let the browser forget the secret of a sign-in that has ended."""
    answer.delete_cookie(SSO_COOKIE, httponly=True, samesite="lax", secure=_secure(app))


def give_provider(answer: Response, app: AppState, provider_id: UUID) -> None:
    """Let the sign-in page offer this provider in this browser; a tenant's own is shown to nobody else."""
    _set(answer, app, PROVIDER_COOKIE, app.secrets.encrypt(str(provider_id)), DEVICE_LIFETIME)


def known_provider(secrets: SecretBox, cookie: str | None) -> UUID | None:
    """The provider with which this browser signed in last."""
    if not cookie or len(cookie) > _MAX_COOKIE:
        return None
    try:
        return UUID(secrets.decrypt(cookie))
    except (ConfigurationError, ValueError):
        return None  # not ours, or of a key that is gone


def address_of(request: Request) -> str:
    """Where a request comes from; a proxy that is trusted has said so by now."""
    return request.client.host if request.client else "unknown"


def _set(answer: Response, app: AppState, name: str, value: str, lifetime: timedelta) -> None:
    answer.set_cookie(
        # Lax and not strict: a link from a ticket or a mail to the console should find its reader signed in.
        name,
        value,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=_secure(app),
    )


def _secure(app: AppState) -> bool:
    # By our own public address: behind a proxy the request itself came over plain HTTP.
    return app.public_url.startswith("https://")


class HostCookies:
    """Middleware: behind HTTPS our cookies leave with the prefix ``__Host-``, and none without it comes in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _secure(scope["app"].state.deskhand):
            await self.app(scope, receive, send)
            return
        headers = [(name, of_this_host(value) if name == b"cookie" else value) for name, value in scope["headers"]]

        async def send_prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with_prefix(message["headers"])}
            await send(message)

        await self.app({**scope, "headers": headers}, receive, send_prefixed)


def of_this_host(header: bytes) -> bytes:
    """A Cookie header as the rest of us reads it: ours without their prefix, and what only looks like ours left out."""
    kept = []
    for part in header.decode("latin-1").split(";"):
        name, sign, value = part.partition("=")
        # Blanks as whoever parses this afterwards strips them: to a browser a no-break space is a letter, and the name
        # before which it stands has no prefix that it would keep for this host.
        bare = name.strip()
        if name.strip(" \t").startswith(HOST) and bare.removeprefix(HOST) in _OURS:
            kept.append(f"{bare.removeprefix(HOST)}{sign}{value}")
        elif bare not in _OURS:
            kept.append(part.strip(" \t"))
    return "; ".join(kept).encode("latin-1")


def _with_prefix(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    ours = tuple(f"{name}=".encode() for name in _OURS)
    return [
        (name, HOST.encode() + value if name == b"set-cookie" and value.startswith(ours) else value)
        for name, value in headers
    ]
