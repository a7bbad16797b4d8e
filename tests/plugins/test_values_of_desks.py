"""Words of desks and ours: priorities both ways, accounts compared, lists taken for what they are."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from deskhand.plugins.ownership import own_config, same_account
from deskhand.plugins.priorities import PRIORITIES, PriorityMap
from deskhand.plugins.shapes import texts

STOCK = {"critical": "Highest", "high": "High", "medium": "Medium", "low": "Low"}


def test_our_four_go_to_the_desk_and_come_back() -> None:
    words = PriorityMap(STOCK, {})
    assert [words.from_desk(words.to_desk(ours)) for ours in PRIORITIES] == list(PRIORITIES)
    assert [words.from_desk(STOCK[ours].upper()) for ours in PRIORITIES] == list(PRIORITIES)


def test_the_tenants_own_word_wins_both_ways_and_the_stock_word_is_still_read() -> None:
    words = PriorityMap(STOCK, {"Critical": "P1", "low": "Whenever"})
    assert words.to_desk("critical") == words.to_desk("CRITICAL") == "P1"
    assert (words.from_desk("p1"), words.from_desk("Highest"), words.from_desk("whenever")) == (
        "critical", "critical", "low",
    )  # fmt: skip


def test_a_word_of_the_desk_that_means_another_of_ours_is_read_as_the_tenant_says() -> None:
    words = PriorityMap(STOCK, {"critical": "High"})
    assert words.from_desk("high") == "critical"


def test_synonyms_are_read_and_never_written() -> None:
    words = PriorityMap(STOCK, {}, {"urgent": "critical"})
    assert words.from_desk("Urgent") == "critical"
    assert words.to_desk("critical") == "Highest"


@pytest.mark.parametrize("word", [None, "", "P9", " "])
def test_a_word_nobody_mapped_is_not_guessed(word: str | None) -> None:
    assert PriorityMap(STOCK, {}).from_desk(word) is None


def test_a_word_of_the_desk_passes_as_it_is() -> None:
    assert PriorityMap(STOCK, {}).to_desk("P2 - Business critical") == "P2 - Business critical"


@pytest.mark.parametrize(
    ("pairs", "same"),
    [
        ([("Ines@Corp.test", "ines@corp.test")], True),
        ([(7, "7")], True),
        ([("a", "b"), (1, 1)], True),
        ([("a", "b"), (None, 1), (2, None)], False),
        ([(None, "b"), ("a", None), ("", "x")], None),
        ([], None),
    ],
)
def test_an_account_is_ours_theirs_or_not_known(pairs: list[tuple[object, object]], same: bool | None) -> None:
    assert same_account(*pairs) is same


class _Ours(BaseModel):
    x: int = 1


class _Theirs(BaseModel):
    x: int = 1


def test_a_configuration_of_another_desk_is_a_fault_of_ours() -> None:
    config = _Ours()
    assert own_config(_Ours, config) is config
    with pytest.raises(TypeError, match="expected _Ours, got _Theirs"):
        own_config(_Ours, _Theirs())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["vpn", 7, None, {"a": 1}, ["x"], ""], ("vpn", "7", "")),
        ([True, False], ()),
        ("vpn", ()),
        (None, ()),
        ({"a": 1}, ()),
        ([], ()),
    ],
)
def test_a_list_of_words_has_words_alone(value: object, words: tuple[str, ...]) -> None:
    assert texts(value) == words
