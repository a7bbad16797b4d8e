"""Whatever a desk answers, its plugin raises errors of a desk alone, and no credential comes back in one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from tests.support.hostile_desk import IDS, KEY, TOOLS, Answer, connect, serving

from deskhand.plugins.contract import NoteDraft
from deskhand.plugins.errors import DeskError
from deskhand.plugins.registry import PluginManager


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    with ExitStack() as desks:
        yield lambda answer: desks.enter_context(serving(answer))


def test_every_built_in_desk_is_tried() -> None:
    assert sorted(PluginManager.installed().tool_types) == TOOLS


async def errors_of(tool: str, url: str) -> list[str]:
    """What its calls say went wrong; anything but an error of a desk fails the test."""
    desk = connect(tool, url)
    said: list[str] = []
    try:
        said += [detail for _, _, detail in (await desk.test_connection()).checks]
        for call in (
            lambda: desk.get_ticket(IDS[tool]),
            lambda: desk.add_note(IDS[tool], NoteDraft(body="a note", mark="dh-" + "0" * 20)),
        ):
            try:
                said.append(repr(await call()))
            except DeskError as error:
                said += [error.detail, str(error), str(error.vendor_code), *error.fields]
                said.append(f"again after {error.retry_after}")
    finally:
        await desk.aclose()
    return said


ECHOES: dict[str, Answer] = {
    "JSON, refused": lambda request, body: (400, {"content-type": "application/json"}, _told(request, body)),
    "JSON, 401": lambda request, body: (401, {"content-type": "application/json"}, _told(request, body)),
    "text": lambda request, body: (429, {"content-type": "text/plain"}, f"bad {_headers(request)} {body!r}".encode()),
    "content type": lambda request, _body: (200, {"content-type": _headers(request)}, b"x"),
    "rate rule": lambda request, _body: (429, {"x-ratelimit-rule": _headers(request)}, b"{}"),
}


def _headers(request: BaseHTTPRequestHandler) -> str:
    return " ".join(request.headers.values()).replace("\n", " ")


def _told(request: BaseHTTPRequestHandler, body: bytes) -> bytes:
    words = f"bad {_headers(request)} {body.decode(errors='replace')}"
    return json.dumps(
        {
            "error": {"message": words, "detail": words, "title": words},
            "errorMessages": [words],
            "errors": {words: words},
            "response_status": {"status_code": 4000, "messages": [{"status_code": 4001, "message": words}]},
            "error_description": words,
        }
    ).encode()


@pytest.mark.parametrize("how", ECHOES)
@pytest.mark.parametrize("tool", TOOLS)
async def test_a_credential_that_is_echoed_is_not_readable(serve: Callable[[Answer], str], tool: str, how: str) -> None:
    said = " ".join(await errors_of(tool, serve(ECHOES[how])))
    assert said
    assert KEY not in said
    assert "kEy" not in said


ODD_BODIES = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1e999",
    "text": b'"ok"',
    "half": b'{"a": ',
    "deep": b"[" * 5000 + b"]" * 5000,
    "bytes": b"\xff\xfe\x00\xd8",
    "page": b"<html>sign in</html>",
    "empty parts": json.dumps(
        dict.fromkeys(("ticket", "request", "fields", "result", "notes", "comments", "id", "results"))
    ).encode(),
}
ODD_PARTS = ["x", 7, 1e308, True, [], [None], {}, {"a": {"b": [1]}}, [[]], -1]


@pytest.mark.parametrize("name", ODD_BODIES)
@pytest.mark.parametrize("tool", TOOLS)
async def test_odd_bodies_are_errors_of_the_desk(serve: Callable[[Answer], str], tool: str, name: str) -> None:
    assert await errors_of(tool, serve(lambda _request, _body: (200, {}, ODD_BODIES[name])))


@pytest.mark.parametrize("part", ODD_PARTS, ids=repr)
@pytest.mark.parametrize("tool", TOOLS)
async def test_parts_of_another_type_are_errors_of_the_desk_or_left_out(
    serve: Callable[[Answer], str], tool: str, part: Any
) -> None:
    names = (
        *("subject", "description", "status", "priority", "category", "requester", "technician", "resolution", "group"),
        *("created_time", "last_updated_time", "summary", "labels", "comment", "reporter", "created", "updated"),
        *("created_at", "updated_at", "tags", "custom_fields", "assignee_id", "requester_id", "short_description"),
        *("state", "sys_created_on", "sys_mod_count", "caller_id", "has_notes", "resolutiondate", "metric_set"),
    )
    ticket = {**dict.fromkeys(names, part), "id": IDS[tool], "sys_id": IDS[tool]}
    answer = {
        **dict.fromkeys(
            ("users", "groups", "meta", "list_info", "comments", "notes", "custom_statuses", "total"), part
        ),
        **ticket,
        "fields": ticket,
        "ticket": ticket,
        "request": ticket,
        "result": ticket,
        "response_status": {"status_code": 2000, "status": "success"},
        "access_token": "t",
        "expires_in": part,
    }
    content = json.dumps(answer).encode()
    assert await errors_of(tool, serve(lambda _request, _body: (200, {"content-type": "application/json"}, content)))
