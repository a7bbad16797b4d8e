"""RFC 9457 problem documents: the one place where a failure becomes an HTTP answer.

``install_problem_handlers(app)`` covers domain errors, request validation (422, a JSON pointer per
field), Starlette's own 404, 405 and 413, a database that is down (503) and, as the HTTP edge's net,
everything nobody foresaw (500: no internals, a request id to find the log entry by).
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskhand.errors import (
    BadRequestError,
    DeskhandError,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    PayloadTooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from deskhand.kit.db.away import DATABASE_ERRORS, is_passing
from deskhand.kit.manners import ResourceManners, allowed_methods
from deskhand.kit.pointer import fault_sentence, pointer

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:deskhand:problem:"
DATABASE_RETRY_SECONDS = 5.0
SHOWN_FAULTS = 50
SHOWN_CHARACTERS = 600
"""A refusal names what is wrong; it does not send the request back to whoever sent it."""
_NAMED_ANEW = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SOURCES = frozenset({"body", "query", "path", "header", "cookie"})

log = structlog.get_logger(__name__)


class ProblemField(BaseModel):
    """One fault in the input."""

    pointer: str = Field(description="RFC 6901 JSON pointer to the value at fault.", examples=["/triggers/0"])
    detail: str = Field(description="What is wrong with it.")
    source: str = Field("body", description="body, query, path, header or cookie.")


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:deskhand:problem:not-found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no agent 550e8400-e29b-41d4-a716-446655440000.",
                    "code": "not-found",
                    "request_id": "6a1f0c9e6f0b4a33",
                }
            ]
        }
    )

    type: str = Field(description="Stable URI of the kind of problem.")
    title: str = Field(description="The kind of problem, for a person.")
    status: int = Field(description="The HTTP status, repeated.")
    detail: str = Field(description="What happened this time and what to do about it.")
    code: str = Field(description="Stable short name of the kind; the last part of `type`.")
    request_id: str = Field(description="Find the log entries of this request by it.")
    errors: list[ProblemField] = Field(default_factory=list, description="The single faults, when input is wrong.")


def request_id(request: Request) -> str:
    """The request's id: what a middleware or the caller set, else a fresh one, kept for the request."""
    known = getattr(request.state, "request_id", None) or request.headers.get("x-request-id", "")
    if not isinstance(known, str) or not _REQUEST_ID.fullmatch(known):
        # A caller's own id is kept only if it is short and plain: it goes into logs and headers.
        known = uuid.uuid4().hex[:16]
    request.state.request_id = known
    return known


def problem_responses(*errors: type[DeskhandError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of an endpoint: these errors, and those every authenticated endpoint can give."""
    return public_problem_responses(UnauthenticatedError, ForbiddenError, *errors)


def public_problem_responses(*errors: type[DeskhandError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of an endpoint that needs no credential: these errors, and a database that is down."""
    titles: dict[int, list[str]] = {}
    declared: tuple[type[DeskhandError], ...] = (*errors, UnavailableError)
    for error in declared:
        entry = titles.setdefault(error.status, [])
        if error.title not in entry:
            entry.append(error.title)
    return {status: _documented("; ".join(names)) for status, names in sorted(titles.items())}


def problem_response(request: Request, error: DeskhandError, *, sources: Sequence[str] = ()) -> JSONResponse:
    """Render a domain error.

    Args:
        request: The request that failed; gives the document its id.
        error: What went wrong.
        sources: Where each of ``error.errors`` was found; "body" where it is not said.
    """
    ident = request_id(request)
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": error.title,
        "status": error.status,
        "detail": shortened(error.detail),
        "code": error.code,
        "request_id": ident,
    }
    if error.errors:
        padded = [*sources, *["body"] * (len(error.errors) - len(sources))]
        document["errors"] = [
            {"pointer": shortened(fault.pointer), "detail": shortened(fault.detail), "source": source}
            for fault, source in zip(error.errors[:SHOWN_FAULTS], padded, strict=False)
        ]
    headers = {"X-Request-ID": ident, "Cache-Control": "no-store"}
    if error.retry_after is not None:
        # Whole seconds by RFC 9110, and never 0: that would ask the sender to try again at once.
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, UnauthenticatedError):
        # RFC 9110 asks a 401 to say how one may authenticate.
        headers["WWW-Authenticate"] = 'Bearer realm="deskhand"'
    return JSONResponse(document, status_code=error.status, headers=headers, media_type=MEDIA_TYPE)


def invalid_input(error: ValidationError, *, at: Sequence[str | int] = ()) -> InvalidInputError:
    """Turn a Pydantic error raised inside a service into the domain's own, without echoing any input.

    Args:
        error: What Pydantic found.
        at: Path of the validated value within the request body.
    """
    faults = [FieldProblem(pointer([*at, *fault["loc"]]), fault_sentence(fault)) for fault in error.errors()]
    return InvalidInputError(_summary(faults), errors=faults)


def install_problem_handlers(app: FastAPI, *, login_path: str | None = None, https: bool = False) -> None:
    """Make every failure of this application a problem document.

    Args:
        app: The application.
        login_path: Page to send a browser to that has no session; None answers 401 to it as to anybody.
        https: Whether browsers reach it by HTTPS, and may be told never to try without.
    """

    async def on_domain_error(request: Request, error: Exception) -> Response:
        known = cast(DeskhandError, error)
        if login_path and isinstance(known, UnauthenticatedError) and _wants_page(request):
            return RedirectResponse(f"{login_path}?next={quote(_path_and_query(request))}", status_code=303)
        return problem_response(request, known)

    app.add_exception_handler(DeskhandError, on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(StarletteHTTPException, _on_http_exception)
    # Each kind by itself, since what the driver, the ORM and the system raise have no ancestor that is a database's
    # alone.
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _on_database_down)
    app.add_middleware(ResourceManners)
    app.add_middleware(UnexpectedErrorNet, https=https)
    _document_problems(app)


