"""Circuit breakers, one for each connection to models: what failed again and again is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

OPEN_AFTER = 3
"""Failures in a row; fewer would give up on a gateway for one bad minute of its network."""
OPEN_SECONDS = 30.0
"""How long it is left alone; then one call looks whether it is back."""
MOST = 10_000
"""Breakers that a process keeps; a tenant may have fifty connections, and the oldest are forgotten."""


@dataclass(slots=True)
class Breaker:
    """What is known of one connection. Each process learns it by itself: a worker that is cut off must not tell others.

    Attributes:
        clock: Seconds that only go forward.
    """

    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _until: float = 0.0

    def allows(self) -> bool:
        """Whether a call may try it now. After its rest one may, and the others wait for what becomes of that."""
        if self._failures < OPEN_AFTER:
            return True
        if self.clock() < self._until:
            return False
        self._until = self.clock() + OPEN_SECONDS
        return True

    def succeeded(self) -> None:
        """It answered, be it with a refusal: it is there."""
        self._failures = 0

    def failed(self, retry_after: float | None = None) -> None:
        """It did not answer, or asked to be left alone; perhaps for how long."""
        self._failures += 1
        self._until = self.clock() + max(OPEN_SECONDS, min(retry_after or 0.0, 600.0))


@dataclass(slots=True)
class Breakers:
    """Those of one process."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[str, Breaker] = field(default_factory=dict)

    def of(self, ident: str) -> Breaker:
        """The breaker of a connection; empty names the installation's own settings."""
        if ident not in self._known and len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        return self._known.setdefault(ident, Breaker(self.clock))
