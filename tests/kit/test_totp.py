"""Codes of authenticator apps, by the vectors of the standard, and recovery codes."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from pyotp import TOTP

from deskhand.kit import totp
from deskhand.ui.render import SECURITY_HEADERS

# RFC 6238, appendix B: the last six of its eight digits, for SHA-1 and the secret "12345678901234567890".
SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "digits"), VECTORS.items())
def test_the_standards_vectors_are_codes_of_their_step(seconds: int, digits: str) -> None:
    step = seconds // 30
    assert totp.totp_step(SECRET, digits[-6:], at(seconds)) == step
    assert totp.totp_step(SECRET, f" {digits[2:5]} {digits[5:]} ", at(seconds)) == step, "as apps show it"


def test_a_code_counts_one_step_before_and_after_and_no_further() -> None:
    now = at(1111111111)
    code = TOTP(SECRET).at(now)
    for steps in (-1, 0, 1):
        assert totp.totp_step(SECRET, code, now + timedelta(seconds=30 * steps)) == 1111111111 // 30
    for steps in (-2, 2):
        assert totp.totp_step(SECRET, code, now + timedelta(seconds=30 * steps)) is None


@pytest.mark.parametrize("typed", ["", "00000", "0000000", "abcdef", "１１１１１１", "-12345", "1" * 5000])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert totp.totp_step(SECRET, typed, at(59)) is None


def test_a_new_secret_is_long_and_the_apps_address_says_whose_it_is() -> None:
    secret = totp.new_totp_secret()
    assert len(base64.b32decode(secret)) * 8 >= 160
    assert secret != totp.new_totp_secret()
    parts = urlsplit(totp.totp_uri(secret, account="ann@example.com", host="desk.example.com"))
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert query["secret"] == [secret]
    assert query["issuer"] == ["Deskhand (desk.example.com)"]
    assert "ann" in parts.path


def test_the_picture_needs_neither_script_nor_style() -> None:
    svg = totp.qr_svg(totp.totp_uri(SECRET, account="ann@example.com", host="desk.example.com"))
    root = ElementTree.fromstring(svg)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "g", "path"}
    assert not [name for element in root.iter() for name in element.attrib if name == "style" or name.startswith("on")]
    assert "unsafe-inline" not in SECURITY_HEADERS["Content-Security-Policy"]


def test_recovery_codes_are_ten_and_read_whatever_stands_between_their_groups() -> None:
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == totp.RECOVERY_CODES == 10
    for code in codes:
        assert re.fullmatch(r"([a-z2-7]{6}-){3}[a-z2-7]{6}", code)
        plain = totp.plain_recovery_code(code)
        assert len(plain) * 5 >= 112
        assert totp.plain_recovery_code(f" {code.upper().replace('-', ' ')}\n") == plain
