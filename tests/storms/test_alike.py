"""When two tickets say the same, as the database compares them: by vectors, by rare words, or by words alone."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from tests.storms.conftest import NOW, See, report

import deskhand.storms as room
from deskhand.kit.db.session import Database
from deskhand.storms import endpoints, pages, repository
from deskhand.storms.likeness import NEAR, SAME, words_of

HOUR = timedelta(hours=1)
KNOWN = "VPN gateway unreachable"


def at_cosine(cosine: float) -> list[float]:
    """A vector of that cosine with the first axis."""
    return [cosine, math.sqrt(1 - cosine * cosine)]


async def alike(db: Database, text: str, *, rare: str | None = None, **more: Any) -> bool:
    """Whether a new ticket says the same as the one that is known."""
    new = report(2, text, **more)
    async with db.tenant_session("acme") as session:
        found = await repository.like_it(
            session, new, words_of(text if rare is None else rare), since=NOW - HOUR, until=NOW + HOUR
        )
    return [one["ticket_id"] for one in found] == ["1"]


VECTORS: dict[str, tuple[float, str, str | None, bool]] = {
    "near enough by itself": (SAME + 0.001, "Kein Zugang", None, True),
    "not near enough by itself": (SAME - 0.001, "Kein Zugang", None, False),
    "nearly so, with a rare word": (NEAR + 0.001, "The gateway hangs", None, True),
    "nearly so, with a common word": (NEAR + 0.001, "The gateway hangs", "hangs", False),
    "a rare word and nothing else": (NEAR - 0.001, KNOWN, None, False),
}


@pytest.mark.parametrize("case", VECTORS)
async def test_vectors_decide_and_a_rare_word_helps(see_ticket: See, clean_db: Database, case: str) -> None:
    cosine, said, rare, expected = VECTORS[case]
    await see_ticket(1, KNOWN, vector=[1.0, 0.0], model="m")
    assert await alike(clean_db, said, rare=rare, vector=at_cosine(cosine), model="m") is expected


WORDS: dict[str, tuple[str, str | None, bool]] = {
    "the same": (KNOWN, None, True),
    "half of the shorter one's": ("vpn gateway fails with code", None, True),
    "less than half": ("vpn seems broken today", None, False),
    "in another order and case": ("UNREACHABLE: gateway (VPN)", None, True),
    "only words that everybody writes": (KNOWN, "", False),
    "nothing": ("", None, False),
}


@pytest.mark.parametrize("case", WORDS)
async def test_without_vectors_half_of_the_words_decide(see_ticket: See, clean_db: Database, case: str) -> None:
    said, rare, expected = WORDS[case]
    await see_ticket(1, KNOWN)
    assert await alike(clean_db, said, rare=rare) is expected


async def test_vectors_of_two_models_are_not_compared(see_ticket: See, clean_db: Database) -> None:
    await see_ticket(1, KNOWN, vector=[1.0, 0.0], model="old")
    assert not await alike(clean_db, "Kein Zugang", vector=[1.0, 0.0], model="new")
    assert await alike(clean_db, KNOWN, vector=[0.0, 1.0], model="new"), "by their words, as where there is no model"


async def test_of_another_desk_company_or_hour_none_is_compared(see_ticket: See, clean_db: Database) -> None:
    await see_ticket(1, KNOWN)
    assert await alike(clean_db, KNOWN)
    assert not await alike(clean_db, KNOWN, tool_type="zendesk")
    assert not await alike(clean_db, KNOWN, company="nordwind")
    async with clean_db.tenant_session("acme") as session:
        new = report(2, KNOWN)
        later = await repository.like_it(session, new, new.words, since=NOW + HOUR, until=NOW + 2 * HOUR)
        itself = await repository.like_it(session, report(1), new.words, since=NOW - HOUR, until=NOW + HOUR)
    assert (later, itself) == ([], [])


async def test_a_word_is_common_where_one_in_ten_has_it(see_ticket: See, clean_db: Database) -> None:
    for number in range(39):
        text = "Access to the share" if number % 8 == 0 else f"Thing number {number} is odd"
        await see_ticket(100 + number, text, minutes=-60 - 130 * number)
    new = report(2, "Access to gateway: odd")
    async with clean_db.tenant_session("acme") as session:
        common = await repository.common_words(session, new, NOW)
        assert common == {*words_of("access"), *words_of("odd")}
        assert await repository.common_words(session, new, NOW - timedelta(days=20)) == set()


def test_the_room_says_what_it_is_about() -> None:
    assert room.__doc__
    assert {route.path for route in (*endpoints.router.routes, *pages.router.routes)} == {  # type: ignore[attr-defined]
        "/api/v1/storms",
        "/api/v1/storms/{storm_id}",
        "/storms",
        "/storms/{storm_id}",
    }
