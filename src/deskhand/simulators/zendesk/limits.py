"""Rate limits of the simulated account: its own, some endpoints', and 30 updates of a ticket in ten minutes."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse

from deskhand.kit.clock import Clock
from deskhand.simulators.zendesk.wire import RefusedError, failure

_TICKET = re.compile(r"/api/v2/tickets/(\d+)(\.json)?$")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many calls in how long.

    Attributes:
        calls: Calls allowed.
        seconds: In this time.
    """

    calls: int
    seconds: float


DEFAULT_LIMITS = {
    "account": Limit(700, 60),  # the Enterprise plan
    "tickets-update": Limit(100, 60),
    "ticket": Limit(30, 600),
    "search-export": Limit(100, 60),
    "incremental-exports": Limit(10, 60),
}


class RateMeter:
    """Counts calls and refuses what is too much.

    Args:
        clock: Of the account.
        limits: By name; a missing one does not exist.
    """

    def __init__(self, clock: Clock, limits: dict[str, Limit]) -> None:
        self._clock = clock
        self._limits = limits
        self._calls: dict[str, deque[datetime]] = {}

    def reset(self) -> None:
        """Forget every call."""
        self._calls.clear()

    def check(self, request: Request) -> dict[str, str]:
        """Count a call.

        Returns:
            Headers for its answer.

        Raises:
            RefusedError: A limit is reached.
        """
        headers: dict[str, str] = {}
        for name, key in _limits_of(request):
            limit = self._limits.get(name)
            if limit is None:
                continue
            left, reset = self._count(key, limit)
            headers.update(_headers(name, limit, max(left, 0), reset))
            if left < 0:
                raise _exceeded(name, {**headers, "Retry-After": str(reset)})
        return headers

    def _count(self, key: str, limit: Limit) -> tuple[int, int]:
        now = self._clock()
        calls = self._calls.setdefault(key, deque())
        while calls and calls[0] <= now - timedelta(seconds=limit.seconds):
            calls.popleft()
        reset = limit.seconds if not calls else (calls[0] - now).total_seconds() + limit.seconds
        if len(calls) >= limit.calls:
            return -1, max(1, round(reset))
        # Counted only if it is let through: a client that keeps asking does not put its own end off.
        calls.append(now)
        return limit.calls - len(calls), max(1, round(reset))


def _limits_of(request: Request) -> list[tuple[str, str]]:
    # Every call counts against the account, besides whatever limit its own endpoint has.
    limits = [("account", "account")]
    path = request.url.path
    ticket = _TICKET.search(path)
    if request.method == "PUT" and ticket:
        limits += [("tickets-update", "tickets-update"), ("ticket", f"ticket {ticket[1]}")]
    elif "/search/export" in path:
        limits.append(("search-export", "search-export"))
    elif "/incremental/" in path:
        limits.append(("incremental-exports", "incremental-exports"))
    return limits


def _headers(name: str, limit: Limit, left: int, reset: int) -> dict[str, str]:
    if name == "ticket":  # not announced before it strikes
        return {}
    if name == "account":
        return {
            "X-Rate-Limit": str(limit.calls),
            "X-Rate-Limit-Remaining": str(left),
            "ratelimit-limit": str(limit.calls),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(reset),
        }
    return {f"zendesk-ratelimit-{name}": f"total={limit.calls}; remaining={left}; resets={reset}"}


def _exceeded(name: str, headers: dict[str, str]) -> RefusedError:
    """The account's limit answers in plain text, the others in the newer family of bodies."""
    if name == "account":
        response = failure(429)
    else:
        title = f"Rate limit for {name} exceeded"
        response = JSONResponse({"errors": [{"code": "RateLimitExceeded", "status": "429", "title": title}]}, 429)
    response.headers.update(headers)
    return RefusedError(response)
