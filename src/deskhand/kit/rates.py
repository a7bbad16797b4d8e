"""Token buckets in the API process: requests per key and address, webhooks per tenant, and recorded refusals.

A bucket lives in one process, so with N API replicas a tenant may send up to N times its limit. That
is the price of taking no lock on the accept path; it is stated in ``docs/reference/webhooks.md``.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

# A process may meet more tenants and triggers than it should remember.
MAX_BUCKETS = 10_000


class RateLimiter:
    """Token buckets by key.

    Args:
        now: Clock in seconds; monotonic.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_for(self, key: str, *, per_minute: int) -> float:
        """Take one token.

        Args:
            key: Whose bucket.
            per_minute: Its size and its refill in a minute; 0 or less refuses everything.

        Returns:
            0 if a token was taken, else the seconds until there is one.
        """
        if per_minute <= 0:
            return 60.0
        now, rate = self._now(), per_minute / 60.0
        # Popped and put back at the end, which keeps the table in the order of use; a bucket that falls off starts full
        # again.
        tokens, at = self._buckets.pop(key, (float(per_minute), now))
        # Filled by the clock when it is asked, so that no timer runs for a bucket.
        tokens = min(float(per_minute), tokens + (now - at) * rate)
        allowed = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if allowed else tokens, now)
        while len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / rate
