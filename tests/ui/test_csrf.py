"""Forms: who may send a change, and where errors and strangers go."""

from __future__ import annotations

import io

import pytest
from fastapi import Request
from rich.console import Console

from deskhand.errors import ForbiddenError
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token, refuse_cross_site
from deskhand.ui.routing import to_login
from deskhand.ui.terminal import bars, download_bars

PUBLIC = "https://desk.corp.test:8443"


def _request(method: str = "POST", path: str = "/executions", query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": raw,
            "server": ("desk.corp.test", 8443),
            "scheme": "https",
        }
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"origin": PUBLIC},
        {"origin": "HTTPS://DESK.corp.test:8443"},
        {"origin": "http://10.0.0.7:8000", "host": "10.0.0.7:8000"},
        {},
    ],
)
def test_our_own_pages_and_programs_may_change_things(headers: dict[str, str]) -> None:
    refuse_cross_site(_request(**headers), PUBLIC)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": PUBLIC},
        {"sec_fetch_site": ""},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://desk.corp.test"},
        {"origin": "https://desk.corp.test:8443.evil.test"},
        {"origin": "https://evil.test", "host": "desk.corp.test:8443"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_sites_page_may_not(method: str, headers: dict[str, str]) -> None:
    with pytest.raises(ForbiddenError):
        refuse_cross_site(_request(method, **headers), PUBLIC)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_is_free(method: str) -> None:
    refuse_cross_site(_request(method, sec_fetch_site="cross-site"), PUBLIC)


def test_a_forms_token_belongs_to_its_session_and_is_not_the_session() -> None:
    one = csrf_token(_request(cookie=f"{SESSION_COOKIE}=abc"))
    assert one == csrf_token(_request(cookie=f"{SESSION_COOKIE}=abc"))
    assert one != csrf_token(_request(cookie=f"{SESSION_COOKIE}=abd"))
    assert "abc" not in one
    assert csrf_token(_request()) == ""


@pytest.mark.parametrize(
    ("request_", "target"),
    [
        (_request("GET", "/executions", "status=failed"), "/login?next=/executions%3Fstatus%3Dfailed"),
        (_request("GET", "/"), "/login"),
        (_request("POST", "/executions/bulk"), "/login"),
        (_request("GET", "//evil.test/x"), "/login?next=//evil.test/x"),
    ],
)
def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(request_: Request, target: str) -> None:
    answer = to_login(request_)
    assert (answer.status_code, answer.headers["location"]) == (303, target)
    assert answer.headers["cache-control"] == "no-store"


def test_a_fragment_makes_the_whole_page_go() -> None:
    answer = to_login(_request("GET", "/executions", hx_request="true"))
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/login")


def test_a_terminal_shows_how_far_something_is() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    for display, unit in ((bars(console), "50%"), (download_bars(console), "5/10 bytes")):
        with display:
            task = display.add_task("reading", total=10)
            display.update(task, completed=5)
        assert unit in screen.getvalue()
