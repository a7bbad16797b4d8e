"""The sign-in page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse)

_PAGE = {"content": {"text/html": {"schema": {"type": "string"}}}}
# In the document, because its address is that of an operation: a caller of POST /login may try GET.
_ANSWERS: dict[int | str, dict[str, Any]] = {200: _PAGE, 422: {"description": "Invalid input", **_PAGE}}


@router.get("/login", operation_id="show_login", tags=["access"], responses=_ANSWERS)
async def show_login(
    request: Request,
    next_path: Annotated[str, Query(alias="next", max_length=2000, description="Page to go on to.")] = "/",
    token: Annotated[str, Query(max_length=500, description="A sign-in token, instead of a password.")] = "",
    way: Annotated[str, Query(alias="with", max_length=20, description="`key` asks for an API key.")] = "",
    was_set: Annotated[str, Query(alias="set", max_length=20, description="After a password was set.")] = "",
) -> HTMLResponse:
    """The page to sign in to the console on."""
    done = "Your password is set. Sign in with it." if was_set else ""
    return login_page(request, next_path=next_path, token=token, with_key=way == "key", done=done)


def login_page(
    request: Request,
    *,
    next_path: str,
    token: str = "",
    with_key: bool = False,
    email: str = "",
    problem: str = "",
    done: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    """The form that exchanges a password, a key or a token for a session.

    A token is not used up by opening its address (mail scanners and previews open addresses); the button does it.

    Args:
        request: The request.
        next_path: Page to go on to; checked when the form is sent.
        token: A sign-in token, instead of asking for anything.
        with_key: Ask for an API key instead of a password.
        email: What was typed before.
        problem: Why the last try failed.
        done: What went well before.
        status_code: HTTP status of the answer.
    """
    context = {
        "next_path": next_path,
        "token": "" if problem else token,
        "with_key": with_key,
        "email": email,
        "problem": problem,
        "done": done,
    }
    return render(request, "access/login.html", status_code=status_code, **context)
