"""People for the tests: accounts with a password, and browsers that are signed in."""

from __future__ import annotations

import re
from functools import cache

import httpx2
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import select
from tests.support.api import Api

from deskhand.access import authentication, sessions
from deskhand.access.models import Membership, User
from deskhand.ui.csrf import SESSION_COOKIE

PASSWORD = "turnip lantern river comet"


@cache
def password_hash() -> str:
    """The hash of ``PASSWORD`` as the product stores it, computed once for all tests."""
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY).hash(PASSWORD)


async def account(api: Api, email: str, *, platform_admin: bool = False, **roles: str) -> User:
    """An account with ``PASSWORD`` and a role in each named tenant."""
    async with api.db.platform_session() as session:
        user = User(email=email, name=None, password_hash=password_hash(), is_platform_admin=platform_admin)
        session.add(user)
        await session.flush()
        session.add_all(Membership(tenant_id=name, user_id=user.id, role=role) for name, role in roles.items())
        await session.flush()
        await session.refresh(user)
        return user


async def sign_in(client: httpx2.AsyncClient, email: str, password: str = PASSWORD) -> httpx2.Response:
    """Try to sign in as a browser does."""
    return await client.post("/login", data={"email": email, "password": password})


async def browser(api: Api, email: str, tenant_id: str | None = None) -> httpx2.AsyncClient:
    """A browser whose person is signed in, without the work of a password."""
    async with api.db.platform_session() as session:
        user_id = (await session.execute(select(User.id).where(User.email == email))).scalar_one()
        digest = await sessions.open_session(session, user_id=user_id, tenant_id=tenant_id, now=api.state.clock())
    client = await api.client(Accept="text/html")
    cookie = authentication.cookie_of_person(api.state.secrets, digest)
    client.cookies.set(SESSION_COOKIE, cookie, domain=str(httpx2.URL(api.url).host))  # one that the server can replace
    return client


async def platform_person(api: Api) -> httpx2.AsyncClient:
    """The browser of somebody who looks after the installation."""
    await account(api, "root@example.com", platform_admin=True)
    return await browser(api, "root@example.com")


def token_of(url: str) -> str:
    """The secret of a link that was handed over."""
    return url.partition("token=")[2]


async def form(client: httpx2.AsyncClient, page: str, path: str, **fields: str) -> httpx2.Response:
    """Send a form as the page would: with the token that stands in it."""
    html = (await client.get(page)).text
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', html)
    assert csrf is not None
    return await client.post(path, data={"csrf": csrf[1], **fields})
