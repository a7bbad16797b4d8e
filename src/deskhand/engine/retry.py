"""What to do about a failed run: a pure decision, so that it can be read, tested and shown."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from deskhand.errors import DatabaseUnavailableError, DeskhandError
from deskhand.kit.db.away import is_passing

# Fifteen attempts (agent_executions.max_attempts) with these span about an hour: longer than a desk restarts, shorter
# than a note on the ticket is worth waiting for. After that a person retries, one or all at once.
BASE_DELAY = 2.0
MAX_DELAY = 600.0


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Try again in ``delay`` seconds, or give up; ``code`` and ``message`` are what people read.

    Attributes:
        again: Whether the run goes back to the queue.
        delay: Seconds until then.
    """

    again: bool
    delay: float
    code: str
    message: str


def decide(
    error: Exception, *, attempt: int, max_attempts: int, jitter: Callable[[], float] = random.random
) -> RetryDecision:
    """Decide what a failure means for the run.

    429, 5xx and time-outs back off exponentially and obey Retry-After; everything the sender or the
    administrator has to change first fails at once, with the other side's own words.

    Args:
        error: What the run raised.
        attempt: Which start this was, from 1.
        max_attempts: Starts allowed.
        jitter: Source of a number in [0, 1), so that many runs do not return at the same moment.
    """
    known = classify(error)
    if not known.retryable:
        return RetryDecision(again=False, delay=0.0, code=known.code, message=known.detail)
    # The sentence keeps the cause and adds the number of tries, since the run's page shows this sentence alone.
    if attempt >= max_attempts:
        return RetryDecision(
            again=False,
            delay=0.0,
            code=known.code,
            message=f"{known.detail} Gave up after {attempt} attempts; retry it when the cause is gone.",
        )
    # Half of the wait is fixed, so that the first tries do not hit a desk that restarts at once; the other half is
    # random, so that the runs of one outage come back spread out.
    backoff = min(MAX_DELAY, BASE_DELAY * 2 ** (attempt - 1)) * (0.5 + jitter() / 2)
    return RetryDecision(
        # Retry-After may lengthen the wait and never shortens it: a desk that says "1" to every try would get them all.
        again=True,
        delay=max(backoff, known.retry_after or 0.0),
        code=known.code,
        message=known.detail,
    )


def classify(error: Exception) -> DeskhandError:
    """The failure as one of the tree: what the tree does not know is the database being away, or a bug."""
    if isinstance(error, DeskhandError):
        return error
    if is_passing(error):
        return DatabaseUnavailableError("The database could not be reached.")
    # Not retryable: a bug fails the same way at each try, and fifteen tries would hide it for an hour.
    return DeskhandError(f"Unexpected {type(error).__name__}: {error}")
