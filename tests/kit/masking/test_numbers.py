"""Accounts and cards are known by their check digits, phones by how people write them, and nothing else is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deskhand.kit.masking.numbers import Place, cards, ibans, phones


def found(find: Callable[[str], Iterator[Place]], text: str) -> list[str]:
    return [text[start:end] for start, end in find(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Please pay to DE89 3704 0044 0532 0130 00 today", "DE89 3704 0044 0532 0130 00"),
        ("IBAN:DE89370400440532013000.", "DE89370400440532013000"),
        ("gb82 west 1234 5698 7654 32", "gb82 west 1234 5698 7654 32"),
        ("NL91-ABNA-0417-1643-00 and more words behind it", "NL91-ABNA-0417-1643-00"),
        ("NO93 8601 1117 947 is the shortest", "NO93 8601 1117 947"),
        ("DE89 3704 0044 0532 0130 01 has a wrong digit", None),
        ("ZZ89 3704 0044 0532 0130 00 is of no country", None),
        ("DE89370400440532013000XYZ is longer than an account", None),
        ("asset DE12 for the printer in room 4", None),
    ],
)
def test_accounts(text: str, wanted: str | None) -> None:
    assert found(ibans, text) == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("my card 4111 1111 1111 1111, exp 12/28", "4111 1111 1111 1111"),
        ("5555-5555-5555-4444", "5555-5555-5555-4444"),
        ("Amex 378282246310005!", "378282246310005"),
        ("Diners 30569309025904", "30569309025904"),
        ("4222222222222", "4222222222222"),
        ("2223003122003222 is of the new series", "2223003122003222"),
        ("4111 1111 1111 1112 has a wrong digit", None),
        ("order 9876543210987653 is of no issuer", None),
        ("0000 0000 0000 0000", None),
        ("IMEI 490154203237518", None),
        ("4111111111111111111111111111111", None),
        ("serial 4111111111111111A", None),
    ],
)
def test_cards(text: str, wanted: str | None) -> None:
    assert found(cards, text) == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Ring +49 89 1234567 please", "+49 89 1234567"),
        ("+49 (0)171 2345678", "+49 (0)171 2345678"),
        ("tel:+14155550123", "+14155550123"),
        ("0049 89 12345-678", "0049 89 12345-678"),
        ("(089) 1234567", "(089) 1234567"),
        ("089/1234567 until five", "089/1234567"),
        ("mobil 01712345678", "01712345678"),
        ("01712345678", "01712345678"),
        ("(415) 555-0123", "(415) 555-0123"),
        ("415-555-0123.", "415-555-0123"),
        ("01 23 45 67 89", "01 23 45 67 89"),
        ("020 7946 0958", "020 7946 0958"),
        ("Durchwahl: 4711", "4711"),
        ("ext. 212", "212"),
        ("Call +49 89 1234567 10.0.0.1", "+49 89 1234567"),
        ("on 03.11.2026 at 09:15", None),
        ("on 2026-11-29 08:00", None),
        ("03/11/2026", None),
        ("Windows 10.0.19045.3570", None),
        ("from 10.1.2.3 to 10.1.2.4", None),
        ("error 0x80070005 in KB5034441", None),
        ("INC0012345 and REQ-2026-0017", None),
        ("open 0930-1130", None),
        ("size 1 234 567 bytes", None),
        ("+1234", None),
        ("phone since 29.11.2026", None),
        ("parcel 00340434161094021501", None),
        ("le poste 3312", "3312"),
        ("00:1a:2b:3c:4d:5e", None),
    ],
)
def test_phones(text: str, wanted: str | None) -> None:
    assert found(phones, text) == ([wanted] if wanted else [])


def test_several_numbers_of_one_text_are_all_found() -> None:
    assert found(phones, "Tel. 4711, mobile 0171 2345678 or +49 89 1234567") == [
        "4711",
        "0171 2345678",
        "+49 89 1234567",
    ]
    assert found(phones, "089 1234567 0171 2345678") == ["089 1234567", "0171 2345678"]
    accounts = ["DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32"]
    assert found(ibans, " ".join(accounts)) == accounts
    assert found(cards, "4111 1111 1111 1111 5555 5555 5555 4444") == ["4111 1111 1111 1111", "5555 5555 5555 4444"]
