"""A section leaves out no route: it answers every address as the router in it would by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount
from starlette.staticfiles import StaticFiles

from deskhand.api import ROUTERS
from deskhand.kit.sections import Section

UNLIKE = ("", "/", "//", "/nothing", "/api", "/api/v1/", "/API/V1/agents", "nothing", "*")


def by_itself(router: APIRouter) -> BaseRoute:
    outer = APIRouter()
    outer.include_router(router)
    return outer.routes[0]


def in_a_section(router: APIRouter) -> BaseRoute:
    return by_itself(Section(router))


def addresses(router: APIRouter) -> Iterator[str]:
    """Each of a router's, with something in its parameters, and what is nearly one."""
    for context in iter_route_contexts([by_itself(router)]):
        path = (context.path or "").replace("{", "").replace("}", "").replace(":path", "").replace(":uuid", "")
        yield from (path, f"{path}/", f"{path}/more", path[:-1], path.upper(), f"{path} more", f"/front{path}")


def match(route: BaseRoute, path: str, method: str, **scope: str) -> Match:
    asked = {"type": "http", "path": path, "method": method, "headers": [], "path_params": {}, **scope}
    return route.matches(asked)[0]


def test_the_same_routes_are_found_as_without_sections() -> None:
    everything = [address for router in ROUTERS for address in addresses(router)]
    assert len(everything) > 2000
    found, wrong = 0, []
    for router in ROUTERS:
        plain, sifted = by_itself(router), in_a_section(router)
        # Every section is asked for each of its own addresses, and for some of all others'.
        for number, path in enumerate([*UNLIKE, *addresses(router), *everything[::53]]):
            method = ("GET", "POST", "DELETE")[number % 3]
            expected = match(plain, path, method)
            found += expected is not Match.NONE
            if match(sifted, path, method) is not expected:
                wrong.append((method, path))
    assert found > 300
    assert not wrong


def test_what_is_mounted_is_found() -> None:
    router = APIRouter()
    router.routes.append(Mount("/files", StaticFiles(check_dir=False, directory="nowhere")))
    assert match(in_a_section(router), "/files/one/two", "GET") is Match.FULL
    assert match(in_a_section(router), "/file", "GET") is Match.NONE


def test_a_route_without_an_address_is_always_asked() -> None:
    router = APIRouter()
    router.routes.append(Host("localhost", PlainTextResponse("here")))
    asked = {"type": "http", "path": "/any", "method": "GET", "headers": [(b"host", b"localhost")]}
    assert in_a_section(router).matches(asked)[0] is Match.FULL


@pytest.mark.parametrize("path", ["/front/agents", "/front/agents/7"])
def test_under_a_root_path_nothing_is_sifted(path: str) -> None:
    router = APIRouter()
    router.get("/agents")(lambda: None)
    router.get("/agents/{number}")(lambda number: None)
    assert match(in_a_section(router), path, "GET", root_path="/front") is Match.FULL
    assert match(in_a_section(router), path, "GET") is Match.NONE
