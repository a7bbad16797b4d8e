"""A megabyte of the worst to every HTTP entrance, or the most that it takes: the loop that all share never stands.

The entrances come from the application: every operation with a body, every text of a query, both webhook addresses.
What is measured is the CPU time of the loop's thread between two beats, so a loaded machine changes nothing.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import httpx2
import pytest
from tests.kit.test_worst_text import UNITS, deep, events, filled_with, mixed, repeated, slowness
from tests.support.api import Api
from tests.support.desks import DESKS

from deskhand.intake.endpoints import MAX_BODY_BYTES
from deskhand.kit.schema import MAX_PARTS, ensure_storable
from deskhand.kit.watchdog import STALL_SECONDS
from deskhand.plugins.signatures import standard_headers

NOBODY = str(uuid.uuid4())
ROOM = MAX_BODY_BYTES - 4_000
TYPES = {"content-type": "application/json"}
BEAT_SECONDS = 0.005
TIMES = 3
GENEROUS = 2
"""Times a stall: two callbacks may lie between two beats, and a busy neighbour takes the processor's cache."""
WORST = {
    "brackets": b"[" * ROOM,
    "objects": b'{"a":' * (ROOM // 5),
    "closed lists": b"[" * (ROOM // 2) + b"]" * (ROOM // 2),
    "digits": b'{"a":' + b"9" * (ROOM - 10) + b"}",
    "numbers": b'{"a":[' + b"1," * (ROOM // 2 - 10) + b"1]}",
    "keys": json.dumps({f"k{number}": 1 for number in range(ROOM // 14)}).encode(),
    "empty lists": b"[" + b"[]," * (ROOM // 3 - 2) + b"[]]",
    "halves": b'"' + b"\\ud83d" * (ROOM // 6 - 1) + b'"',
    "a deep text": json.dumps(deep(ROOM - 3_000)).encode(),
    "no UTF-8": b"\xff" * ROOM,
}
LONG = os.environ.get("DESKHAND_HYPOTHESIS_PROFILE") == "long"
"""Every field of every operation."""
IN_TURN = 2
"""Of those, how many each operation gets: the next ones, so that all are sent many times over."""
EACH = 16
"""Every so many-th unit to one text of a query, beginning with another one each time."""


def fields_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, str]:
    """The fields of an operation's body, each with what tells whether another operation's is read by the same type."""
    schema = operation["requestBody"].get("content", {}).get("application/json", {}).get("schema", {})
    named = schema.get("$ref", "").rpartition("/")[2]
    fields = document["components"]["schemas"].get(named, schema).get("properties", {})
    return {name: json.dumps([name, read_by(field)], sort_keys=True) for name, field in fields.items()}


def read_by(field: dict[str, Any]) -> dict[str, Any]:
    """What a field says of its type; that it may be left out or be null, as where a thing is changed, is another's."""
    others = [one for one in field.get("anyOf", ()) if one != {"type": "null"}]
    words = {"title", "description", "default", "examples", "anyOf"}
    kept = {name: value for name, value in field.items() if name not in words}
    return kept | (read_by(others[0]) if len(others) == 1 else {"anyOf": others})


def filled_bodies(fields: dict[str, str], text: str, met: set[str]) -> Iterator[tuple[str, bytes]]:
    """A body for each field that is as long as a body may be, and one in which all are long lists.

    A field that was met in another operation is left out: to make a thing and to change it read it by one type.
    """
    for name, kind in fields.items():
        if LONG or kind not in met:
            met.add(kind)
            yield name, json.dumps({name: text}).encode()
    if fields:
        yield "lists", json.dumps({name: ["a"] * (ROOM // 6 // len(fields)) for name in fields}).encode()


@dataclass
class Loop:
    """What holds the loop: requests after which a callback had taken longer than a stall of the watchdog.

    A pass of the collector or a neighbour's burst also costs the thread time, and no second time with the same request.
    What holds the loop holds it whenever it is sent, so only that counts which does so ``TIMES`` in a row.
    """

    limit: float
    stalls: list[tuple[float, str]] = field(default_factory=list)
    _worst: float = 0.0
    _then: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    def beat(self) -> None:
        cpu = time.thread_time()
        self._worst = max(self._worst, cpu - self._then)
        self._then = cpu
        self._timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self.beat)

    async def send(self, what: str, request: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
        for _ in range(TIMES):
            self._begin()
            answer = await request()
            await asyncio.sleep(0)  # a callback that stood is measured by the next beat
            self._end()
            if self._worst <= self.limit:
                return answer
        self.stalls.append((round(self._worst, 3), what))
        return answer

    def _begin(self) -> None:
        self._worst, self._then = 0.0, time.thread_time()
        self.beat()

    def _end(self) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._worst = max(self._worst, time.thread_time() - self._then)


@contextmanager
def loop_that_never_stands() -> Iterator[Loop]:
    """Fails if a request held the loop for longer than a stall of the watchdog, and names it."""
    # The product is measured and not what measures it: coverage takes several times as long as the code, and a pass of
    # the collector walks what all tests before have left. Its passes over what is new belong to the product.
    loop, tracer = Loop(GENEROUS * STALL_SECONDS * slowness()), sys.gettrace()
    gc.collect()
    gc.freeze()
    sys.settrace(None)
    try:
        yield loop
    finally:
        sys.settrace(tracer)
        gc.unfreeze()
    assert loop.stalls == []


async def test_what_holds_the_loop_is_named_and_what_held_it_once_is_not() -> None:
    def spin() -> None:
        until = time.thread_time() + 2 * GENEROUS * STALL_SECONDS * slowness()
        while time.thread_time() < until:
            pass

    asked: list[str] = []

    async def answer(name: str, *, stands: bool) -> httpx2.Response:
        asked.append(name)
        if stands or asked.count(name) == 1:
            asyncio.get_running_loop().call_soon(spin)
            await asyncio.sleep(0)
        return httpx2.Response(200)

    async def held() -> None:
        with loop_that_never_stands() as loop:
            await loop.send("stands once", partial(answer, "stands once", stands=False))
            assert loop.stalls == []
            await loop.send("stands always", partial(answer, "stands always", stands=True))

    with pytest.raises(AssertionError, match="stands always"):
        await held()
    assert asked == ["stands once"] * 2 + ["stands always"] * TIMES


def address_of(path: str) -> str:
    return re.sub(r"{[^}]*}", lambda part: "acme" if part[0] == "{tenant_id}" else NOBODY, path)


@pytest.fixture
async def warm(api: Api) -> tuple[httpx2.AsyncClient, httpx2.AsyncClient]:
    """Clients of a tenant and of the platform; the first request builds the routes, and that is not measured."""
    clients = await api.tenant(), await api.platform()
    api.app.openapi()
    return clients


async def test_the_worst_bodies_of_every_operation(
    api: Api, warm: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
) -> None:
    document, text, turn, met = api.app.openapi(), mixed(ROOM // 3), count(), set[str]()
    operations = [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation and "webhooks" not in operation["tags"]
    ]
    assert len(operations) >= 15
    with loop_that_never_stands() as loop:
        for path, method, operation in operations:
            client = warm[path == "/api/v1/tenants" or "identity-providers" in path]
            names = [list(WORST)[next(turn) % len(WORST)] for _ in range(IN_TURN)]
            bodies = [(name, WORST[name]) for name in names]
            for name, body in [*bodies, *filled_bodies(fields_of(document, operation), text, met)]:
                request = partial(client.request, method, address_of(path), content=body, headers=TYPES)
                answer = await loop.send(f"{method} {path}, {name}", request)
                assert answer.status_code < 500, (method, path, name, answer.text[:500])


async def test_each_of_the_worst_bodies_where_keys_of_ones_own_are_kept(
    api: Api, warm: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
) -> None:
    with loop_that_never_stands() as loop:
        for name, body in WORST.items():
            request = partial(warm[1].patch, "/api/v1/tenants/acme", content=body, headers=TYPES)
            answer = await loop.send(name, request)
            assert 400 <= answer.status_code < 500, (name, answer.text[:500])


async def test_the_worst_texts_of_every_query(api: Api, warm: tuple[httpx2.AsyncClient, httpx2.AsyncClient]) -> None:
    turn = count()
    with loop_that_never_stands() as loop:
        for path, item in api.app.openapi()["paths"].items():
            for one in item.get("get", {}).get("parameters", ()):
                if one["in"] != "query" or one["schema"].get("type") != "string" or "{" in path:
                    continue
                size = min(int(one["schema"].get("maxLength", 2_000)), 2_000)
                for unit in list(UNITS.values())[next(turn) % EACH :: EACH]:
                    word = repeated(unit, size)[:size].encode("utf-8", "replace").decode()
                    request = partial(warm[path == "/api/v1/tenants"].head, path, params={one["name"]: word})
                    answer = await loop.send(f"{path}?{one['name']}={unit!r}…", request)
                    assert answer.status_code < 500, (path, one["name"], unit)
    assert next(turn) >= EACH


async def test_the_worst_events_of_every_desk(api: Api, warm: tuple[httpx2.AsyncClient, httpx2.AsyncClient]) -> None:
    agent = await api.agent(warm[0], status="draft")
    (secret,) = agent["webhook_secrets"]
    await warm[0].post(f"/api/v1/agents/{agent['id']}/activate")
    bodies = WORST | {
        f"event {number} of {tool_type}": json.dumps(filled_with(event, mixed(ROOM // 8))).encode()[:MAX_BODY_BYTES]
        for tool_type in DESKS
        for number, event in enumerate(events(tool_type))
    }
    with loop_that_never_stands() as loop:
        for name, body in [*bodies.items(), ("too much", b"x" * (3 * MAX_BODY_BYTES))]:
            signed = standard_headers(secret["secret"], body, message_id=name, now=datetime.now(UTC))
            for address in (f"/agents/{agent['id']}/webhook", "/webhooks/acme/servicedesk_plus"):
                request = partial(warm[0].post, address, content=body, headers={**signed, **TYPES})
                answer = await loop.send(f"{address}, {name}", request)
                assert answer.status_code < 500, (address, name, answer.text[:500])


@pytest.mark.parametrize(
    "most",
    [
        [1] * MAX_PARTS,
        {f"k{number}": 1 for number in range(MAX_PARTS // 2)},
        [[], [1] * (MAX_PARTS - 2)],
        {"a": {"b": [1] * (MAX_PARTS - 6)}, "c": []},
    ],
    ids=["list", "object", "lists", "lists in objects"],
)
def test_a_body_has_so_many_values_and_no_more(most: Any) -> None:
    with pytest.raises(ValueError, match=f"not have more than {MAX_PARTS} values"):
        ensure_storable([most])
    ensure_storable(most)
