"""Identity providers for the tests: one that says whatever a test wants, and the way there and back."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.support.api import Api

from deskhand.simulators.base.server import run_in_process

CLIENT_ID = "deskhand"
CLIENT_SECRET = "p%ss: word/+"
DESK = "Service desk"
EMAIL = "ann@acme.example"


def new_key(kid: str = "one") -> ECKey:
    """A signing key of a provider."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})


def part(value: object) -> str:
    """One part of a token that no library would make."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class Pretender:
    """An OpenID provider in this process that keeps to the protocol until a test tells it otherwise.

    Attributes:
        claims: Of whoever signs in; what is None is left out.
        metadata: Put over what it says of itself.
        userinfo: What it tells only when asked.
        token: Makes the ID token of claims, in the place of a signature.
        answers: Put over the token endpoint's answer.
        asked: Paths that were called, in order.
    """

    url: str = ""
    key: ECKey = field(default_factory=new_key)
    published: list[dict[str, Any]] | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    token: Any = None
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, query: Mapping[str, str]) -> str:
        """Sign somebody in: the code for what the browser brought."""
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = dict(query)
        return code

    def id_token(self, nonce: str) -> str:
        """The token for a sign-in."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "ann",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "email": EMAIL,
            "email_verified": True,
            "name": "Ann Lee",
            "groups": [DESK],
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.token is not None:
            return str(self.token(claims))
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key, algorithms=["ES256"])

    def app(self) -> Starlette:
        """What is served."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/jwks", self._keys),
                Route("/token", self._token, methods=["POST"]),
                Route("/userinfo", self._userinfo),
            ]
        )

    async def _configuration(self, request: Request) -> Response:
        self.asked.append("configuration")
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize?prompt=login",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "userinfo_endpoint": f"{self.url}/userinfo" if self.userinfo else None,
                "end_session_endpoint": f"{self.url}/end",
                **self.metadata,
            }
        )

    async def _keys(self, request: Request) -> Response:
        self.asked.append("keys")
        keys = self.published if self.published is not None else [self.key.as_dict(private=False)]
        return JSONResponse({"keys": keys})

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.forms.append({**form, "authorization": request.headers.get("authorization", "")})
        asked = self.codes.pop(form["code"], None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != proof or asked["redirect_uri"] != form["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        status = self.answers.pop("status", 200)
        answer = {"id_token": self.id_token(asked["nonce"]), "access_token": "at", "token_type": "Bearer"}
        return JSONResponse({**answer, **self.answers}, status_code=status)

    async def _userinfo(self, request: Request) -> Response:
        self.asked.append("userinfo")
        assert request.headers["authorization"] == "Bearer at"
        return JSONResponse({"sub": "ann", **self.userinfo})


@asynccontextmanager
async def pretender() -> AsyncIterator[Pretender]:
    """A provider on loopback."""
    made = Pretender()
    async with run_in_process(made.app()) as server:
        made.url = server.url
        yield made


def body(issuer: str, **fields: Any) -> dict[str, Any]:
    """A provider as it is sent to the API."""
    return {
        "name": "Acme",
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "role_rules": [{"group": DESK, "role": "operator"}],
        **fields,
    }


async def register(api: Api, issuer: str, tenant_id: str | None = "acme", **fields: Any) -> str:
    """Set a provider up, of a tenant or of the installation; its id."""
    path = f"/api/v1/tenants/{tenant_id}/identity-providers" if tenant_id else "/api/v1/identity-providers"
    answer = await (await api.platform()).post(path, json=body(issuer, **fields))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def where_to(page: str) -> str:
    """The address that a page leads on to."""
    return unescape(re.findall(r'id="onward" href="([^"]+)"', page)[0])


async def depart(client: httpx2.AsyncClient, provider_id: str, next_path: str = "/") -> dict[str, str]:
    """Press a provider's button; what the browser brings to the provider."""
    answer = await client.post(f"/login/sso/{provider_id}", data={"next": next_path})
    assert answer.status_code == 200, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(where_to(answer.text)).query).items()}


async def come_back(client: httpx2.AsyncClient, provider_id: str, **answer: str) -> httpx2.Response:
    """Be sent back by the provider."""
    return await client.get(f"/login/sso/{provider_id}/callback?{urlencode(answer)}")


async def sign_in(client: httpx2.AsyncClient, source: Pretender, provider_id: str, **answer: str) -> httpx2.Response:
    """The whole way, there and back."""
    asked = await depart(client, provider_id)
    return await come_back(client, provider_id, code=source.authorize(asked), state=asked["state"], **answer)


def sentence(answer: httpx2.Response) -> str:
    """What the sign-in page says is wrong."""
    return unescape(re.findall(r'id="login-problem" role="alert">([^<]+)<', answer.text)[0])
