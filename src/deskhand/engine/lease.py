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
        self._confirmed_at = boot_clock()

    def confirm(self, asked_at: float) -> None:
        """The database confirmed a heartbeat that was sent at ``asked_at`` (``boot_clock()``)."""
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
