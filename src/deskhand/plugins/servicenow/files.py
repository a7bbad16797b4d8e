"""Files that hang on a record, through the vendor's Attachment API (``/api/now/attachment``).

Read in the vendor's page "Attachment API": a query is about the table ``sys_attachment``, its invalid parts are ignored
without a word, every value is text, and 404 may mean that the account is not let in. Not read there but known [K]:
``state`` tells of a file that is still scanned or was found infected, and pictures in a text hang under the table's
name behind ``ZZ_YY``, which keeps them out of the form's own list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deskhand.kit.times import read_number
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError
from deskhand.plugins.files import ensure_size, whole_file
from deskhand.plugins.paging import Listing
from deskhand.plugins.servicenow.client import ServiceNowClient
from deskhand.plugins.servicenow.manifest import DESK
from deskhand.plugins.servicenow.mapping import is_sys_id
from deskhand.plugins.servicenow.query import Query, Row, Term, value_of, where
from deskhand.plugins.values import AttachedFile

MOST = 20
"""Files of one record that are asked for."""
_HIDDEN = "ZZ_YY"
_NOT_GIVEN_OUT = {"pending", "not_available"}
_TABLE = re.compile(r"[a-z][a-z0-9_]{0,79}")


@dataclass(frozen=True, slots=True)
class Attached:
    """What hangs on a record.

    Attributes:
        names: Of all files.
        files: Those that the instance gives out.
        unread: As ``Ticket.unread`` has it.
    """

    names: tuple[str, ...] = ()
    files: tuple[AttachedFile, ...] = ()
    unread: tuple[str, ...] = ()


class Files:
    """See the module.

    Args:
        client: The wire.
        table: The connection's table.
    """

    def __init__(self, client: ServiceNowClient, table: str) -> None:
        self._client = client
        self._table = table

    async def of(self, row: Row) -> Attached:
        """Files of a record, oldest first, in one call."""
        sys_id = value_of(row, "sys_id")
        query = attachment_query(sys_id, self._table, value_of(row, "sys_class_name"))
        try:
            listing = await self._client.attachments(query, limit=MOST)
        except (DeskPermissionError, DeskNotFoundError):
            # The text of the ticket is worth more than its files: an account that is kept from them alone still reads.
            return Attached(unread=("attachments (our account may not read them)",))
        return read_attached(listing, sys_id)

    async def read(self, file: AttachedFile) -> bytes:
        """The bytes of a file.

        Raises:
            DeskNotFoundError: It is gone.
            DeskProtocolError: What came is not the file.
            DeskValidationError: It is too long.
        """
        # An id from outside that is none never gets into an address.
        if not is_sys_id(file.id):
            raise DeskNotFoundError(f"{DESK} has no file with the id {file.id!r}.")
        ensure_size(file.size, file, desk=DESK)
        return whole_file(await self._client.download(file.id), file, desk=DESK)


def attachment_query(sys_id: str, *tables: str) -> Query:
    """Files of a record; they hang under its own class even where it is read through a table that this one extends."""
    named = [name for name in dict.fromkeys(tables) if _TABLE.fullmatch(name)]
    listed = ",".join([*named, *(_HIDDEN + name for name in named)])
    return where(Term("table_name", "IN", listed), Term("table_sys_id", "=", sys_id), order=("sys_created_on",))


def read_attached(listing: Listing[dict[str, Any]], sys_id: str) -> Attached:
    """What an answer says of a record; rows of other records are passed over.

    Args:
        listing: Rows as they came. The instance ignores what it does not understand of a query, and then sends the
            files of others.
        sys_id: Of the record.
    """
    own = [row for row in listing.rows if row.get("table_sys_id") == sys_id and _name(row)]
    return Attached(
        names=tuple(_name(row) for row in own),
        files=tuple(_file(row) for row in own if _is_given_out(row)),
        unread=Listing(own, is_cut=listing.is_cut).gaps("the ticket's attachments"),
    )


def _name(row: Mapping[str, Any]) -> str:
    name = row.get("file_name")
    return name.strip() if isinstance(name, str) else ""


def _is_given_out(row: Mapping[str, Any]) -> bool:
    file_id = row.get("sys_id")
    return isinstance(file_id, str) and is_sys_id(file_id) and str(row.get("state")) not in _NOT_GIVEN_OUT


def _file(row: Mapping[str, Any]) -> AttachedFile:
    size = read_number(row.get("size_bytes"))
    # Whether the caller sees a file is decided by rules on the instance, of which the row says nothing.
    return AttachedFile(id=row["sys_id"], name=_name(row), size=None if size is None or size < 0 else int(size))
