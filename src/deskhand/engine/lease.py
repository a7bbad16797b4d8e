"""A worker's claim on its runs, as far as the worker itself can know it.

The database decides who owns a run; between two heartbeats the worker can only watch the clock. A
process that was frozen (SIGSTOP, a suspended machine) wakes in the middle of a line of code, so the
claim is checked at the last possible moment: before each step, and before each byte leaves for a desk.
"""

from __future__ import annotations

import time

from deskhand.errors import LostClaimError


def boot_clock() -> float:
    """Seconds on a clock that goes on while the process is frozen and, on Linux, while the machine sleeps."""
    # Linux stops CLOCK_MONOTONIC while the machine sleeps: a worker on a laptop that was closed for an hour would wake
    # and believe that its heartbeat is a second old.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Lease:
    """Time of the last heartbeat that the database confirmed.

    Args:
        valid_for: Seconds a confirmed heartbeat protects the runs; less than what makes them stale.
    """

    def __init__(self, valid_for: float) -> None:
        self._valid_for = valid_for
        # A worker may act before its first heartbeat: it holds no run yet that another worker could have taken.
        self._confirmed_at = boot_clock()

    def confirm(self, asked_at: float) -> None:
        """The database confirmed a heartbeat that was sent at ``asked_at`` (``boot_clock()``)."""
        # Never backwards: the answer to an older heartbeat may come after the answer to a newer one.
        self._confirmed_at = max(self._confirmed_at, asked_at)

    @property
    def holds(self) -> bool:
        """Whether nobody can have taken the runs over yet."""
        return boot_clock() - self._confirmed_at < self._valid_for

    def check(self) -> None:
        """Stop a worker that can no longer be sure of its claim.

        Raises:
            LostClaimError: The last confirmed heartbeat is too old.
        """
        if not self.holds:
            raise LostClaimError(
                "The worker was away for too long and may have lost the run; it stops before the next effect."
            )
