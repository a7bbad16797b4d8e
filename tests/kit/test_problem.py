from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, SecretStr
from sqlalchemy.exc import OperationalError

from deskhand.errors import NotFoundError, RateLimitedError, UnauthenticatedError
from deskhand.kit.pointer import pointer
from deskhand.kit.problem import MEDIA_TYPE, install_problem_handlers, problem_responses
from deskhand.simulators.base.server import run_in_process

NAMED = {
    413: ("payload-too-large", "Payload too large"),
    414: ("uri-too-long", "URI Too Long"),
    416: ("range-not-satisfiable", "Range Not Satisfiable"),
    422: ("unprocessable-content", "Unprocessable Content"),
}
"""What a status is called whoever raised it, and on whichever Python."""


class Inner(BaseModel):
    number: int


class Body(BaseModel):
    secret: SecretStr
    parts: list[Inner] = []


def _app() -> FastAPI:
    app = FastAPI()

    @app.post("/body", responses=problem_responses(NotFoundError))
    async def body(data: Body, limit: int = 1) -> None: ...

    @app.get("/raise/{what}")
    async def fail(what: str) -> Response:
        errors: dict[str, Exception] = {
            "limited": RateLimitedError("Slow down.", retry_after=2.2),
            "stranger": UnauthenticatedError("Who are you?"),
            "database": OperationalError("SELECT secret", {}, OSError("refused")),
            "refused": ConnectionRefusedError("10.0.0.7:5432"),
            "bug": ZeroDivisionError("a secret in a message"),
            **{f"status {status}": HTTPException(status) for status in NAMED},
        }
        raise errors[what]

    install_problem_handlers(app, login_path="/login")
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with run_in_process(_app()) as server, httpx2.AsyncClient(base_url=server.url) as http:
        yield http


async def test_every_fault_of_a_body_is_named_by_pointer_and_no_input_is_echoed(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/body?limit=x", json={"secret": 5, "parts": [{"number": 1}, {"number": "hunter2"}]})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem = answer.json()
    assert (problem["type"], problem["status"]) == ("urn:deskhand:problem:invalid-input", 422)
    found = {(fault["source"], fault["pointer"]) for fault in problem["errors"]}
    assert found == {("query", "/limit"), ("body", "/secret"), ("body", "/parts/1/number")}
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[1", b"nul"])
async def test_a_body_that_is_no_json_is_a_bad_request(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post("/body", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


@pytest.mark.parametrize("status", NAMED)
async def test_a_status_has_one_name_on_every_python(client: httpx2.AsyncClient, status: int) -> None:
    answer = await client.get(f"/raise/status {status}")
    assert (answer.status_code, answer.json()["code"], answer.json()["title"]) == (status, *NAMED[status])


async def test_an_unforeseen_error_tells_nothing_but_an_id(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/raise/bug", headers={"X-Request-ID": "trace-42"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert answer.json()["request_id"] == "trace-42" == answer.headers["x-request-id"]
    assert "trace-42" in answer.json()["detail"]


async def test_a_callers_request_id_is_taken_only_if_it_is_harmless(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/nowhere", headers={"X-Request-ID": '"><script>'})
    assert "script" not in answer.text
    assert len(answer.json()["request_id"]) == 16


@pytest.mark.parametrize(("what", "retry"), [("limited", "3"), ("database", "5"), ("refused", "5")])
async def test_what_may_pass_says_when(client: httpx2.AsyncClient, what: str, retry: str) -> None:
    answer = await client.get(f"/raise/{what}")
    assert answer.status_code == (429 if what == "limited" else 503)
    assert answer.headers["retry-after"] == retry
    assert "SELECT" not in answer.text
    assert "10.0.0.7" not in answer.text


async def test_starlettes_own_errors_are_problems_too(client: httpx2.AsyncClient) -> None:
    missing = await client.get("/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    wrong = await client.delete("/body")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["code"] == "method-not-allowed"


async def test_a_browser_without_a_session_is_sent_to_sign_in(client: httpx2.AsyncClient) -> None:
    page = await client.get("/raise/stranger?x=1", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/raise/stranger%3Fx%3D1")
    machine = await client.get("/raise/stranger")
    assert machine.status_code == 401
    assert machine.headers["www-authenticate"].startswith("Bearer")


async def test_the_openapi_document_declares_problems(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    responses = document["paths"]["/body"]["post"]["responses"]
    assert {"400", "401", "403", "404", "422", "503"} <= responses.keys()
    assert list(responses["422"]["content"]) == [MEDIA_TYPE]
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in str(document)


def test_pointers_are_escaped() -> None:
    assert pointer(["a/b", "c~d", 0]) == "/a~1b/c~0d/0"
    assert pointer([]) == ""


@pytest.mark.parametrize("https", [True, False])
async def test_every_answer_says_what_a_browser_may_make_of_it(https: bool) -> None:
    app = FastAPI()

    @app.get("/page")
    async def page() -> Response:
        return Response("", headers={"Content-Security-Policy": "script-src 'self'"})

    install_problem_handlers(app, https=https)
    async with run_in_process(app) as server, httpx2.AsyncClient(base_url=server.url) as http:
        answers = [await http.get(path) for path in ("/page", "/nothing", "/openapi.json")]
        posted = await http.post("/page")
    for answer in (*answers, posted):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.headers["x-request-id"]) == 16
        assert ("strict-transport-security" in answer.headers) == https
    policies = [answer.headers["content-security-policy"] for answer in answers]
    assert policies[0] == "script-src 'self'", "a page says for itself what it loads"
    assert set(policies[1:]) == {"default-src 'none'; frame-ancestors 'none'"}
