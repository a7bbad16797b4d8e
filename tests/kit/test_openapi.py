"""What is put right in FastAPI's document, on an application of a few routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from deskhand.kit.openapi import NO_NUL, complete_document
from deskhand.kit.page import PageCursor
from deskhand.kit.problem import install_problem_handlers
from deskhand.kit.schema import KNOWN, InputModel


class Body(InputModel):
    """What comes in."""

    text: str
    tool: Annotated[str, Field(json_schema_extra={KNOWN: "desks"})] | None = None
    names: list[str] = Field(default_factory=list)
    narrow: str = Field("a", pattern="^a$")


class Shown(BaseModel):
    """What goes out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ident": "1", "gone": None}]})

    ident: str
    gone: str | None


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    app = FastAPI()

    @app.get("/one", responses={200: {"headers": {"ETag": {"schema": {"type": "string"}}}}})
    async def one(response: Response) -> Shown:
        response.headers["ETag"] = '"1"'
        return Shown(ident="1", gone=None)

    @app.get("/list")
    async def rows(cursor: PageCursor = None, q: Annotated[str | None, Query(max_length=5)] = None) -> list[str]:
        return [cursor or "", q or ""]

    @app.post("/one")
    async def change(body: Body) -> Shown:
        return Shown(ident=body.text, gone=None)

    @app.get("/stream", response_class=EventSourceResponse)
    async def stream() -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(data="x")

    install_problem_handlers(app)
    complete_document(app, known={"desks": lambda: ["jira", "zendesk"]})
    assert app.openapi() is app.openapi()
    return app.openapi()


def test_every_operation_says_what_its_kind_of_request_can_meet(paths: dict[str, Any]) -> None:
    one, change, rows = paths["paths"]["/one"]["get"], paths["paths"]["/one"]["post"], paths["paths"]["/list"]["get"]
    assert {"200", "304", "429"} <= one["responses"].keys()
    assert {"400", "413", "422", "429"} <= change["responses"].keys()
    assert {"404", "429"} <= rows["responses"].keys()
    assert "304" not in change["responses"]
    assert [parameter["name"] for parameter in one["parameters"]] == ["If-None-Match"]
    assert one["responses"]["304"]["headers"] == one["responses"]["200"]["headers"]
    assert one["security"] == []


def test_a_parameter_is_left_out_and_never_null(paths: dict[str, Any]) -> None:
    schemas = {parameter["name"]: parameter["schema"] for parameter in paths["paths"]["/list"]["get"]["parameters"]}
    assert (schemas["q"]["type"], schemas["q"]["maxLength"]) == ("string", 5)
    assert "anyOf" not in schemas["q"]


def test_texts_that_come_in_hold_no_nul_and_words_of_a_list_have_theirs(paths: dict[str, Any]) -> None:
    properties = paths["components"]["schemas"]["Body"]["properties"]
    assert properties["text"]["pattern"] == NO_NUL
    assert properties["names"]["items"]["pattern"] == NO_NUL
    assert properties["narrow"]["pattern"] == "^a$"
    assert properties["tool"]["anyOf"][0]["enum"] == ["jira", "zendesk"]
    assert KNOWN not in str(paths)
    assert "pattern" not in str(paths["components"]["schemas"]["Shown"])


def test_an_example_keeps_its_nulls_and_a_stream_is_text_in_3_1(paths: dict[str, Any]) -> None:
    assert paths["components"]["schemas"]["Shown"]["examples"] == [{"ident": "1", "gone": None}]
    content = paths["paths"]["/stream"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    assert content == {"schema": {"type": "string"}}
