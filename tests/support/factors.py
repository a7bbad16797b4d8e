"""Authenticator apps for the tests."""

from __future__ import annotations

import re

import httpx2
from pyotp import TOTP
from tests.support.api import Api
from tests.support.people import PASSWORD

from deskhand.access.models import RecoveryCode, SecondFactor, User
from deskhand.kit.crypto import key_digest
from deskhand.kit.totp import new_recovery_codes, new_totp_secret, plain_recovery_code
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of


class Phone:
    """An app that shares a secret with an account, and what its owner wrote down."""

    def __init__(self, api: Api, secret: str, codes: list[str]) -> None:
        self.api = api
        self.secret = secret
        self.codes = codes

    def code(self, *, steps: int = 0) -> str:
        """The code of the server's time, or of so many steps later."""
        return TOTP(self.secret).at(self.api.state.clock(), counter_offset=steps)

    def wrong(self) -> str:
        """A code that is none of the three that count now."""
        right = {self.code(steps=steps) for steps in range(-2, 3)}
        return next(code for code in (f"{number:06}" for number in range(10)) if code not in right)


async def phone_of(api: Api, user: User) -> Phone:
    """Give an account an app, as enrolling does, long ago."""
    secret, codes = new_totp_secret(), new_recovery_codes()
    async with api.db.platform_session() as session:
        session.add(SecondFactor(user_id=user.id, secret_encrypted=api.state.secrets.encrypt(secret), last_step=0))
        digests = [key_digest(plain_recovery_code(code)) for code in codes]
        session.add_all(RecoveryCode(user_id=user.id, code_hash=digest) for digest in digests)
    return Phone(api, secret, codes)


def session_of(client: httpx2.AsyncClient) -> str:
    """The value of a browser's newest session cookie, as the server reads it."""
    return [cookie.value or "" for cookie in client.cookies.jar if cookie.name == SESSION_COOKIE][-1].strip('"')


def csrf_of(client: httpx2.AsyncClient) -> str:
    """The token that forms of this browser's session carry."""
    return csrf_token_of(session_of(client))


async def fields_of(client: httpx2.AsyncClient, page: str) -> dict[str, str]:
    """The hidden fields of a page's first form that has a token, as a browser sends them back."""
    html = (await client.get(page)).text
    return dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', html))


async def show(client: httpx2.AsyncClient, code: str) -> httpx2.Response:
    """Type a code into the page of the second factor."""
    return await client.post("/second-factor", data={**await fields_of(client, "/second-factor"), "code": code})


async def enrol(client: httpx2.AsyncClient, *, password: str = PASSWORD, code: str = "") -> tuple[httpx2.Response, str]:
    """Set up an app on its page; what came of it, and the secret that the page showed."""
    html = (await client.get("/second-factor")).text
    secret = re.search(r'id="secret">([A-Z2-7 ]+)<', html)
    assert secret is not None, html
    plain = secret[1].replace(" ", "")
    fields = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', html))
    data = {**fields, "password": password, "code": code or TOTP(plain).now()}
    return await client.post("/second-factor/app", data=data), plain
