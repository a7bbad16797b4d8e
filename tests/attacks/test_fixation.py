"""Whoever plants a session in a browser has nothing once somebody has signed in there, by whichever entrance.

The entrances are read from the source: the routes whose function, or one that it calls in its module, hands out the
session's cookie. A new one fails here until somebody has said how it is walked through.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from tests.access.test_permissions import World
from tests.support.factors import Phone, csrf_of, enrol, phone_of, session_of, show
from tests.support.identity import come_back, depart, pretender, register
from tests.support.identity import sign_in as sign_in_elsewhere
from tests.support.people import PASSWORD, account, browser, sign_in, token_of

from deskhand.access import cookies
from deskhand.access.models import User
from deskhand.access.people import administration
from deskhand.api import create_app
from deskhand.ui.csrf import SESSION_COOKIE

HANDS_OUT = cookies.give_session.__name__
AGENTS = "/api/v1/agents"


def entrances(world: World) -> dict[str, str]:
    """Every route that hands out a session's cookie, and the function that serves it."""
    served = {}
    for context in iter_route_contexts(world.api.app.routes):
        endpoint = getattr(context, "endpoint", None)
        module = inspect.getmodule(endpoint)
        if module is None or endpoint.__name__ not in giving(module):
            continue
        for method in (context.methods or set()) - {"HEAD"}:
            served[f"{method} {context.path}"] = f"{module.__name__}.{endpoint.__name__}"
    return served


