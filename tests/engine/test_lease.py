"""A worker's own knowledge of its claim: it ends by the clock, and nothing the database says later takes it back."""

from __future__ import annotations

import pytest

from deskhand.engine import lease
from deskhand.engine.lease import Lease, boot_clock
from deskhand.errors import LostClaimError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The boot clock, to be set."""
    now = [1000.0]
    monkeypatch.setattr(lease, "boot_clock", lambda: now[0])
    return now


def test_a_lease_holds_from_its_beginning_to_just_before_its_end(clock: list[float]) -> None:
    held = Lease(15)
    held.check()
    clock[0] += 14.999
    assert held.holds
    clock[0] += 0.001
    assert not held.holds
    with pytest.raises(LostClaimError, match="away for too long"):
        held.check()


def test_a_heartbeat_counts_from_when_it_was_sent_not_from_when_it_was_answered(clock: list[float]) -> None:
    held = Lease(15)
    clock[0] += 10
    asked_at = clock[0]
    clock[0] += 12  # the database took its time
    held.confirm(asked_at)
    assert held.holds
    clock[0] += 4
    assert not held.holds


def test_an_answer_that_was_overtaken_takes_nothing_back(clock: list[float]) -> None:
    held = Lease(15)
    clock[0] += 10
    held.confirm(clock[0])
    held.confirm(clock[0] - 8)
    clock[0] += 14
    assert held.holds


def test_a_worker_that_froze_knows_it_at_the_next_step(clock: list[float]) -> None:
    held = Lease(15)
    held.confirm(clock[0])
    clock[0] += 3600
    assert not held.holds
    held.confirm(clock[0])  # the next heartbeat gives it a claim again; the runs it lost are the database's to say
    assert held.holds


def test_the_clock_goes_on_while_the_process_stands_still() -> None:
    assert boot_clock() <= boot_clock()
    assert boot_clock() > 0
