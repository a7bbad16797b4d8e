"""A credential that went along with a request is readable in nothing that comes back, in whatever form it is echoed."""

from __future__ import annotations

import base64
import html
import json
from functools import partial
from typing import Any
from urllib.parse import quote, quote_plus

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.plugins.credentials import SHOWN, sent_credentials, without

KEY = 'p"a/s&s <w>örd+1'


def _request(**how: Any) -> httpx2.Request:
    return httpx2.Request("POST", "https://desk.test/x", **how)


def _basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    "request_",
    [
        _request(headers={"authtoken": KEY.encode()}),
        _request(headers={"X-Anything-At-All": KEY.encode()}),
        _request(headers={"Authorization": f"Bearer {KEY}".encode()}),
        _request(headers={"Authorization": _basic(f"ines@corp.test/token:{KEY}")}),
        _request(data={"grant_type": "client_credentials", "client_secret": KEY}),
        _request(json={"refresh_token": KEY}),
    ],
    ids=["own header", "unknown header", "bearer", "basic", "form", "json"],
)  # fmt: skip
@pytest.mark.parametrize(
    "echo",
    [str, partial(quote, safe=""), quote_plus, html.escape, json.dumps, partial(json.dumps, ensure_ascii=False)],
    ids=["plain", "address", "form", "page", "json", "json in utf-8"],
)  # fmt: skip
def test_no_form_of_it_is_left(request_: httpx2.Request, echo: Any) -> None:
    answer = f"Refused: {echo(KEY)}!"
    clean = without(answer, sent_credentials(request_))
    assert SHOWN in clean
    assert not any(part in clean for part in ("s&s", "örd", "%C3%B6rd", "s%26s", "s&amp;s", "00f6rd"))


def test_what_is_no_credential_stays_readable() -> None:
    request = _request(
        headers={"Accept": "application/json", "User-Agent": "deskhand/1", "Authorization": "Bearer abcdefgh"},
        data={"subject": "VPN drops", "password": "short"},
    )
    credentials = sent_credentials(request)
    assert without("application/json of deskhand/1: VPN drops, short", credentials) == (
        "application/json of deskhand/1: VPN drops, short"
    )


def test_the_longest_form_goes_first_so_that_no_rest_of_it_stays() -> None:
    request = _request(headers={"Authorization": _basic("user:secret-word")})
    credentials = sent_credentials(request)
    assert list(credentials) == sorted(credentials, key=len, reverse=True)
    assert without("user:secret-word", credentials) == SHOWN
    assert "user" in without("user is locked", credentials)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{broken", b"[1]", b'{"token": 5}', b"a=1&token", b""])
def test_an_odd_body_is_no_failure(body: bytes) -> None:
    assert SHOWN not in without("text", sent_credentials(_request(content=body)))


def test_a_body_that_was_not_read_is_no_failure() -> None:
    async def parts() -> Any:
        yield b"token=abcdefgh"

    assert sent_credentials(_request(content=parts(), headers={"X-Key": "abcdefgh"}))


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=30))
def test_any_key_is_gone_from_any_sentence(key: str) -> None:
    clean = without(f"<<{key}>>", sent_credentials(_request(headers={"X-Key": key})))
    assert key not in clean.replace(SHOWN, "")
