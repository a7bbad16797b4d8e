"""Access tokens that several connections of one process share: cached, refreshed by one caller at a time.

Vendors throttle refreshes (Zoho: about ten tokens in ten minutes) while a worker makes a new plugin
object for each run, so the cache belongs to the process, keyed by a digest of the credentials.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from deskhand.kit.clock import Clock, utc_now

_EARLY = timedelta(seconds=60)
"""A token this close to its end is renewed first, so that it does not die on the way."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and the instant it ends."""

    value: str
    expires_at: datetime


class TokenCache:
    """Tokens by key, with a single refresh in flight per key.

    Args:
        clock: Current time.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._tokens: dict[str, AccessToken] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, key: str, fetch: Callable[[], Awaitable[AccessToken]]) -> str:
        """The cached token, or a new one from ``fetch``; concurrent callers wait for the same fetch."""
        # One refresh at a time: thirty runs that start together would spend the vendor's limit on the same token.
        async with self._locks.setdefault(key, asyncio.Lock()):
            token = self._tokens.get(key)
            if token is None or token.expires_at - _EARLY <= self._clock():
                token = self._tokens[key] = await fetch()
            return token.value

    def drop(self, key: str, value: str) -> None:
        """Forget a token the vendor refused, unless somebody has replaced it already."""
        token = self._tokens.get(key)
        if token is not None and token.value == value:
            del self._tokens[key]


def credential_key(*parts: str) -> str:
    """Cache key of a set of credentials; a digest, so that no secret lies about in a dictionary key."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


SHARED_TOKENS = TokenCache()