class UnexpectedErrorNet:
    """The HTTP edge's net: an unforeseen exception is logged in full and answered without internals."""

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self.app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _complete_head(message, ident, https=self._https)
            await send(message)

        request = Request(scope)
        ident = request_id(request)
        try:
            await self.app(scope, receive, watched)
        except Exception:  # the HTTP edge: the one net
            log.exception("unexpected error", request_id=ident, method=scope["method"], path=scope["path"])
            # The status line is out already; all that is left is to end the connection, which the server does with the
            # error.
            if started:
                raise
            error = DeskhandError(f"Something went wrong on our side. Quote request id {ident} when you report it.")
            await problem_response(request, error)(scope, receive, send)


def _complete_head(message: Message, ident: str, *, https: bool) -> None:
    """What every answer says, whoever made it: its id, and that it is no page unless it says so itself."""
    headers = MutableHeaders(raw=message.setdefault("headers", []))
    headers.setdefault("X-Request-ID", ident)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    if https:
        # Never of plain HTTP: a browser would refuse an installation that has no certificate, for a year.
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")


async def _on_validation_error(request: Request, error: Exception) -> Response:
    faults = cast(RequestValidationError, error).errors()
    # The parser's own words quote the body, which may hold a secret.
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem_response(request, BadRequestError("The body is not valid JSON."))
    # A resource of its own whose name a neighbour's template takes for an id, as `/budgets/{id}` takes `spending`: the
    # method is wrong.
    in_path = any(fault["loc"][:1] == ("path",) for fault in faults)
    if in_path and request.method not in allowed_methods(request.app.router.routes, request.scope):
        return await _on_http_exception(request, StarletteHTTPException(HTTPStatus.METHOD_NOT_ALLOWED))
    fields, sources = [], []
    for fault in faults:
        source, *rest = fault["loc"] or ("body",)
        known = source in _SOURCES
        fields.append(FieldProblem(pointer(rest if known else fault["loc"]), fault_sentence(fault)))
        sources.append(str(source) if known else "body")
    return problem_response(request, InvalidInputError(_summary(fields), errors=fields), sources=sources)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    http = cast(StarletteHTTPException, error)
    status = HTTPStatus(http.status_code)
    details = {
        404: f"There is nothing at {shortened(request.url.path)}.",
        405: f"{shortened(request.method)} is not possible at {shortened(request.url.path)}.",
        413: "The body is larger than this endpoint accepts.",
        400: "The request cannot be read.",
    }
    kind = _error_type(status.value)
    answer = problem_response(request, kind(details.get(status.value) or status.description or reason_phrase(status)))
    answer.headers.update(cast(Mapping[str, str], http.headers or {}))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(allowed_methods(request.app.router.routes, request.scope))
    return answer


async def _on_database_down(request: Request, error: Exception) -> Response:
    # Any other database error is a bug of ours, and the net below answers 500 for it.
    if not is_passing(error):
        raise error
    log.warning("database unavailable", request_id=request_id(request), error=str(error) or type(error).__name__)
    return problem_response(
        request,
        UnavailableError(
            "The database cannot do this at the moment; try again shortly.", retry_after=DATABASE_RETRY_SECONDS
        ),
    )


def reason_phrase(status: int) -> str:
    """The name of a status as RFC 9110, section 15, has it; Python before 3.13 has older names for four of them."""
    return _NAMED_ANEW.get(status) or HTTPStatus(status).phrase


def _error_type(status: int) -> type[DeskhandError]:
    for kind in (NotFoundError, BadRequestError, PayloadTooLargeError):
        if kind.status == status:
            return kind
    phrase = reason_phrase(status)
    code = phrase.lower().replace(" ", "-")
    return type("HttpError", (DeskhandError,), {"code": code, "status": status, "title": phrase})


def _summary(faults: Sequence[FieldProblem]) -> str:
    if len(faults) == 1:
        where = f"{faults[0].pointer}: " if faults[0].pointer else ""
        return where + faults[0].detail
    shown = "" if len(faults) <= SHOWN_FAULTS else f" The first {SHOWN_FAULTS} are listed."
    return f"{len(faults)} fields are wrong.{shown}"


def shortened(text: str) -> str:
    """A text of an answer, cut where it is longer than anybody reads; the mark says how much is missing."""
    missing = len(text) - SHOWN_CHARACTERS
    return text if missing <= 0 else f"{text[:SHOWN_CHARACTERS]}… ({missing} more characters)"


def _wants_page(request: Request) -> bool:
    # A redirect of a POST would lose the form; such a request gets 401.
    browses = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
    return browses and not request.url.path.startswith("/api/")


def _path_and_query(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _documented(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def _document_problems(app: FastAPI) -> None:
    """Put the problem schema into the OpenAPI document, in place of FastAPI's own validation error."""
    original: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = original()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}), Problem=problem)
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for path in document.get("paths", {}).values():
            for operation in path.values():
                _use_problem_for_422(operation)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way of extending the schema


def _use_problem_for_422(operation: Any) -> None:
    responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
    if "422" in responses and "text/html" not in responses["422"].get("content", {}):
        responses["422"] = _documented("Invalid input")
    if "requestBody" in (operation if isinstance(operation, dict) else {}):
        responses.setdefault("400", _documented("Bad request"))
