"""A query parameter that a route does not have is refused, on every route of the application, with those there are."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator

import httpx2
from fastapi.routing import APIRoute, iter_route_contexts
from tests.support.api import Api

from deskhand.api import OTHERS_ADDRESSES
from deskhand.kit.parameters import parameter_names

NOBODY = str(uuid.uuid4())


def routes(api: Api) -> Iterator[tuple[str, str, APIRoute]]:
    for context in iter_route_contexts(api.app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            for method in sorted(route.methods - {"HEAD"}):
                yield re.sub(r"{[^}]*}", NOBODY, str(context.path)), method, route


def told(answer: httpx2.Response, word: str) -> str:
    """The sentence about a parameter: in a problem document, or on the page that says it to people."""
    if answer.headers["content-type"].startswith("text/html"):
        page = html.unescape(answer.text)
        assert f"'{word}': there is no such parameter here" in page
        return page
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["source"]) == (f"/{word}", "query")
    return str(fault["detail"])


async def test_a_parameter_nobody_reads_is_refused_on_every_route_with_those_there_are(api: Api) -> None:
    client, tried, webhooks = await api.client(), 0, set()
    for address, method, route in routes(api):
        known = list(parameter_names(route.dependant))
        slips = {name: name[:-1] + "qx" for name in known if len(name) > 5}
        for word in ["nobody_reads_this", *slips.values()]:
            answer = await client.request(method, address, params={word: "1"})
            if route.operation_id in OTHERS_ADDRESSES:
                assert "there is no such parameter" not in answer.text, address
                webhooks.add(route.operation_id)
                continue
            assert answer.status_code == 422, (method, address, answer.status_code)
            sentence = told(answer, word)
            assert all(f"'{name}'" in sentence for name in known) or " more" in sentence, (address, sentence)
            tried += 1
        for name, slip in slips.items():
            answer = await client.request(method, address, params={slip: "1"})
            assert f"did you mean '{name}'?" in told(answer, slip), (address, name)
    assert webhooks == OTHERS_ADDRESSES
    assert tried > 80


async def test_every_parameter_of_the_document_is_known(api: Api) -> None:
    known = {(method, route.operation_id): set(parameter_names(route.dependant)) for _, method, route in routes(api)}
    checked = 0
    for item in api.app.openapi()["paths"].values():
        for method, operation in item.items():
            named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
            assert known[method.upper(), operation["operationId"]] == named, operation["operationId"]
            assert "422" in operation["responses"], operation["operationId"]
            checked += len(named)
    assert checked > 30
