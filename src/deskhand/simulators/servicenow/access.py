"""Who may call the simulated instance, how often, and what they are shown."""

from __future__ import annotations

import base64
import binascii
import math
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deskhand.simulators.base import SimClock, TicketStore
from deskhand.simulators.servicenow.wire import RefusedError, failure, refuse

TOKEN_LIFE = timedelta(seconds=1799)
_RULE = "Deskhand simulator rule"


class Access:
    """Credentials, tokens, rate rule and access control.

    Attributes:
        hidden: ``sys_id`` of records that the account may not read.
        read_only: Columns that it may not write.
        closed_tables: Tables that it may not read at all.

    Args:
        clock: Ends tokens and rate windows.
        store: Makes tokens reproducible.
        username: Of the integration user.
        secret: Its password, or the client secret.
        client_id: OAuth client.
    """

    def __init__(self, clock: SimClock, store: TicketStore, *, username: str, secret: str, client_id: str) -> None:
        self._clock = clock
        self._store = store
        self._user = (username, secret)
        self._client = (client_id, secret)
        self.clear()

    def clear(self) -> None:
        """As on the first day."""
        self.hidden: set[str] = set()
        self.read_only: set[str] = set()
        self.closed_tables: set[str] = set()
        self._tokens: dict[str, datetime] = {}
        self._refresh_tokens: set[str] = set()
        self._rule: tuple[int, timedelta] | None = None
        self._window_ends: datetime | None = None
        self._used = 0

    def expire_tokens(self) -> None:
        """End every access token."""
        self._tokens.clear()

    # -- credentials -----------------------------------------------------------------------------

    def authenticate(self, request: Request) -> None:
        """Let a call in.

        Raises:
            RefusedError: 401.
        """
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        # Both are let in, as a stock instance does; administrators turn basic authentication off later.
        if scheme.casefold() == "basic" and _basic(value) == self._user:
            return
        ends = self._tokens.get(value) if scheme.casefold() == "bearer" else None
        if ends is None or ends <= self._clock():
            raise refuse(401)

    async def token(self, request: Request) -> Response:
        """``/oauth_token.do`` with the grants client_credentials, password and refresh_token."""
        form = await request.form()
        grant = form.get("grant_type")
        if (form.get("client_id"), form.get("client_secret")) != self._client:
            return _oauth_error("invalid_client", "access_denied")
        granted = {
            "client_credentials": True,
            "password": (form.get("username"), form.get("password")) == self._user,
            "refresh_token": str(form.get("refresh_token")) in self._refresh_tokens,
        }
        if grant not in granted:
            return _oauth_error("unsupported_grant_type", f"grant type {grant} is not supported")
        if not granted[str(grant)]:
            return _oauth_error("access_denied", "access_denied")
        value = f"{self._store.random.getrandbits(256):064x}"
        self._tokens[value] = self._clock() + TOKEN_LIFE
        body: dict[str, object] = {"access_token": value, "scope": "useraccount", "token_type": "Bearer"}
        body["expires_in"] = int(TOKEN_LIFE.total_seconds())
        # A client signs in again with its own secret, so it gets no refresh token.
        if grant != "client_credentials":
            body["refresh_token"] = f"{self._store.random.getrandbits(256):064x}"
            self._refresh_tokens.add(str(body["refresh_token"]))
        return JSONResponse(body)

    # -- rate rule -------------------------------------------------------------------------------

    def limit_rate(self, calls: int, *, per: timedelta = timedelta(hours=1)) -> None:
        """Put a rate rule in force, as an administrator does."""
        self._rule, self._window_ends, self._used = (calls, per), self._clock() + per, 0

    def count_call(self) -> None:
        """Count one call.

        Raises:
            RefusedError: 429, the rule's calls are used up.
        """
        if self._rule is None or self._window_ends is None:
            return
        limit, per = self._rule
        # A fixed window, as the vendor's rules have: after its end all calls are there again at once.
        if self._clock() >= self._window_ends:
            self._window_ends, self._used = self._clock() + per, 0
        self._used += 1
        if self._used > limit:
            detail = f"Rate limit of {limit} requests per hour for Table API exceeded"
            raise RefusedError(failure(429, "Rate limit exceeded", detail, headers=self.rate_headers()))

    def rate_headers(self) -> dict[str, str]:
        """What a 429 says about its rule."""
        now = self._clock()
        limit, per = self._rule or (500, timedelta(hours=1))
        ends = self._window_ends or now + per
        wait = max(1, math.ceil((ends - now).total_seconds()))
        reset = str(math.ceil(ends.timestamp()))
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Reset": reset,
            "X-RateLimit-Rule": _RULE,
            "Retry-After": str(wait),
        }


def _basic(value: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _oauth_error(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=401)
