"""Files that hang on a request and on its notes: what they are called, and where the desk has their bytes; pure.

The vendor's page "V3 Attachment API Changes" lists downloads as ``/api/v3/.../<id>/attachments/<id>/download``. What an
attachment's ``content_url`` and ``size`` look like, and that notes carry ``attachments`` of their own, is prior
knowledge [K]: neither that nor a download was checked against a live desk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx2

from deskhand.plugins.errors import DeskProtocolError
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.manifest import DESK


def attachments_of(*holders: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Attachments of a request and of its notes, each once; one without a name is none.

    Args:
        *holders: The request and its notes, as sent.
    """
    seen: set[str] = set()
    rows: list[dict[str, Any]] = []
    for row in _listed(holders):
        file_id = str(row.get("id") or "")
        # A desk that shows a note's files on the request as well shows them twice.
        if not file_id or file_id not in seen:
            rows.append({**row, "size": _size(row.get("size"))})
        seen.add(file_id)
    return tuple(rows)


def _listed(holders: tuple[Mapping[str, Any], ...]) -> Iterator[Mapping[str, Any]]:
    for holder in holders:
        rows = holder.get("attachments")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, Mapping) and isinstance(row.get("name"), str):
                yield row


def _size(value: object) -> object:
    """``{"value", "display_value"}`` or the number itself; words such as "12 KB" are no number of bytes."""
    return value.get("value", value.get("display_value")) if isinstance(value, Mapping) else value


def download_url(row: Mapping[str, Any], ticket_id: str, config: ServiceDeskPlusConfig) -> str:
    """Where a file's bytes are.

    Args:
        row: The attachment as the desk shows it now; an address that was kept is not trusted.
        ticket_id: Of the request.
        config: Of the connection.

    Raises:
        DeskProtocolError: The desk names another host, which must not see our credentials.
    """
    told = row.get("content_url")
    if not isinstance(told, str) or not told.strip():
        request, attachment = (quote(str(part), safe="") for part in (ticket_id, row.get("id")))
        return f"{config.api_url}requests/{request}/attachments/{attachment}/download"
    own = httpx2.URL(f"{config.servicedesk_url}/")
    try:
        url = own.join(told.strip())
    except (httpx2.InvalidURL, ValueError) as error:
        raise DeskProtocolError(f"{DESK} gives '{row.get('name')}' an address that is none: {error}.") from error
    # A name before the host would be sent as a credential in place of ours.
    if _origin(url) != _origin(own) or url.userinfo:
        raise DeskProtocolError(
            f"{DESK} says that '{row.get('name')}' is at {url.scheme}://{url.host}; only the connection's own address"
            f" ({own.scheme}://{own.host}) is asked for files."
        )
    return str(url)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
