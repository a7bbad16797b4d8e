"""Where values stand: every kind by itself, and what becomes of those that overlap."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from tests.kit.test_worst_text import untraced_seconds

from deskhand.kit.masking.found import spans
from deskhand.kit.masking.kinds import MaskKind
from deskhand.kit.masking.names import Names


def found(text: str, *kinds: MaskKind, names: Names | None = None) -> list[tuple[str, str]]:
    wanted: Collection[MaskKind] = kinds or frozenset(MaskKind)
    return [(text[start:end], kind.value) for start, end, kind in spans(text, wanted, names or Names())]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("write to anna.weber+vpn@mail.acme.test.", "anna.weber+vpn@mail.acme.test"),
        ("<mailto:o'brien@acme.example>", "o'brien@acme.example"),
        ("'jörg@müller.example'", "jörg@müller.example"),
        ("anna@mail.acme.test-and-more", "anna@mail.acme.test"),
        ("logo@2x.png react@18.2.0 @mention a@b", None),
        ("x" * 70 + "@acme.test", None),
    ],
)
def test_mail_addresses(text: str, wanted: str | None) -> None:
    assert found(text, MaskKind.MAIL) == ([(wanted, "mail")] if wanted else [])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ping 10.20.30.40 fails", ["10.20.30.40"]),
        ("10.0.0.1,10.0.0.2;http://203.0.113.7:8080/", ["10.0.0.1", "10.0.0.2", "203.0.113.7"]),
        ("fe80::1ff:fe23:4567:890a and 2001:db8::1", ["fe80::1ff:fe23:4567:890a", "2001:db8::1"]),
        ("mask 255.255.255.0 on 127.0.0.1 and 0.0.0.0, ::1", []),
        ("version 1.2.3.4, v1.2.3.4, Build: 6.1.7.2", []),
        ("10.0.19045.3 and 1.2.3.4.5 and 300.1.1.1", []),
        ("at 12:30:45, std::string, de:ad:be:ef:00:01", []),
    ],
)
def test_addresses_of_machines(text: str, wanted: list[str]) -> None:
    assert found(text, MaskKind.IP) == [(one, "ip") for one in wanted]


def test_secrets_are_those_of_the_one_list() -> None:
    assert found("password=hunter2hunter2 stays", MaskKind.SECRET) == [("hunter2hunter2", "secret")]
    assert found("Authorization: Bearer   abcdefgh1234", MaskKind.SECRET) == [("abcdefgh1234", "secret")]
    assert found("Passwort: Sommer2026!", MaskKind.SECRET) == [("Sommer2026!", "secret")]
    own = "dhk_abcdEFGHijklmnop1234"
    assert found(f"key {own}", MaskKind.SECRET) == [(own, "secret")]


def test_what_overlaps_is_one_value_of_the_kind_that_comes_first() -> None:
    assert found("https://u:s3cret@host.example/") == [("s3cret@host.example", "secret")]
    names = Names()
    names.learn("Anna Weber")
    assert found("Anna.Weber@acme.test", names=names) == [("Anna.Weber@acme.test", "mail")]
    # Each of the others is left to its own kind.
    assert found("Anna: +49 89 1234567", names=names) == [("Anna", "name"), ("+49 89 1234567", "phone")]


def test_only_the_kinds_that_are_asked_for() -> None:
    text = "anna@acme.test 10.0.0.7 +49 89 1234567"
    assert found(text, MaskKind.PHONE) == [("+49 89 1234567", "phone")]
    assert found(text, MaskKind.IP, MaskKind.MAIL) == [("anna@acme.test", "mail"), ("10.0.0.7", "ip")]


WORST = ("0 " * 9, "1", "0.", "a@", "a.", "+1 (", "DE89 ", ":", "ab:", "'", "4111 ", "password=", "Anna ", "tel ", "\\")


@pytest.mark.parametrize("piece", WORST)
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    names = Names()
    names.learn("Anna Anna Weber")

    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        # Of this thread alone, and the best of three: what else the process does is not the text's doing.
        return min(untraced_seconds(lambda: spans(text, frozenset(MaskKind), names)) for _ in range(3))

    # Linear is 8 times; what is quadratic takes 64, and seconds.
    assert seconds(32_000) < 30 * seconds(4_000) + 0.2
