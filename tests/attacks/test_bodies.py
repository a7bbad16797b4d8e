"""Bodies and values that carry more than was asked for: fields, SQL, templates, depth. Made from the API's document."""

from __future__ import annotations

import json
import os
import uuid
from itertools import cycle, islice
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError
from tests.access.test_permissions import World, caller
from tests.conftest import DatabaseUrls
from tests.support.attacks import (
    BODIES,
    CANARY,
    MARK,
    PLATFORMS,
    fingerprint,
    operations_with_a_body,
    parameters,
    resolved,
    stored_texts,
)
from tests.support.people import account, browser

import deskhand.models  # noqa: F401 - all tables are known
from deskhand.access.schemas import ApiKeyCreate
from deskhand.agents.prompts import render
from deskhand.kit import schema
from deskhand.kit.db.base import Base
from deskhand.kit.problem import SHOWN_FAULTS
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of

LONG = os.environ.get("DESKHAND_HYPOTHESIS_PROFILE") == "long"
"""Every bomb to every operation, every text to every value."""
IN_TURN = 3
PRODUCT = str(31_337 * 7_919)
"""What a template engine would make of the sum that is sent."""
INJECTIONS = (
    "'", '"', "' OR '1'='1", "') OR 1=1 --", "'; DROP TABLE agents; --", "1); SELECT pg_sleep(60); --", "%", "_", "\\",
    "$1 :id %(id)s {0} %s%n", "$$ OR TRUE; --", "\u02bc OR 1=1 --", "a' UNION SELECT key_hash FROM api_keys --",
    "{{31337*7919}}", "${31337*7919}", "#{31337*7919}", "<%= 31337*7919 %>", "{% for x in ().__class__ %}{% endfor %}",
    "{{config}}{{self.__init__.__globals__}}", "{0.__class__.__mro__}", "${jndi:ldap://127.0.0.1/a}",
)  # fmt: skip
BOTH, SPELT = "'{{31337*7919}}${31337*7919}", ("'", INJECTIONS[2], INJECTIONS[4])
DEEP = "[" * 50_000 + "]" * 50_000
BOMBS = {
    "deep": DEEP,
    "deep objects": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "a number of many digits": '{"name": ' + "9" * 100_000 + "}",
    "a huge exponent": '{"name": 1e999999999}',
    "many fields": json.dumps({f"field{number}": number for number in range(20_000)}),
    "one field many times": "{" + ",".join('"name": 1' for _ in range(30_000)) + "}",
    "not JSON": "{" * 60_000,
    "half a surrogate": '{"name": "\\ud800"}',
    "a NUL": '{"name": "a\\u0000b"}',
    "NaN": '{"name": NaN}',
}


def columns() -> dict[str, Any]:
    """Every column there is, with a value that an attacker would like to see in it."""
    wanted = {"tenant_id": "globex", "role": "platform_admin", "is_platform_admin": True, "id": str(uuid.UUID(int=7))}
    names = {column.name for table in Base.metadata.tables.values() for column in table.columns}
    return {name: wanted.get(name, MARK) for name in sorted(names | wanted.keys() | {"__class__", "constructor"})}


async def attackers(world: World) -> dict[str, httpx2.AsyncClient]:
    return {name: await caller(world, name, "key") for name in ("tenant_admin", "platform_admin")}


def who(clients: dict[str, httpx2.AsyncClient], operation: str) -> httpx2.AsyncClient:
    return clients["platform_admin" if operation in PLATFORMS else "tenant_admin"]


async def test_a_field_that_is_not_offered_is_refused_by_its_name(world: World, database_urls: DatabaseUrls) -> None:
    clients, missed, asked = await attackers(world), [], 0
    document = world.api.app.openapi()
    for method, path, operation, shape in operations_with_a_body(document):
        extra = {name: value for name, value in columns().items() if name not in shape["properties"]}
        names = list(extra)
        for start in range(0, len(names), SHOWN_FAULTS - 10):
            part = {name: extra[name] for name in names[start : start + SHOWN_FAULTS - 10]}
            answer = await who(clients, operation).request(
                method, path.format(**world.own), json={**BODIES.get(operation, {}), **part}
            )
            refused = {fault["pointer"].lstrip("/") for fault in answer.json().get("errors", ())}
            asked += 1
            if answer.status_code != 422 or not part.keys() <= refused:
                missed.append(f"{operation}: {answer.status_code}, takes {sorted(part.keys() - refused)[:5]}")
    assert not missed, "\n".join(missed)
    assert asked > 30
    assert [table for table, text in (await stored_texts(database_urls.superuser_url)).items() if MARK in text] == []


async def test_nobody_is_given_a_role_that_is_not_a_tenants(world: World) -> None:
    clients, offered = await attackers(world), 0
    for method, path, operation, shape in operations_with_a_body(world.api.app.openapi()):
        if "role" not in shape["properties"]:
            continue
        for role in ("platform_admin", "owner", "PLATFORM_ADMIN", "tenant_admin\n", ["tenant_admin"], {"$ne": ""}):
            body = {**BODIES[operation], "role": role}
            answer = await who(clients, operation).request(method, path.format(**world.own), json=body)
            assert answer.status_code == 422, (operation, role, answer.text)
            offered += 1
    assert offered >= 18


