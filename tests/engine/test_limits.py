"""One set of limits: what the settings say is what the journal counts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from deskhand.engine.limits import RunBudget, RunLimits
from deskhand.errors import LimitReachedError
from deskhand.settings import Settings


def test_the_defaults_are_the_documented_settings() -> None:
    shown, limits = Settings.model_fields, RunLimits()
    assert (limits.timeout, limits.max_steps, limits.max_tokens, float(limits.max_cost_usd)) == (
        shown["run_timeout"].default,
        shown["run_max_steps"].default,
        shown["run_max_tokens"].default,
        shown["run_max_cost_usd"].default,
    )


@pytest.mark.parametrize(
    ("limits", "tokens", "cost", "named"),
    [
        (RunLimits(max_steps=2), 0, None, "DESKHAND_RUN_MAX_STEPS"),
        (RunLimits(max_tokens=10), 5, None, "DESKHAND_RUN_MAX_TOKENS"),
        (RunLimits(max_cost_usd=Decimal("0.02")), 0, Decimal("0.01"), "DESKHAND_RUN_MAX_COST_USD"),
    ],
)
def test_the_step_after_the_limit_does_not_begin(
    limits: RunLimits, tokens: int, cost: Decimal | None, named: str
) -> None:
    budget = RunBudget(limits)
    for _ in range(2):
        budget.begin_step()
        budget.add(tokens=tokens, cost_usd=cost)
    with pytest.raises(LimitReachedError, match=named):
        budget.begin_step()


def test_time_is_a_limit_too() -> None:
    now = [100.0]
    budget = RunBudget(RunLimits(timeout=5), clock=lambda: now[0])
    now[0] = 104.0
    budget.begin_step()
    now[0] = 105.5
    with pytest.raises(LimitReachedError, match="DESKHAND_RUN_TIMEOUT"):
        budget.begin_step()


def test_what_is_below_zero_gives_nothing_back() -> None:
    budget = RunBudget(RunLimits(max_tokens=10, max_cost_usd=Decimal("0.05")))
    budget.add(tokens=10, cost_usd=Decimal("0.05"))
    budget.add(tokens=-1_000_000, cost_usd=Decimal(-5))
    with pytest.raises(LimitReachedError):
        budget.begin_step()
