"""What to do about a failed run: a pure decision, so that it can be read, tested and shown."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from deskhand.errors import DeskhandError
from deskhand.kit.db.away import is_database_away
from deskhand.llm.errors import ModelError
from deskhand.plugins.errors import DeskError

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
    code, message, retryable, retry_after = classify(error)
    if not retryable:
        return RetryDecision(again=False, delay=0.0, code=code, message=message)
    if attempt >= max_attempts:
        return RetryDecision(
            again=False,
            delay=0.0,
            code=code,
            message=f"{message} Gave up after {attempt} attempts; retry it when the cause is gone.",
        )
    backoff = min(MAX_DELAY, BASE_DELAY * 2 ** (attempt - 1)) * (0.5 + jitter() / 2)
    return RetryDecision(again=True, delay=max(backoff, retry_after or 0.0), code=code, message=message)


def classify(error: Exception) -> tuple[str, str, bool, float | None]:
    """Code, sentence, whether it may pass by itself, and the wait the other side asked for."""
    if isinstance(error, DeskError):
        return _slug(error), f"The desk: {error.message}", error.retryable, error.retry_after
    if isinstance(error, ModelError):
        return _slug(error), str(error), error.retryable, error.retry_after
    if isinstance(error, DeskhandError):
        return error.code, error.detail, error.status == 503, error.retry_after
    if is_database_away(error):
        return "database-unavailable", "The database could not be reached.", True, None
    return "internal-error", f"Unexpected {type(error).__name__}: {error}", False, None


def _slug(error: Exception) -> str:
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
