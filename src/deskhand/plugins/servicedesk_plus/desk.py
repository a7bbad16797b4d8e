"""Requests over the wire: one and lists of them, read, compared and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from deskhand.kit.marks import find_marks
from deskhand.plugins.contract import AttachedFile, Person, WriteReceipt
from deskhand.plugins.errors import DeskConflictError, DeskError, DeskNotFoundError, DeskProtocolError
from deskhand.plugins.files import ensure_size, whole_file
from deskhand.plugins.ownership import same_account
from deskhand.plugins.paging import Listing, read_pages
from deskhand.plugins.servicedesk_plus import mapping, past
from deskhand.plugins.servicedesk_plus.client import ServiceDeskClient
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.files import attachments_of, download_url
from deskhand.plugins.servicedesk_plus.manifest import DESK

_PAGE = 100

WHOSE_KEY = (
    "Account of its own",
    True,
    "this desk does not tell whose key it is: let it be that of a technician account that no person works with",
)


class Requests:
    """The requests of one desk.

    Args:
        client: The wire.
        config: Of the connection.
    """

    def __init__(self, client: ServiceDeskClient, config: ServiceDeskPlusConfig) -> None:
        self.client = client
        self._config = config

    async def get(self, ticket_id: str) -> dict[str, Any]:
        """One request as the desk shows it."""
        raw = (await self.client.get(path_of(ticket_id))).get("request")
        if not isinstance(raw, dict):
            raise DeskProtocolError(f"{DESK} answered without a request.")
        return raw

    async def stamp(self, ticket_id: str) -> str | None:
        """The ticket's stamp after a note, which is all that a webhook action tells of it; None if unreadable."""
        try:
            return mapping.revision_of(await self.get(ticket_id))
        except DeskError:
            return None  # the note is there all the same

    async def notes(self, ticket_id: str) -> Listing[dict[str, Any]]:
        """Notes as the desk shows them."""
        return await self.all(f"{path_of(ticket_id)}/notes", "notes", f"{self._config.note_key}s")

    async def file(self, ticket_id: str, file: AttachedFile) -> bytes:
        """The bytes of a file of a request or of one of its notes, by the address that the desk gives it today."""
        ensure_size(file.size, file, desk=DESK)
        url = download_url(await self._attachment(ticket_id, file.id), ticket_id, self._config)
        return whole_file(await self.client.download(url), file, desk=DESK)

    async def _attachment(self, ticket_id: str, file_id: str) -> dict[str, Any]:
        raw = await self.get(ticket_id)
        found = _with_id(file_id, attachments_of(raw))
        if found is None and raw.get("has_notes", True):
            found = _with_id(file_id, attachments_of(*(await self.notes(ticket_id)).rows))
        if found is None:
            raise DeskNotFoundError(f"{DESK} shows this account no file {file_id!r} on the request.")
        return found

    def note_with(self, rows: Sequence[dict[str, Any]], mark: str) -> dict[str, Any] | None:
        """The note of ours with a mark."""
        for row in rows:
            if mark in find_marks(str(row.get("description") or "")) and self._may_be_ours(row):
                return row
        return None

    def _may_be_ours(self, row: Mapping[str, Any]) -> bool:
        """Whoever quotes our note quotes its mark; where the account is known, it decides."""
        author = mapping.read_person(row.get("added_by")) or Person()
        return same_account((self._config.servicedesk_bot_email, author.email)) is not False

    async def links(self, ticket_id: str) -> set[str]:
        """Ids of the requests that one is linked with."""
        rows = rows_of(await self.client.get(f"{path_of(ticket_id)}/link_requests"), "link_requests")
        named = [row.get("linked_request", row) for row in rows]
        return {str(other["id"]) for other in named if isinstance(other, dict) and other.get("id")}

    async def all(self, path: str, *keys: str) -> Listing[dict[str, Any]]:
        """Every row of a list, page by page."""

        async def read(start: str) -> tuple[list[dict[str, Any]], str | None]:
            body = await self.client.get(path, {"list_info": {"row_count": _PAGE, "start_index": int(start)}})
            page = rows_of(body, *keys)
            return page, mapping.next_cursor(body, len(page))

        return await read_pages(read, "1")

    async def set(
        self,
        ticket_id: str,
        fields: Mapping[str, Any],
        *,
        mark: str,
        if_revision: str | None = None,
        reason: str = "",
        status_change_comments: str = "",
    ) -> WriteReceipt:
        """Read, compare, write. The vendor has no lock: an editor who slips in between goes unnoticed."""
        raw = await self.get(ticket_id)
        if mapping.already_set(raw, fields):
            return receipt_of(raw, mark, adopted=True)
        if if_revision is not None and mapping.revision_of(raw) != if_revision:
            raise DeskConflictError(f"The ticket changed since it was read (now {mapping.revision_of(raw)}).")
        comments = {"update_reason": reason, "status_change_comments": status_change_comments}
        return await self.put(raw, fields, mark=mark, comments={name: text for name, text in comments.items() if text})

    async def put(
        self,
        raw: Mapping[str, Any],
        fields: Mapping[str, Any],
        *,
        mark: str,
        comments: Mapping[str, str] | None = None,
    ) -> WriteReceipt:
        """Write fields of a request that was read."""
        sent = {"request": {**fields, **(comments or {})}}
        body = await self.client.write("PUT", path_of(str(raw["id"])), sent)
        saved = body.get("request")
        # Some builds answer a PUT with the status alone; the write took effect all the same.
        if not isinstance(saved, dict) or not saved.get("id"):
            return receipt_of({"id": raw["id"]}, mark)
        return receipt_of(saved, mark, changes=past.images(raw, {**raw, **saved}, fields))


def _with_id(file_id: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return next((row for row in rows if file_id and str(row.get("id")) == file_id), None)


def path_of(ticket_id: str) -> str:
    """Address of a request."""
    return f"requests/{quote(ticket_id, safe='')}"  # an id from outside must not become another address


def rows_of(body: Mapping[str, Any], *keys: str) -> list[dict[str, Any]]:
    """The rows of a list, under the first of these names that it has."""
    for key in keys:
        rows = body.get(key)
        if isinstance(rows, list):
            return [row for row in rows if isinstance(row, dict)]
    raise DeskProtocolError(f"{DESK} answered without a list of {keys[0]}.")


def receipt_of(
    raw: Mapping[str, Any], mark: str, *, adopted: bool = False, changes: tuple[Any, ...] = ()
) -> WriteReceipt:
    """Receipt of a write to a request."""
    ticket_id = str(raw["id"])
    return WriteReceipt(
        id=ticket_id,
        ticket_id=ticket_id,
        mark=mark,
        revision=mapping.revision_of(raw),
        adopted=adopted,
        changes=changes,
    )
