"""The token buckets of the accept path: what a tenant may send, and that nobody's flood costs memory or others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.rates import MAX_BUCKETS, RateLimiter


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_gives_its_size_at_once_and_then_says_how_long_to_wait() -> None:
    clock = _Clock()
    limiter = RateLimiter(clock)
    assert [limiter.wait_for("a", per_minute=3) for _ in range(3)] == [0.0, 0.0, 0.0]
    wait = limiter.wait_for("a", per_minute=3)
    assert 0 < wait <= 20
    clock.now += wait / 2
    assert limiter.wait_for("a", per_minute=3) > 0  # asking early costs nothing and gains nothing
    clock.now += wait / 2 + 1e-6
    assert limiter.wait_for("a", per_minute=3) == 0.0


def test_buckets_are_apart_and_a_limit_of_nothing_refuses() -> None:
    limiter = RateLimiter(_Clock())
    assert limiter.wait_for("a", per_minute=1) == 0.0
    assert limiter.wait_for("a", per_minute=1) > 0
    assert limiter.wait_for("b", per_minute=1) == 0.0
    assert limiter.wait_for("c", per_minute=0) == limiter.wait_for("c", per_minute=-5) == 60.0


def test_a_lowered_limit_holds_from_the_next_event_and_a_raised_one_fills_at_its_own_pace() -> None:
    clock = _Clock()
    limiter = RateLimiter(clock)
    limiter.wait_for("a", per_minute=600)
    assert limiter.wait_for("a", per_minute=1) == 0.0
    assert limiter.wait_for("a", per_minute=1) > 0
    clock.now += 1
    assert limiter.wait_for("a", per_minute=600) == 0.0


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60), st.integers(1, 40))
def test_no_pattern_of_arrivals_gets_more_than_the_size_and_the_refill(gaps: list[float], per_minute: int) -> None:
    clock = _Clock()
    limiter = RateLimiter(clock)
    taken = 0
    for gap in gaps:
        clock.now += gap
        taken += limiter.wait_for("a", per_minute=per_minute) == 0.0
    assert taken <= per_minute + sum(gaps) * per_minute / 60 + 1e-6


def test_a_flood_of_names_is_forgotten_from_the_oldest_on() -> None:
    limiter = RateLimiter(_Clock())
    limiter.wait_for("first", per_minute=1)
    for number in range(MAX_BUCKETS):
        limiter.wait_for(str(number), per_minute=1)
    assert len(limiter._buckets) == MAX_BUCKETS
    assert limiter.wait_for("first", per_minute=1) == 0.0
    assert limiter.wait_for(str(MAX_BUCKETS - 1), per_minute=1) > 0
