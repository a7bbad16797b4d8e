"""Group commit: what is put in the moment in which a commit ends is stored like everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from deskhand.kit.db.group_commit import GroupCommit


def new_group(stored: list[list[int]], *, at_once: int) -> GroupCommit[int, int]:
    async def store(items: Sequence[int]) -> list[int]:
        await asyncio.sleep(0)
        stored.append(list(items))
        return [item * 10 for item in items]

    return GroupCommit(store, order=lambda item: (str(item),), at_once=at_once)


@pytest.mark.parametrize("at_once", [1, 2])
async def test_what_is_put_as_a_commit_ends_does_not_wait_for_another(at_once: int) -> None:
    """An answer wakes its caller before the loop has taken note of the end of the task that gave it."""
    group = new_group([], at_once=at_once)

    async def one_after_another(caller: int) -> list[int]:
        return [await group.put(caller * 10 + number) for number in range(5)]

    async with asyncio.timeout(10):
        answers = await asyncio.gather(*map(one_after_another, range(at_once)))
    assert answers == [[caller * 100 + number * 10 for number in range(5)] for caller in range(at_once)]


async def test_what_comes_during_a_commit_shares_the_next() -> None:
    stored: list[list[int]] = []
    group = new_group(stored, at_once=1)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*map(group.put, [3, 2, 1])) == [30, 20, 10]
    assert stored == [[1, 2, 3]]
