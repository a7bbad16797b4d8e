"""Hashes cost much and strangers ask for them: two at a time, a line with an end, and one form for what looks alike."""

from __future__ import annotations

import asyncio
import threading

import pytest

from deskhand.errors import UnavailableError
from deskhand.kit import passwords
from deskhand.kit.passwords import Passwords, normalised


async def test_a_flood_of_sign_ins_is_computed_two_at_a_time_and_refused_behind_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, gate, counting = Passwords(), threading.Event(), threading.Lock()
    at_once, most = 0, 0

    def matches(_stored: str, _typed: str) -> bool:
        nonlocal at_once, most
        with counting:
            at_once += 1
            most = max(most, at_once)
        gate.wait(30)
        with counting:
            at_once -= 1
        return True

    monkeypatch.setattr(kept, "_matches", matches)
    flood = passwords.AT_ONCE + passwords.IN_LINE + 7
    tries = [asyncio.create_task(kept.verify("stored", "typed")) for _ in range(flood)]
    refused: list[BaseException] = []
    async with asyncio.timeout(30):
        while len(refused) < 7:
            await asyncio.sleep(0)
            refused = [error for one in tries if one.done() and (error := one.exception())]
    gate.set()
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(error) for error in refused] == [UnavailableError] * 7
    assert answers.count(True) == flood - 7
    assert most <= passwords.AT_ONCE
    assert await kept.verify("stored", "typed"), "the line is free again"


@pytest.mark.parametrize(("one", "other"), [("ｐass", "pass"), ("\u00e9", "e\u0301"), ("ﬁn", "fin")])
def test_what_looks_alike_is_one_password(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
