"""A mistyped word is told what there is and what was most likely meant."""

from __future__ import annotations

import pytest

from deskhand.kit.nearest import LISTED, nearest, what_exists


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("actve", ["draft", "active", "inactive"], "active"),
        ("ACTIVE", ["draft", "active"], "active"),
        ("europe/berlin", ["Europe/Berlin", "Europe/Bern"], "Europe/Berlin"),
        ("xyz", ["draft", "active"], None),
        ("", ["draft"], None),
        ("draft", [], None),
        ("a" * 100_000, ["draft"], None),
    ],
)
def test_the_nearest_word(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant


@pytest.mark.parametrize(
    ("word", "known", "sentence"),
    [
        ("jria", ["jira", "zendesk"], "there are 'jira', 'zendesk'; did you mean 'jira'?"),
        ("jria", ["jira"], "there is 'jira'; did you mean 'jira'?"),
        ("fax", ["jira", "zendesk"], "there are 'jira', 'zendesk'"),
        ("acme", [], "there are none yet"),
    ],
)
def test_what_there_is(word: str, known: list[str], sentence: str) -> None:
    assert what_exists(word, known) == sentence


def test_of_a_long_list_the_first_are_named_and_any_may_be_meant() -> None:
    names = [f"tenant-{number:03d}"[3:] for number in range(LISTED + 30)]
    sentence = what_exists("ant-4x9", [*names, "ant-4x8"])
    assert sentence.count("'ant-") == LISTED + 1
    assert "and 31 more; did you mean 'ant-4x8'?" in sentence


def test_of_long_names_so_many_are_named_that_nothing_of_the_sentence_is_cut() -> None:
    names = [f"servicenow_{'x' * 40}_{number}" for number in range(30)]
    sentence = what_exists(names[-1][:-1], names)
    assert len(sentence) < 600
    assert f"; did you mean '{names[-1][:-1]}" in sentence
    assert what_exists("fax", ["x" * 400]) == f"there is '{'x' * 400}'"
