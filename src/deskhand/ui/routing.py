"""How errors look on pages: a person is sent to sign in, or reads a sentence; never a JSON document."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from deskhand.errors import DeskhandError, InvalidInputError, SecondFactorNeededError, UnauthenticatedError
from deskhand.kit.parameters import UNKNOWN
from deskhand.kit.problem import shortened
from deskhand.ui.render import SECURITY_HEADERS, render

SECOND_FACTOR = "/second-factor"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route whose domain errors become pages."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def as_page(request: Request) -> Response:
            try:
                return await handle(request)
            except UnauthenticatedError:
                return to_login(request)
            except SecondFactorNeededError:
                return to_login(request, page=SECOND_FACTOR)
            except RequestValidationError as err:
                return error_page(request, InvalidInputError(_fault_of_address(err)))
            except DeskhandError as err:
                return error_page(request, err)

        return as_page


def _fault_of_address(error: RequestValidationError) -> str:
    fault = error.errors()[0]
    if fault["type"] == UNKNOWN:
        return f"The address of this page says '{shortened(fault['loc'][-1])}': {fault['msg']}."
    return "The address of this page has a value that cannot be read."


def to_login(request: Request, *, page: str = "/login") -> Response:
    """Send somebody who is not signed in, or not quite, to the page for it and, for a plain look, back afterwards."""
    target = page
    if request.headers.get("hx-request"):
        # htmx follows a redirect inside the fragment; this header makes the whole page go.
        return Response(status_code=204, headers={"HX-Redirect": target, "Cache-Control": "no-store"})
    if request.method == "GET" and request.url.path != "/":
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        target = f"{page}?next={quote(here, safe='/')}"
    return RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})


def error_page(request: Request, error: DeskhandError) -> Response:
    """A page that says what is wrong in the error's own words."""
    if request.headers.get("hx-request") and request.method == "GET":
        return Response(status_code=error.status, headers=SECURITY_HEADERS)
    return render(request, "ui/error.html", status_code=error.status, error=error)


__all__ = ["PageRoute", "error_page", "to_login"]
