"""Refusals of the simulated site, in the shape of the API that is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Handler = Callable[[Request], Awaitable[Response]]
Table = list[tuple[str, str, Handler]]
"""Routes of one part of the site: path, verb, handler."""

_WORDS = {
    401: "Client must be authenticated to access this resource.",
    403: "You do not have permission to do this.",
    404: "Issue does not exist or you do not have permission to see it.",
    409: "The issue is being changed by another request.",
    410: "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."
    " A full migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046",
    413: "The issue has reached the limit of this kind of entry.",
    422: "The workflow configuration does not allow this.",
    429: "Rate limit exceeded.",
    500: "Internal server error",
    503: "The service is temporarily unavailable.",
}


class RefusedError(Exception):
    """A call that is refused; carries the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def refuse(request: Request, status: int, *messages: str, errors: dict[str, str] | None = None) -> RefusedError:
    """The refusal of a call."""
    return RefusedError(failure(request, status, *messages, errors=errors))


def failure(
    request: Request,
    status: int,
    *messages: str,
    errors: dict[str, str] | None = None,
    limit: int = 100,
    reason: str = "jira-burst-based",
    wait: int = 5,
) -> Response:
    """A failed answer in the shape of the platform or of servicedeskapi, with the vendor's headers."""
    words = messages or (() if errors else (_WORDS.get(status, f"HTTP {status}"),))
    headers: dict[str, str] = {}
    if status == 401:
        headers["X-Seraph-LoginReason"] = "AUTHENTICATED_FAILED"
    if status == 429:
        reset = datetime.now(UTC) + timedelta(seconds=wait)
        headers |= {
            "Retry-After": str(wait),
            "RateLimit-Reason": reason,
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": "0",
            # Whole minutes, as the vendor writes it; Retry-After is the exact one.
            "X-RateLimit-Reset": reset.strftime("%Y-%m-%dT%H:%MZ"),
            "X-RateLimit-NearLimit": "true",
        }
    body: dict[str, Any] = {"errorMessages": list(words), "errors": errors or {}}
    if "/rest/servicedeskapi" in request.url.path:
        said = " ".join(words) or "; ".join((errors or {}).values())
        # The two APIs of one site have two shapes of errors, and a client meets both.
        body = {"errorMessage": said, "i18nErrorMessage": {"i18nKey": f"sd.error.{status}", "parameters": []}}
    return JSONResponse(body, status_code=status, headers=headers)


def ok(body: Any, status: int = 200) -> Response:
    """A good answer."""
    return JSONResponse(body, status_code=status)


def empty() -> Response:
    """A good answer without a body."""
    return Response(status_code=204)


async def json_body(request: Request, allowed: set[str]) -> dict[str, Any]:
    """The JSON object of a call; other shapes and unknown keys are refused."""
    try:
        value = await request.json()
    except ValueError:
        value = None
    if not isinstance(value, dict) or set(value) - allowed:
        raise refuse(request, 400, "Invalid request payload. Refer to the REST API documentation and try again.")
    return value


def whole_number(request: Request, value: object, default: int, *, low: int = 0, high: int = 5000) -> int:
    """A number within bounds; others are refused."""
    if value is None:
        return default
    text = str(value)
    if isinstance(value, bool) or not text.lstrip("-").isdigit() or not low <= int(text) <= high:
        raise refuse(request, 400, f"The value {text} is not a number between {low} and {high}.")
    return int(text)
