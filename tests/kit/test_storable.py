"""What comes in through the one door can be stored, value by value."""

from __future__ import annotations

import json

import pytest

from deskhand.kit.storable import UnreadableJsonError, read_json, storable, storable_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("emoji \U0001f600", "emoji \U0001f600"),
        ("cut \ud83d", "cut \ufffd"),
        ("\ude00 cut", "\ufffd cut"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("a\x00b", "ab"),
        ("\ud83d\x00\ude00", "\U0001f600"),
    ],
)
def test_a_text_becomes_one_the_database_takes(text: str, clean: str) -> None:
    assert storable_text(text) == clean
    clean.encode()


def test_every_text_of_a_value_is_cleaned_and_the_order_of_members_stays() -> None:
    value = {"b\x00": ["\ud83d", {"c": ("x\x00",)}], "a": 1, "n": None, "t": True, "f": float("inf")}

    assert list(storable(value).items()) == [
        ("b", ["\ufffd", {"c": ["x"]}]),
        ("a", 1),
        ("n", None),
        ("t", True),
        ("f", None),
    ]
    assert value["f"] == float("inf")  # the caller's value is not touched


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": "\\ud83d"}', {"a": "\ufffd"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "\xf0\x9f\x98"}', {"a": "\ufffd"}),  # cut in the middle of the bytes
        (b'{"a": "\xed\xa0\xbd"}', {"a": "\ufffd"}),
        (b'\xef\xbb\xbf{"a": "x\\u0000"}', {"a": "x"}),
        (json.dumps({"a": "é"}, ensure_ascii=False).encode("utf-16"), {"a": "é"}),
        (b"[1e999, NaN, -Infinity, 1.5, 12]", [None, None, None, 1.5, 12]),
        (f"[{'9' * 5000}]".encode(), [None]),
    ],
)
def test_json_is_read_as_far_as_it_can_be_stored(body: bytes, value: object) -> None:
    assert read_json(body) == value


def test_a_declared_encoding_is_used_if_the_bytes_are_of_it() -> None:
    assert read_json('["é"]'.encode("windows-1252"), charset="windows-1252") == ["é"]
    assert read_json('["é"]'.encode(), charset="no-such-encoding") == ["é"]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": 1', b"[" * 200_000, b"[" * 150 + b"]" * 150, b'{"a":' * 300])
def test_what_is_no_json_or_too_deep_is_one_error(body: bytes) -> None:
    with pytest.raises(UnreadableJsonError):
        read_json(body)
