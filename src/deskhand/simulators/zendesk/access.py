"""Who may call the simulated account: client-credentials tokens with scopes and an end, and the legacy API token."""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deskhand.kit.clock import Clock
from deskhand.simulators.zendesk.wire import RefusedError, failure, refuse

TOKEN_LIFE = timedelta(minutes=30)
# Resources whose pages ask for the global scope; the narrow ones do not open them.
_GLOBAL_READ = {"audits", "search", "incremental", "custom_statuses", "groups", "ticket_fields", "attachments"}


class Access:
    """Tokens and scopes.

    Args:
        clock: Ends tokens.
        client_id: OAuth client that is accepted.
        secret: Its secret, and the API token.
        email: Account of the API token.

    Attributes:
        drops_credentials: Behave as behind a gateway that eats the ``Authorization`` header.
    """

    def __init__(self, clock: Clock, *, client_id: str, secret: str, email: str) -> None:
        self._clock = clock
        self._client = (client_id, secret)
        self._pair = f"{email}/token:{secret}"
        self._tokens: dict[str, tuple[datetime, set[str]]] = {}
        self.drops_credentials = False

    def expire(self) -> None:
        """End every token."""
        self._tokens.clear()

    def grant(self, body: Mapping[str, Any], rng: random.Random) -> Response:
        """Answer of ``POST /oauth/tokens``."""
        if (body.get("client_id"), body.get("client_secret")) != self._client:
            said = "Client authentication failed due to unknown client, no client authentication included."
            return JSONResponse({"error": "invalid_client", "error_description": said}, 401)
        if body.get("grant_type") != "client_credentials":
            said = "The authorization grant type is not supported."
            return JSONResponse({"error": "unsupported_grant_type", "error_description": said}, 400)
        scope = str(body.get("scope") or "read")
        token = f"{rng.getrandbits(256):064x}"
        self._tokens[token] = (self._clock() + TOKEN_LIFE, set(scope.split()))
        life = int(TOKEN_LIFE.total_seconds())
        return JSONResponse({"access_token": token, "token_type": "bearer", "scope": scope, "expires_in": life}, 201)

    def authorize(self, request: Request, resource: str) -> None:
        """Let a call pass.

        Raises:
            RefusedError: 401 without valid credentials, 403 without the scope.
        """
        scopes = self.scopes(request)
        if scopes is None:
            if request.url.path.removesuffix(".json").endswith("/users/me"):
                return  # anybody may ask who he is
            raise RefusedError(failure(401))
        verb = "read" if request.method == "GET" else "write"
        # A narrow scope such as tickets:read does not open search or audits, although both are about tickets.
        if verb not in scopes and (resource in _GLOBAL_READ or f"{resource}:{verb}" not in scopes):
            raise refuse(403, "Forbidden", f"You do not have the scope {resource}:{verb} or {verb}")

    def scopes(self, request: Request) -> set[str] | None:
        """Scopes of the caller; None for a visitor without credentials."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if not scheme or self.drops_credentials:
            return None
        if scheme.casefold() == "basic":
            # The legacy token has no scopes: it may do whatever its account may.
            if self._is_pair(value):
                return {"read", "write"}
            raise RefusedError(failure(401))
        ends, scopes = self._tokens.get(value, (self._clock(), set()))
        if ends <= self._clock():
            said = "The access token provided is expired, revoked, malformed or invalid for other reasons."
            raise refuse(401, "invalid_token", error_description=said)
        return scopes

    def _is_pair(self, value: str) -> bool:
        try:
            return base64.b64decode(value).decode() == self._pair
        except (binascii.Error, UnicodeDecodeError):
            return False
