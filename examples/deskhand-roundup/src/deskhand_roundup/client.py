"""The wire: authentication, the headers Roundup insists on, and its errors translated in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.calls import error_for_status, json_object, send
from deskhand.plugins.errors import DeskError, DeskPermissionError, DeskProtocolError, DeskValidationError
from deskhand_roundup.config import RoundupConfig
from deskhand_roundup.manifest import DESK

Query = Sequence[tuple[str, str]]

# What the same status means elsewhere is not what it means here (roundup/rest.py, `_data_decorator`).
_BY_STATUS: dict[int, type[DeskError]] = {
    405: DeskPermissionError,  # a detector of the tracker rejected the change
    409: DeskValidationError,  # ValueError: a value that the schema or a detector refuses; a stale write is 412
}


class RoundupClient:
    """Calls the REST interface of one tracker. One call is one attempt.

    Args:
        config: Address and account.
        http: Makes the outbound client.
    """

    def __init__(self, config: RoundupConfig, http: HttpClientFactory) -> None:
        web = urlsplit(config.web_url)
        self._auth = (config.roundup_user, config.roundup_password.get_secret_value())
        self._client = http.client(
            f"{config.roundup_url}/rest/data/",
            # Without the last two every write is refused as a forgery of a browser.
            headers={
                "Accept": "application/json",
                "X-Requested-With": "Deskhand",
                "Origin": f"{web.scheme}://{web.netloc}",
            },
        )

    async def list(self, kind: str, query: Query = ()) -> dict[str, Any]:
        """``collection`` and page links of a class."""
        return await self._call("GET", kind, params=list(query))

    async def item(self, kind: str, item_id: str, query: Query = ()) -> dict[str, Any]:
        """One item: ``attributes`` and ``@etag``."""
        return await self._call("GET", f"{kind}/{quote(item_id, safe='')}", params=list(query))

    async def create(self, kind: str, values: Mapping[str, Any]) -> str:
        """Make an item; returns its id."""
        return str((await self._call("POST", kind, json=dict(values)))["id"])

    async def change(self, kind: str, item_id: str, values: Mapping[str, Any], *, etag: str) -> None:
        """Set properties, if the item is still as ``etag`` says."""
        path = f"{kind}/{quote(item_id, safe='')}"
        # Roundup drops a null without a word; an empty text is what clears a property.
        sent = {name: "" if value is None else value for name, value in values.items()}
        await self._call("PUT", path, json=sent, headers={"If-Match": etag})

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        return read_answer(await send(self._client, method, path, desk=DESK, auth=self._auth, **kwargs))


def read_answer(response: httpx2.Response) -> dict[str, Any]:
    """``data`` of a successful answer.

    Raises:
        DeskError: The class the status stands for, with the tracker's own words.
    """
    try:
        body = json_object(response, desk=DESK)
    except DeskProtocolError:
        if response.status_code < 400:
            raise
        body = {}  # a proxy in front of the tracker, or one of its pages in HTML
    data = body.get("data")
    if response.status_code < 400:
        if isinstance(data, dict):
            return data
        raise DeskProtocolError(f"{DESK} answered {response.status_code} without data.")
    error = body.get("error")
    said = str(error.get("msg") or "") if isinstance(error, dict) else ""
    raise error_for_status(
        response,
        f"{DESK} refused with {response.status_code}: {said or 'no reason given'}",
        vendor_code=str(response.status_code),
        scope="account" if response.status_code == 429 else None,
        kind=_BY_STATUS.get(response.status_code),
    )
