"""The sign-in page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/login")
async def show_login(
    request: Request,
    next_path: Annotated[str, Query(alias="next", max_length=2000)] = "/",
    token: Annotated[str, Query(max_length=500)] = "",
) -> HTMLResponse:
    return login_page(request, next_path=next_path, token=token)


def login_page(
    request: Request, *, next_path: str, token: str = "", problem: str = "", status_code: int = 200
) -> HTMLResponse:
    """The form that exchanges a key or a token for a session.

    A token is not used up by opening its address (mail scanners and previews open addresses); the button does it.

    Args:
        request: The request.
        next_path: Page to go on to; checked when the form is sent.
        token: A sign-in token, instead of asking for an API key.
        problem: Why the last try failed.
        status_code: HTTP status of the answer.
    """
    context = {"next_path": next_path, "token": "" if problem else token, "problem": problem}
    return render(request, "access/login.html", status_code=status_code, **context)
