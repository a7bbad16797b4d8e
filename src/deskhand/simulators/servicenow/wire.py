"""Shapes of the simulated instance: cells, rows and answers as the Table API sends them."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

_DEFAULT_LIMIT = 10_000
TIME = "%Y-%m-%d %H:%M:%S"
_CODE_TAGS = re.compile(r"\[code\]((?:[^\[]|\[(?!/?code\]))*+)\[/code\]", re.IGNORECASE)
_MESSAGES = {
    400: ("Bad request", ""),
    401: ("User Not Authenticated", "Required to provide Auth information"),
    403: ("Operation Failed", "ACL Exception Update Failed due to security constraints"),
    404: ("No Record found", "Record doesn't exist or ACL restricts the record retrieval"),
    429: ("Rate limit exceeded", "Rate limit of 500 requests per hour for Table API exceeded"),
    500: ("Internal server error", ""),
}


class Cell(NamedTuple):
    """One field of one row: everything on the wire is text, ``""`` is null.

    Attributes:
        value: As stored.
        display: As shown.
        table: Table of a reference.
    """

    value: str = ""
    display: str = ""
    table: str = ""


Row = Mapping[str, Cell]


def plain(value: object) -> Cell:
    """A cell that shows what it stores."""
    text = {True: "true", False: "false", None: ""}.get(value) if isinstance(value, bool | None) else str(value)
    return Cell(text or "", text or "")


def moment(value: datetime | None, zone: tzinfo = UTC) -> Cell:
    """A time: stored in UTC, shown in the user's zone."""
    if value is None:
        return Cell()
    # Stored in UTC and shown in the user's zone: a client that reads the shown one is hours off.
    return Cell(value.astimezone(UTC).strftime(TIME), value.astimezone(zone).strftime(TIME))


def sys_id_of(*parts: str) -> str:
    """A stable id of 32 hex digits for something that has none of its own."""
    # Derived from what it names, so that the same state has the same ids in each run of a test.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def render(row: Row, *, mode: str, base: str, links: bool) -> dict[str, Any]:
    """A row in one of the three modes of ``sysparm_display_value``."""
    return {name: _cell(cell, mode, base, links) for name, cell in row.items()}


def _cell(cell: Cell, mode: str, base: str, links: bool) -> object:
    # Only a reference that points somewhere has one: a reader has to bear both forms in one list.
    link = {"link": f"{base}/api/now/table/{cell.table}/{cell.value}"} if cell.table and cell.value and links else {}
    if mode == "all":
        return {"display_value": cell.display, **link, "value": cell.value}
    if mode == "true":
        return {"display_value": cell.display, **link} if link else cell.display
    return {**link, "value": cell.value} if link else cell.value


def answer(result: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A successful answer."""
    body = json.dumps({"result": result}, ensure_ascii=False)
    return Response(body, status_code=status, media_type="application/json", headers=dict(headers or {}))


def failure(status: int, message: str = "", detail: str = "", *, headers: Mapping[str, str] | None = None) -> Response:
    """A failed answer."""
    stock = _MESSAGES.get(status, (f"HTTP {status}", ""))
    error = {"message": message or stock[0], "detail": detail or stock[1]}
    extra = {"WWW-Authenticate": 'BASIC realm="Service-now"'} if status == 401 else {}
    body = json.dumps({"error": error, "status": "failure"})
    return Response(body, status_code=status, media_type="application/json", headers={**extra, **(headers or {})})


class RefusedError(Exception):
    """A call the instance refuses; carries the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def refuse(status: int, message: str = "", detail: str = "") -> RefusedError:
    """The refusal with a status."""
    return RefusedError(failure(status, message, detail))


def page_html(text: str) -> str:
    """A text as the instance's own form shows it: plain, apart from HTML between [code] tags."""
    parts = _CODE_TAGS.split(text)  # odd positions are what stood between tags
    return "".join(part if position % 2 else _plain_html(part) for position, part in enumerate(parts))


def _plain_html(text: str) -> str:
    lines = html.escape(text.strip()).splitlines()
    return f"<p>{'<br>'.join(lines)}</p>" if lines else ""


def window(params: Mapping[str, str]) -> tuple[int, int]:
    """Limit and offset of a list."""
    return _number(params, "sysparm_limit", _DEFAULT_LIMIT), _number(params, "sysparm_offset", 0)


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, "")
    return int(text) if text.isdigit() else default  # what is no number is ignored, too


def paging_headers(request: Request, total: int, limit: int, offset: int) -> dict[str, str]:
    """Count and links of one page of a list."""
    params = request.query_params
    headers: dict[str, str] = {}
    if params.get("sysparm_no_count") != "true":
        headers["X-Total-Count"] = str(total)
    if params.get("sysparm_suppress_pagination_header") == "true":
        return headers
    last = max(0, (total - 1) // limit * limit) if limit else 0
    starts = {"first": 0, "prev": offset - limit, "next": offset + limit, "last": last}
    links = [
        f'<{request.url.replace(query=urlencode({**params, "sysparm_offset": start}))}>;rel="{rel}"'
        for rel, start in starts.items()
        if start >= 0 and (rel != "next" or start < total)
    ]
    headers["Link"] = ",".join(links)
    return headers
