"""Ids and names of another tenant, in every place that takes a value: nothing comes back and nothing changes there.

That a foreign id in an address is 404 for every role is the matrix's (``tests/access/test_permissions.py``). Here they
come where the matrix does not look: in queries, forms and bodies, in headers, and as cursors.

Each place gets every id that its own name says, and ``IN_TURN`` of the others: the next ones, so that each id comes to
many places. What a place reads it looks up as its own kind, so another kind finds the same nothing whichever it is.
With ``DESKHAND_HYPOTHESIS_PROFILE=long``: every id in every place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import httpx2
import pytest
from tests.access.test_permissions import SHARED, World, caller
from tests.conftest import DatabaseUrls
from tests.support.attacks import BODIES, CANARY, EVIL, fingerprint, operations_with_a_body, parameters
from tests.support.people import account, browser

from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of

SMUGGLED = {
    "X-Tenant-Id": "globex", "X-Tenant": "globex", "Tenant": "globex", "X-Deskhand-Tenant": "globex",
    "X-Organization-Id": "globex", "X-Forwarded-User": "member@globex.example", "X-Remote-User": "root",
    "X-User-Id": "{person_id}", "X-Role": "platform_admin", "X-Original-URL": "/api/v1/tenants/globex",
    "X-Rewrite-URL": "/api/v1/tenants/globex", "X-HTTP-Method-Override": "DELETE", "X-Forwarded-Host": EVIL,
    "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": f"//{EVIL}", "X-Forwarded-For": "127.0.0.1",
    "X-Real-IP": "127.0.0.1", "Forwarded": f"for=127.0.0.1;host={EVIL};proto=https", "Host": EVIL,
}  # fmt: skip
LONG = os.environ.get("DESKHAND_HYPOTHESIS_PROFILE") == "long"
IN_TURN = 3
LOOSE = {
    "X-Tenant-Id": "globex",
    "_method": "DELETE",
    "tenant_id": "globex",
    "tenant": "globex",
    "role": "tenant_admin",
}


async def signed_in(world: World) -> httpx2.AsyncClient:
    """A browser of acme's administrator."""
    email = "admin@acme.example"
    if "admin" not in world.own:
        world.own["admin"] = str((await account(world.api, email, acme="tenant_admin")).id)
    return await browser(world.api, email, "acme")


def foreign_ids(world: World) -> dict[str, str]:
    return {name: world.foreign[name] for name in world.foreign.keys() - SHARED}


def turns(world: World) -> Iterator[tuple[str, str]]:
    return cycle(sorted(foreign_ids(world).items()))


def tried_on(world: World, place: str, turn: Iterator[tuple[str, str]]) -> dict[str, str]:
    """The foreign ids for a place of this name."""
    ids = foreign_ids(world)
    stem = re.sub(r"_(?:id|ref)$", "", place.removesuffix("s"))
    meant = {kind: value for kind, value in ids.items() if stem in kind or re.sub(r"_(?:id|ref)$", "", kind) in place}
    return ids if LONG else meant | dict(islice(turn, IN_TURN))


def is_id(name: str, annotation: Any) -> bool:
    """Whether a value says which thing is meant."""
    return "UUID" in str(annotation) or name.endswith(
        ("id", "ids", "tenant", "agent", "version", "execution", "trigger")
    )


async def send(world: World, client: httpx2.AsyncClient, method: str, path: str, **body: Any) -> httpx2.Response:
    address = path.replace(":path", "").format(**world.own)
    if "data" in body:
        body["data"] = {**body["data"], "csrf": csrf_token_of(client.cookies[SESSION_COOKIE])}
    # A stream is asked for its head alone: it would not end.
    return await client.request("HEAD" if path.endswith("/events") else method, address, **body)


