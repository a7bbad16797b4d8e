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
    names = [f"tenant-{number:03d}" for number in range(LISTED + 30)]
    sentence = what_exists("tenant-4x9", [*names, "tenant-4x8"])
    assert sentence.count("'tenant-") == LISTED + 1
    assert "and 31 more; did you mean 'tenant-4x8'?" in sentence