def giving(module: ModuleType) -> set[str]:
    """A module's functions that hand a session out, by themselves or through another one of the module."""
    tree = ast.parse(inspect.getsource(module))
    calls = {
        function.name: {call.func.id for call in ast.walk(function) if isinstance(call, ast.Call) and named(call)}
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    giving = {HANDS_OUT}
    while more := {name for name, called in calls.items() if called & giving} - giving:
        giving |= more
    return giving


def named(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name)


async def member(world: World, email: str, **fields: bool) -> User:
    return await account(world.api, email, acme="viewer", **fields)


async def by_password(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    await member(world, "password@acme.example")
    return await sign_in(client, "password@acme.example")


async def by_password_before_the_code(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    await phone_of(world.api, await member(world, "half@acme.example"))
    return await sign_in(client, "half@acme.example")


async def by_break_glass(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    await account(world.api, "glass@acme.example", platform_admin=True)
    async with world.api.db.platform_session() as session:
        await administration.mark_break_glass(
            session, email="glass@acme.example", is_break_glass=True, actor="test", now=world.api.state.clock()
        )
    return await sign_in(client, "glass@acme.example")


async def by_key(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    administrator = await world.api.member("acme", "tenant_admin")
    key = (await administrator.post("/api/v1/tenants/acme/api-keys", json={"name": "k", "role": "viewer"})).json()
    return await client.post("/login", data={"api_key": key["api_key"]})


async def by_token(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    administrator = await world.api.member("acme", "tenant_admin")
    token = (await administrator.post("/api/v1/tenants/acme/sign-in-tokens")).json()
    return await client.post("/login", data={"token": token["token"]})


async def by_provider(world: World, client: httpx2.AsyncClient, email: str = "new@acme.example") -> httpx2.Response:
    async with pretender() as source:
        source.claims = {"sub": email, "email": email}
        provider = await register(world.api, source.url)
        asked = await depart(client, provider)
        return await come_back(client, provider, code=source.authorize(asked), state=asked["state"])


async def by_provider_before_the_code(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    return (await half_way(world, client, "half-way@acme.example"))[0]


async def by_code_after_a_provider(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    _, phone = await half_way(world, client, "coded@acme.example")
    planted_now(client)
    return await show(client, phone.code())


async def by_enrolling_after_a_provider(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    assert (await by_provider(world, client, "enrols@acme.example")).status_code == 303
    planted_now(client)
    return (await enrol(client, password=""))[0]


async def half_way(world: World, client: httpx2.AsyncClient, email: str) -> tuple[httpx2.Response, Phone]:
    """Signed in with a provider, and the code of the app not shown yet."""
    phone = await phone_of(world.api, await member(world, email))
    async with pretender() as source:
        source.claims = {"sub": email, "email": email}
        provider = await register(world.api, source.url, email_domains=["acme.example"])
        answer = await sign_in_elsewhere(client, source, provider)
    assert answer.headers["location"] == "/second-factor?next=/"
    return answer, phone


async def by_code(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    phone = await phone_of(world.api, await member(world, "code@acme.example"))
    await signed_in_there(client, world, "code@acme.example")
    return await show(client, phone.code())


async def by_enrolling(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    await member(world, "enrol@acme.example")
    await signed_in_there(client, world, "enrol@acme.example")
    return (await enrol(client))[0]


async def by_new_password(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    await member(world, "change@acme.example")
    await signed_in_there(client, world, "change@acme.example")
    new = "glacier whistle tandem orchid"
    form = {"csrf": csrf_of(client), "current": PASSWORD, "new": new, "again": new}
    return await client.post("/account/password", data=form)


async def by_removing_the_app(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    await member(world, "remove@acme.example")
    await signed_in_there(client, world, "remove@acme.example")
    await enrol(client)
    planted_now(client)
    return await client.post("/account/second-factor/remove", data={"csrf": csrf_of(client), "password": PASSWORD})


async def by_switching(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    await account(world.api, "both@acme.example", acme="viewer", globex="viewer")
    await signed_in_there(client, world, "both@acme.example")
    return await client.post("/account/tenant", data={"csrf": csrf_of(client), "tenant_id": "globex"})


async def by_joining(world: World, client: httpx2.AsyncClient) -> httpx2.Response:
    await member(world, "joiner@acme.example")
    globex = await world.api.member("globex", "tenant_admin")
    asked = {"email": "joiner@acme.example", "role": "viewer"}
    made = (await globex.post("/api/v1/tenants/globex/people", json=asked)).json()
    await signed_in_there(client, world, "joiner@acme.example")
    return await client.post("/join", data={"csrf": csrf_of(client), "token": token_of(made["link"]["url"])})


async def signed_in_there(client: httpx2.AsyncClient, world: World, email: str) -> None:
    """The browser's session is this person's, and the thief has its cookie, too."""
    theirs = await browser(world.api, email, "acme")
    client.cookies = theirs.cookies
    planted_now(client)


def planted_now(client: httpx2.AsyncClient) -> None:
    client.headers["x-planted"] = session_of(client)  # what the thief knows, for the test to ask for it afterwards


WAYS: dict[str, tuple[Callable[[World, httpx2.AsyncClient], Awaitable[httpx2.Response]], ...]] = {
    "POST /login": (by_password, by_password_before_the_code, by_break_glass, by_key, by_token),
    "GET /login/sso/{provider_id}/callback": (by_provider, by_provider_before_the_code),
    "POST /second-factor": (by_code, by_code_after_a_provider),
    "POST /second-factor/app": (by_enrolling, by_enrolling_after_a_provider),
    "POST /account/password": (by_new_password,),
    "POST /account/second-factor/remove": (by_removing_the_app,),
    "POST /account/tenant": (by_switching,),
    "POST /join": (by_joining,),
}


def test_every_entrance_is_walked_through(world: World) -> None:
    assert entrances(world).keys() == WAYS.keys(), "say here how a new entrance is walked through"
    # No cookie of a session is set but by the one function that the entrances were found by.
    elsewhere = [one for one in sources() if "set_cookie" in one and "def give_session" not in one]
    assert elsewhere == []


def sources() -> Iterator[str]:
    for path in Path(inspect.getfile(create_app)).parent.rglob("*.py"):
        if "simulators" not in path.parts:
            yield path.read_text(encoding="utf-8")


@pytest.mark.parametrize("way", [way for ways in WAYS.values() for way in ways], ids=lambda way: way.__name__)
async def test_what_was_planted_before_opens_nothing_after(
    world: World, way: Callable[[World, httpx2.AsyncClient], Awaitable[httpx2.Response]]
) -> None:
    await ensure(world, "thief@acme.example")
    thief = await browser(world.api, "thief@acme.example", "acme")
    victim = await world.api.client(Accept="text/html")
    victim.cookies = thief.cookies
    planted_now(victim)
    assert (await thief.get(AGENTS)).status_code == 200

    answer = await way(world, victim)

    assert answer.status_code in (200, 303), answer.text
    planted, fresh = victim.headers["x-planted"], session_of(victim)
    assert fresh != planted
    stranger = await world.api.client(Cookie=f"{SESSION_COOKIE}={planted}")
    assert (await stranger.get(AGENTS)).status_code == 401, "what was planted ended"
    assert SESSION_COOKIE not in str(answer.headers.get("location")), "a session is never in an address"
    assert fresh not in str(answer.headers.get("location"))


async def ensure(world: World, email: str) -> None:
    if email not in world.own:
        world.own[email] = str((await member(world, email)).id)


@pytest.mark.parametrize("kind", ["an invitation", "a reset"])
async def test_a_link_opens_no_session_and_ends_those_that_there_are(world: World, kind: str) -> None:
    """Who used a link signs in afterwards; nothing that was in the browser, or elsewhere, speaks for the account."""
    administrator = await world.api.member("acme", "tenant_admin")
    email = f"{kind.split()[1]}@acme.example"
    if kind == "an invitation":
        made = await administrator.post("/api/v1/tenants/acme/people", json={"email": email, "role": "viewer"})
    else:
        person = await member(world, email)
        open_elsewhere = await browser(world.api, email, "acme")
        made = await administrator.post(f"/api/v1/tenants/acme/people/{person.id}/password-links")
    assert made.status_code == 201, made.text
    await ensure(world, "thief@acme.example")
    victim = await world.api.client(Accept="text/html")
    victim.cookies = (await browser(world.api, "thief@acme.example", "acme")).cookies
    token = str(made.json()).split("token=")[1].split("'")[0]
    new = "glacier whistle tandem orchid"
    answer = await victim.post("/set-password", data={"token": token, "password": new, "again": new})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?set=yes")
    assert "set-cookie" not in answer.headers
    if kind == "a reset":
        assert (await open_elsewhere.get(AGENTS)).status_code == 401
    planted = session_of(victim)
    assert (await sign_in(victim, email, new)).status_code == 303
    stranger = await world.api.client(Cookie=f"{SESSION_COOKIE}={planted}")
    assert (await stranger.get(AGENTS)).status_code == 401