async def test_a_foreign_id_in_a_query_or_a_form_finds_and_changes_nothing(
    world: World, database_urls: DatabaseUrls
) -> None:
    before = await fingerprint(database_urls.superuser_url, "globex")
    client, wrong, tried, turn = await signed_in(world), [], 0, turns(world)
    for parameter in parameters(world.api.app):
        if parameter.place == "path" or (parameter.path.startswith("/api/") and parameter.place == "body"):
            continue
        if not is_id(parameter.name, parameter.annotation) or parameter.path in ("/login", "/account/tenant"):
            continue
        for kind, value in tried_on(world, parameter.name, turn).items():
            where = "params" if parameter.place == "query" else "data"
            answer = await send(world, client, parameter.method, parameter.path, **{where: {parameter.name: value}})
            tried += 1
            if answer.status_code >= 500 or CANARY in answer.text:
                wrong.append(f"{parameter} with a foreign {kind}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert tried > 20
    assert await fingerprint(database_urls.superuser_url, "globex") == before


async def test_a_foreign_id_in_a_body_finds_and_changes_nothing(world: World, database_urls: DatabaseUrls) -> None:
    before = await fingerprint(database_urls.superuser_url, "globex")
    client, wrong, tried, turn = await caller(world, "tenant_admin", "key"), [], 0, turns(world)
    for method, path, operation, schema in operations_with_a_body(world.api.app.openapi()):
        for name, field in schema["properties"].items():
            if not is_id(name, "UUID" if "uuid" in str(field) else ""):
                continue
            for kind, value in tried_on(world, name, turn).items():
                body = {**BODIES.get(operation, {}), name: [value] if "array" in str(field) else value}
                answer = await send(world, client, method, path, json=body)
                tried += 1
                if answer.status_code >= 500 or CANARY in answer.text:
                    wrong.append(f"{operation}.{name} with a foreign {kind}: {answer.status_code}")
    # A trigger of an agent is named by its id inside the agent's body.
    for trigger in ({"id": world.foreign["trigger_id"], "trigger_type": "schedule", "schedule_cron": "0 1 * * *"},):
        answer = await send(world, client, "PATCH", "/api/v1/agents/{agent_id}", json={"triggers": [trigger]})
        assert answer.status_code in (404, 409, 422), answer.text
        tried += 1
    assert not wrong, "\n".join(wrong)
    assert tried > 6
    assert await fingerprint(database_urls.superuser_url, "globex") == before


async def test_a_foreign_cursor_leads_into_no_other_tenant(world: World) -> None:
    ours, theirs = await caller(world, "tenant_admin", "key"), await world.api.member("globex", "tenant_admin")
    for parameter in parameters(world.api.app):
        if (parameter.name, parameter.method) != ("cursor", "GET") or not parameter.path.startswith("/api/"):
            continue
        address = parameter.path.format(**world.foreign)
        listed = (await theirs.get(address, params={"limit": 1})).json()
        cursor = listed.get("next_cursor") if isinstance(listed, dict) else None
        answer = await ours.get(parameter.path.format(**world.own), params={"cursor": cursor} if cursor else {})
        assert CANARY not in answer.text, parameter
        assert answer.status_code < 500, parameter


async def test_no_header_and_no_loose_parameter_chooses_the_tenant(world: World, database_urls: DatabaseUrls) -> None:
    before = [await fingerprint(database_urls.superuser_url, name) for name in ("acme", "globex")]
    client = await caller(world, "tenant_admin", "key")
    person = await signed_in(world)
    between = await fingerprint(database_urls.superuser_url, "acme")
    headers = {name: value.format(**world.foreign) for name, value in SMUGGLED.items()}
    wrong = []
    for route in world.routes:
        if route.method != "GET" or "{path" in route.path or route.path.startswith("/static"):
            continue
        if route.path == "/login/sso/{provider_id}/callback":
            continue  # an answer that belongs to no sign-in is put on record; tests/audit/test_refusals.py
        who = person if route.is_page else client
        plain = await send(world, who, "GET", route.path)
        smuggled = await send(world, who, "GET", route.path, headers=headers, params=LOOSE)
        body = smuggled.text + str(smuggled.headers)
        # A query that a route knows may be refused; what it may never do is to answer with more.
        same = smuggled.status_code == plain.status_code or smuggled.status_code in (403, 404, 422)
        if not same or CANARY in body or EVIL in body:
            wrong.append(f"{route.name}: {plain.status_code} became {smuggled.status_code}, {EVIL in body=}")
    assert not wrong, "\n".join(wrong)
    assert await fingerprint(database_urls.superuser_url, "globex") == before[1]
    assert await fingerprint(database_urls.superuser_url, "acme") == between


@pytest.mark.parametrize("role", ["viewer", "tenant_admin"])
async def test_an_id_that_is_nobodys_and_one_that_is_anothers_are_answered_alike(world: World, role: str) -> None:
    """Word for word, so that nobody learns which ids there are."""
    client = await world.api.member("acme", role)
    nobody = "0190b2a4-0000-7000-8000-000000000000"
    for route in world.routes:
        ids = route.parameters & {"agent_id", "execution_id", "trigger_id", "key_id"}
        if route.method != "GET" or route.is_page or not ids:
            continue
        answers = []
        for values in (world.foreign, dict.fromkeys(ids, nobody)):
            address = route.path.format(**{**world.own, **{name: values[name] for name in ids}})
            answer = await client.get(address, params=route.body().get("params"), headers={"X-Request-ID": "same"})
            text = answer.text
            for name in ids:
                text = text.replace(values[name], "<id>")
            answers.append((answer.status_code, text))
        assert answers[0] == answers[1], route.name
