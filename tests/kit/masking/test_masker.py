"""Values go behind placeholders and come back, and what is no placeholder of ours never passes for one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deskhand.kit.masking.kinds import WORDS, MaskKind
from deskhand.kit.masking.masker import Masker, tally

ALL = frozenset(MaskKind)
TEXT = (
    "Anna Weber (anna@acme.test, +49 89 1234567, ext. 212) at 10.1.2.3: IBAN DE89 3704 0044 0532 0130 00, card"
    " 4111 1111 1111 1111, password=hunter2hunter2."
)
VALUES = ("Anna", "Weber", "anna@acme.test", "1234567", "212", "10.1.2.3", "DE89", "4111", "hunter2")
WORD = re.compile(r"MASKED-[A-Z]+-[BCDFGHJKLMNPQRSTVWXZ]{8}")


def masker(*kinds: MaskKind, key: bytes = b"run") -> Masker:
    made = Masker(kinds or ALL, key)
    made.learn("Anna Weber", None, "")
    return made


def test_every_value_goes_and_comes_back() -> None:
    one = masker()
    shown = one.mask(TEXT)
    assert not [value for value in VALUES if value in shown]
    assert len(WORD.findall(shown)) == 8
    assert one.restored(shown) == TEXT
    assert tally([shown, shown]) == {
        "card": 1, "iban": 1, "ip": 1, "mail": 1, "name": 1, "phone": 2, "secret": 1,
    }  # fmt: skip


def test_a_placeholder_is_the_same_in_each_attempt_and_another_in_each_run() -> None:
    first, again, other = masker(), masker(), masker(key=b"another")
    again.mask("somebody@else.test was first this time")
    assert first.mask(TEXT) == again.mask(TEXT)
    assert not set(WORD.findall(first.mask(TEXT))) & set(WORD.findall(other.mask(TEXT)))
    # And what one run gave out means nothing to another.
    assert other.restored(first.mask("anna@acme.test")) == first.mask("anna@acme.test")


def test_what_is_masked_is_not_masked_again() -> None:
    one = masker()
    shown = one.mask(TEXT)
    assert one.mask(shown) == shown


def test_only_the_kinds_of_the_tenant() -> None:
    one = masker(MaskKind.MAIL)
    assert one.mask("Anna Weber, anna@acme.test") == f"Anna Weber, {one.mask('anna@acme.test')}"


def test_a_name_that_is_learned_later_is_masked_from_then_on() -> None:
    one = masker()
    assert one.mask("Bob Marsh") == "Bob Marsh"
    one.learn_people({"notes": [{"author": "Bob Marsh"}], "requester": {"name": "Carla Ruiz"}, "subject": "Mouse"})
    assert WORD.fullmatch(one.mask("Bob Marsh"))
    assert one.mask("Ruiz") != "Ruiz"
    assert one.mask("Mouse") == "Mouse"


def test_values_of_json_are_masked_also_by_their_names() -> None:
    one = masker()
    value: dict[str, Any] = {
        "api_key": "plain words", "mobile": "4711", "anna@acme.test": 1, "n": [None, True, 7, {"a": "10.1.2.3"}],
        "phone": "none", "token": "", "tokens": 12,
    }  # fmt: skip
    shown = one.masked(value)
    assert one.restored(shown) == value
    assert {name for name in shown if name in value} == {"api_key", "mobile", "n", "phone", "token", "tokens"}
    assert (shown["phone"], shown["token"], shown["tokens"], shown["n"][:3]) == ("none", "", 12, [None, True, 7])
    assert WORD.fullmatch(shown["api_key"])
    assert WORD.fullmatch(shown["mobile"])
    assert WORD.fullmatch(shown["n"][3]["a"])
    assert masker(MaskKind.IP).masked({"api_key": "plain words"}) == {"api_key": "plain words"}


@pytest.mark.parametrize(
    "mangle",
    [
        str.lower,
        str.title,
        lambda word: word.replace("-", "\\-"),
        lambda word: word.replace("-", "_"),
        lambda word: word.replace("-", "‑"),
        lambda word: f"**{word}**'s",
        lambda word: f"<{word}>.",
    ],
)
def test_what_models_make_of_a_placeholder_is_still_read(mangle: Any) -> None:
    one = masker()
    assert "anna@acme.test" in one.restored(mangle(one.mask("anna@acme.test")))


@pytest.mark.parametrize("tail", ["", "-", "-QQQQ", "-QQQQQQQQ", "-BCDFGHJKL"])
@pytest.mark.parametrize("kind", list(MaskKind))
def test_what_stands_for_nothing_is_told_and_never_left(kind: MaskKind, tail: str) -> None:
    one = masker()
    garbage = f"MASKED-{kind.value.upper()}{tail}"
    said = {"text": f"Ask {garbage} again", "n": [1]}
    assert one.restored(said) == said
    assert [word.rstrip("-") for word in one.unknown(said)] == [garbage.rstrip("-")]
    told = one.without_unknown(said)
    assert told["text"].startswith(f"Ask [{WORDS[kind]}, masked and not restored]")
    assert "MASKED" not in told["text"]


def test_prose_about_masks_is_no_placeholder() -> None:
    one = masker()
    assert one.unknown("The masked mail address, a masked-up Name and unmasked-ip are words") == []


def test_what_somebody_wrote_into_a_ticket_stays_their_words() -> None:
    one = masker()
    one.note_foreign({"body": ["it says MASKED-MAIL-BCDFGHJK", one.mask("anna@acme.test")]})
    said = "Somebody wrote masked-mail-bcdfghjk"
    assert one.unknown(said) == []
    assert one.without_unknown(said) == said
    # What a model made up, and is quoted to it as wrong, does not come to be somebody's words.
    one.note_said("MASKED-MAIL-ZZZZZZZZ")
    one.note_foreign("no such placeholder: MASKED-MAIL-ZZZZZZZZ")
    assert one.unknown("MASKED-MAIL-ZZZZZZZZ") == ["MASKED-MAIL-ZZZZZZZZ"]


def test_two_values_with_one_code_stay_two(monkeypatch: pytest.MonkeyPatch) -> None:
    one = masker()
    monkeypatch.setattr(
        "deskhand.kit.masking.masker._spelt", lambda digest: "BCDFGHJK"[digest % 2 :] + "BC"[: digest % 2]
    )
    shown = [one.mask(f"{name}@acme.test") for name in ("ann", "bob")]
    assert one.restored(shown) == ["ann@acme.test", "bob@acme.test"]
