"""Names of people are those of the fields, in the forms in which people write them, and of no other word."""

from __future__ import annotations

import pytest

from deskhand.kit.masking.names import MOST_NAMES, Names


def named(*known: str) -> Names:
    names = Names()
    for one in known:
        names.learn(one)
    return names


def seen(names: Names, text: str) -> list[str]:
    return [text[start:end] for start, end in names.places(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Anna Weber called", ["Anna Weber"]),
        ("anna weber called", ["anna weber"]),
        ("Weber, Anna", ["Weber, Anna"]),
        ("Dear Ms Weber,\nAnna", ["Weber,\nAnna"]),
        ("Annas Laptop", ["Annas"]),
        ("Anna's and ANNA’S laptop", ["Anna's", "ANNA’S"]),
        ("Dr. Anna Weber", ["Dr. Anna Weber"]),
        ("Anna and Weber", ["Anna", "Weber"]),
        ("weber is a trade, annan a place", []),
        ("Hannah Weberei", []),
        ("", []),
    ],
)
def test_a_known_person(text: str, wanted: list[str]) -> None:
    assert seen(named("Dr. Anna Weber"), text) == wanted


def test_names_of_several_words_and_of_other_alphabets() -> None:
    names = named("María José García-López", "Ольга Петрова", "Jean d'Arc")
    assert seen(names, "María José García-López; Ольга! Петрова Ольга") == [
        "María José García-López",
        "Ольга",
        "Петрова Ольга",
    ]
    assert seen(names, "Jean d’Arc, Jean d'Arc") == ["Jean", "Jean d'Arc"]


@pytest.mark.parametrize(
    "name", ["Service Desk", "IT Support Team", "it@acme.test", "X", "4711", "a b c d e f Ghi", ""]
)
def test_accounts_that_nobody_is_behind_are_no_names(name: str) -> None:
    names = Names()
    assert not names.learn(name)
    assert seen(names, "The Service Desk and the IT Support Team wrote") == []


def test_a_name_is_learned_once_and_their_number_is_bounded() -> None:
    names = Names()
    assert names.learn("Anna Weber")
    assert not names.learn("Anna Weber")
    # Words of letters alone: digits are no part of a name.
    letters = "abcdefghij"
    more = (f"Xy{letters[n // 100]}{letters[n // 10 % 10]}{letters[n % 10]} Zy" for n in range(MOST_NAMES + 5))
    assert sum(names.learn(one) for one in more) == MOST_NAMES - 1
