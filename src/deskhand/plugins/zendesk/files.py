"""Files of tickets, read without a credential of ours meeting another host than the account.

Zendesk's page "Ticket Attachments" says of ``content_url``: "The file may be hosted externally so take care not to
inadvertently send Zendesk authentication credentials", and "Accessing end user uploaded attachments": with the token of
an API, "Zendesk responds with a 302 and a Location header containing a temporary download URL". So what is not the
connection's own origin, and whatever a redirect leads to, is called as anybody would call it.
"""

from __future__ import annotations

from typing import Any

import httpx2

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.calls import error_for_status, send
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError, DeskProtocolError
from deskhand.plugins.files import ensure_size, file_number, whole_file
from deskhand.plugins.values import AttachedFile
from deskhand.plugins.zendesk import mapping
from deskhand.plugins.zendesk.client import ZendeskClient
from deskhand.plugins.zendesk.manifest import DESK

_STORE = f"{DESK}'s store of files"
_MOST_HOPS = 3
_LAST_PORT = 65_535
_REDIRECTS = {301, 302, 303, 307, 308}


class ZendeskFiles:
    """See the module.

    Args:
        client: Calls the account.
        base_url: The account's address.
        http: Makes the clients of other hosts, which its guard judges.
    """

    def __init__(self, client: ZendeskClient, base_url: str, http: HttpClientFactory) -> None:
        self._client = client
        self._account = httpx2.URL(base_url)
        self._http = http

    async def read(self, file: AttachedFile) -> bytes:
        """The bytes of a file."""
        ensure_size(file.size, file, desk=DESK)
        raw = (await self._client.get(f"attachments/{file_number(file, desk=DESK)}")).get("attachment")
        if not isinstance(raw, dict):
            raise DeskProtocolError(f"{DESK} answered without an attachment.")
        # Asked for anew, so that no address with a token in it is kept, and what was found out since then counts.
        now = next(iter(mapping.files_of([{"attachments": [raw]}])), None)
        if now is None:
            raise DeskNotFoundError(f"{DESK} does not give out '{file.name}' any more.")
        ensure_size(now.size, now, desk=DESK)
        return whole_file(await self._download(raw), now, desk=DESK)

    async def _download(self, raw: dict[str, Any]) -> bytes:
        place = self._place(self._account, raw.get("content_url"))
        ours = (place.scheme, place.host, place.port) == (self._account.scheme, self._account.host, self._account.port)
        async with self._http.client() as stranger:
            response = await (self._client.download(str(place)) if ours else _ask(stranger, place))
            for _ in range(_MOST_HOPS):
                if response.status_code not in _REDIRECTS:
                    break
                place = self._place(place, response.headers.get("location"))
                response = await _ask(stranger, place)
        # A redirect more than we follow is none as well.
        if response.status_code != 200:
            raise DeskProtocolError(f"{_STORE} answered {response.status_code} instead of a file.")
        return response.content

    def _place(self, base: httpx2.URL, address: object) -> httpx2.URL:
        """An address that an answer names, if it is one that may be called; no error repeats it, as it is a credential.

        Raises:
            DeskProtocolError: It is none.
        """
        try:
            place = base.join(address) if isinstance(address, str) else httpx2.URL()
        except (httpx2.InvalidURL, ValueError):
            place = httpx2.URL()
        # Without TLS only where the account itself is called so: what a token opens must not pass in the clear.
        open_to_all = place.scheme in {"https", self._account.scheme} and place.host and not place.userinfo
        if not open_to_all or (place.port or 0) > _LAST_PORT:
            raise DeskProtocolError(f"{DESK} names no address that a file can be read from.")
        return place


async def _ask(stranger: httpx2.AsyncClient, place: httpx2.URL) -> httpx2.Response:
    """An answer of a host that we do not sign in to, if it is no refusal."""
    response = await send(stranger, "GET", str(place), desk=_STORE)
    status = response.status_code
    if status < 400:
        return response
    # We have not signed in there: a 401 is nothing about the credentials of the connection, which would be stopped.
    kind = DeskPermissionError if status in {401, 407} else None
    raise error_for_status(response, f"{_STORE} refused with {status}.", vendor_code=str(status), kind=kind)