async def test_a_forms_own_fields_are_all_that_counts(world: World, database_urls: DatabaseUrls) -> None:
    """A page's form with a field for every column there is: nothing of it is stored, and no one rises."""
    await account(world.api, "form@acme.example", acme="tenant_admin")
    client = await browser(world.api, "form@acme.example", "acme")
    extra = {name: str(value) for name, value in columns().items()}
    token = csrf_token_of(client.cookies[SESSION_COOKIE])
    # The world's guests are, so that their invitations wait for them.
    administrators = (await stored_texts(database_urls.superuser_url))["users"].count('"is_platform_admin": true')
    known: dict[str, set[str]] = {}
    for parameter in parameters(world.api.app):
        if parameter.place == "body":
            known.setdefault(parameter.path, set()).add(parameter.name)
    for route in world.routes:
        if route.method != "POST" or not route.is_page or route.path in ("/logout", "/account/tenant"):
            continue
        if route.path.endswith(("/login/sso/{provider_id}", "/note-trial")):
            continue  # leads to a provider, or to a desk, that is not there
        form = {name: value for name, value in extra.items() if name not in known.get(route.path, set())}
        data = {**form, **route.body().get("data", {}), "csrf": token}
        answer = await client.post(route.path.format(**world.own), data=data)
        assert answer.status_code < 500, (route.name, answer.text)
    texts = await stored_texts(database_urls.superuser_url)
    assert [table for table, text in texts.items() if MARK in text] == []
    assert texts["users"].count('"is_platform_admin": true') == administrators


async def test_sql_and_templates_are_text_wherever_a_value_is_taken(world: World, database_urls: DatabaseUrls) -> None:
    """Every value gets a quote that ends nothing, with a sum to do; and one of ``SPELT``, the next one."""
    before = await fingerprint(database_urls.superuser_url, "globex")
    client, wrong, turn = await caller(world, "tenant_admin", "key"), [], cycle(SPELT)
    for parameter in parameters(world.api.app):
        # What is read as a number, an id or a time never reaches a statement as text; the fuzzer has those.
        reads_text = "str" in str(parameter.annotation)
        if parameter.method != "GET" or parameter.place == "body" or not reads_text:
            continue
        for text in (BOTH, *(SPELT if LONG else (next(turn),))):
            values = dict(world.own)
            if parameter.place == "path":
                values[parameter.name] = text.replace("/", "")
            query = {parameter.name: text} if parameter.place == "query" else {}
            method = "HEAD" if parameter.path.endswith("/events") else "GET"
            answer = await client.request(method, parameter.path.format(**values), params=query)
            if answer.status_code >= 500 or CANARY in answer.text or PRODUCT in answer.text:
                wrong.append(f"{parameter} = {text!r}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert await fingerprint(database_urls.superuser_url, "globex") == before


async def test_what_is_stored_under_such_a_name_comes_back_as_it_was(world: World) -> None:
    client, document = await caller(world, "tenant_admin", "key"), world.api.app.openapi()
    for text in INJECTIONS:
        if "{{" in text:
            continue  # a prompt's own variables, whose names are checked; the next test has them
        made = await client.post(
            "/api/v1/agents", json={**BODIES["create_agent"], "name": text, "system_prompt": text * 20}
        )
        if made.status_code == 201:
            shown = (await client.get(f"/api/v1/agents/{made.json()['id']}")).json()
            assert (shown["name"], shown["system_prompt"]) == (text, text * 20)
        else:
            assert made.status_code == 422, made.text
    assert resolved(document, {"$ref": "#/components/schemas/Problem"})["properties"]


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_variable_of_a_prompt_is_put_in_once_and_not_read(text: str) -> None:
    assert render("Ticket: {{ticket.subject}}.", {"ticket.subject": text}) == f"Ticket: {text}."
    twice = render("{{ticket.subject}}", {"ticket.subject": "{{tenant_name}}", "tenant_name": CANARY})
    assert twice == "{{tenant_name}}"
    assert PRODUCT not in render(text, {})


async def test_a_bomb_is_refused_by_every_operation_that_reads_a_body(world: World) -> None:
    """Each operation gets ``IN_TURN`` of them, the next ones, and one operation all: they are read in one place."""
    clients, turn = await attackers(world), cycle(BOMBS)
    for method, path, operation, _ in operations_with_a_body(world.api.app.openapi()):
        for bomb in BOMBS if LONG or operation == "create_agent" else list(islice(turn, IN_TURN)):
            answer = await who(clients, operation).request(
                method,
                path.format(**world.own),
                content=BOMBS[bomb].encode(),
                headers={"content-type": "application/json"},
            )
            assert answer.status_code in (400, 404, 413, 422), (operation, bomb, answer.status_code, answer.text[:300])
            assert len(answer.content) < 50_000, (operation, bomb)


def test_a_heap_of_unknown_fields_is_one_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told one by one, six thousand of them kept the process busy for half a second, and a stranger may send them."""
    compared: list[str] = []
    monkeypatch.setattr(schema, "what_exists", lambda word, known: compared.append(word) or "there are others")
    for heap, faults in ((schema.MAX_UNKNOWN_FIELDS, schema.MAX_UNKNOWN_FIELDS), (6_000, 1)):
        compared.clear()
        with pytest.raises(ValidationError) as refusal:
            ApiKeyCreate.model_validate({"name": "n", "role": "viewer", **{f"field{n}": n for n in range(heap)}})
        assert len(refusal.value.errors()) == len(compared) == faults
