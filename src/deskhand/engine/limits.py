"""The limits of one run, and the one place where they are counted and checked.

Every step of a run passes the journal, so the journal counts: before each step it asks ``RunBudget.check``,
after each step it adds what the step used. A replayed step counts like a fresh one, so a resumed run has no
second budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from deskhand.errors import LimitReachedError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Limits of one run.

    Attributes:
        timeout: Seconds from start to end.
        max_steps: Steps, of which each model call and each tool call is one.
        max_tokens: Tokens, input and output together.
        max_cost_usd: Dollars, where prices are known.
    """

    timeout: float = 120.0
    max_steps: int = 25
    max_tokens: int = 50_000
    max_cost_usd: Decimal = Decimal("0.50")


class RunBudget:
    """What is left of the limits in one attempt.

    Args:
        limits: Of the run.
        clock: Monotonic seconds.
    """

    def __init__(self, limits: RunLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        # A limit of the attempt and not of the run: a run that waited an hour for its desk must have its time when it
        # is tried again.
        self.deadline = clock() + limits.timeout
        self._steps = 0
        self._tokens = 0
        self._cost = Decimal(0)

    def begin_step(self) -> None:
        """Count a step that is about to begin.

        Raises:
            LimitReachedError: A limit is used up; the step must not begin.
        """
        limits = self.limits
        if self._clock() > self.deadline:
            raise self.out_of_time()
        # Each message names its setting, because a person reads it on the run's page and has to know what to raise.
        if self._steps >= limits.max_steps:
            raise LimitReachedError(f"The run reached its limit of {limits.max_steps} steps (DESKHAND_RUN_MAX_STEPS).")
        # Compared with what was used, not with what the next call may use: nobody knows that before. So the last call
        # may go over the limit, and no other one follows it.
        if self._tokens >= limits.max_tokens:
            raise LimitReachedError(
                f"The run reached its limit of {limits.max_tokens} tokens (DESKHAND_RUN_MAX_TOKENS)."
            )
        if self._cost >= limits.max_cost_usd:
            raise LimitReachedError(
                f"The run reached its limit of {limits.max_cost_usd} dollars (DESKHAND_RUN_MAX_COST_USD)."
            )
        self._steps += 1

    def add(self, *, tokens: int, cost_usd: Decimal | None) -> None:
        """Count what a step used. A number below zero counts as nothing: nobody gives tokens or money back."""
        self._tokens += max(0, tokens)
        # A gateway that reports no price counts as free; max_tokens bounds such a run.
        self._cost += max(Decimal(0), cost_usd or Decimal(0))

    def out_of_time(self) -> LimitReachedError:
        """The error of a run that used up its time, wherever it noticed."""
        return LimitReachedError(
            f"The run did not finish within {self.limits.timeout:.0f} seconds. Raise DESKHAND_RUN_TIMEOUT or use a"
            " faster model, then retry it."
        )
