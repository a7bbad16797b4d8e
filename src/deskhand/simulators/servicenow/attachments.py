"""The Attachment API of the simulated instance: which files hang on a record, and their bytes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from deskhand.simulators.base import SimTicket, TicketStore
from deskhand.simulators.base.files import every_file, file_answer
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.servicenow import query, wire
from deskhand.simulators.servicenow.access import Access
from deskhand.simulators.servicenow.tables import Tables
from deskhand.simulators.servicenow.wire import Row, moment, plain, refuse

TABLE = "sys_attachment"
"""What an account is kept from, as from every table (``Access.closed_tables``)."""

Handler = Callable[[Request], Awaitable[Response]]


class Instance(Protocol):
    """What these routes need of the simulator."""

    store: TicketStore
    tables: Tables
    access: Access

    def evaluate(self, field: str, value: str) -> str:
        """What a value of a query means for the calling user."""


class AttachmentRoutes:
    """Part of the simulator.

    Args:
        instance: The simulator.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def table(self) -> list[tuple[str, Handler]]:
        """Path and handler; all of them are read."""
        return [("/attachment", self._list), ("/attachment/{id}/file", self._file)]

    async def _list(self, request: Request) -> Response:
        self._ensure_open()
        instance, params = self._instance, request.query_params
        rows = [
            _row(ticket, file, instance.tables, _base(request)) for ticket, file in every_file(self._instance.store)
        ]
        text = params.get("sysparm_query", "")
        matching = query.apply(rows, text, walk=instance.tables.walk, evaluate=instance.evaluate)
        limit, offset = wire.window(params)
        # The limit first, then access control, as in every list of the instance.
        seen = [row for row in matching[offset : offset + limit] if not self._is_hidden(row)]
        shown = [wire.render(row, mode="false", base=_base(request), links=False) for row in seen]
        return wire.answer(shown, headers=wire.paging_headers(request, len(matching), limit, offset))

    async def _file(self, request: Request) -> Response:
        self._ensure_open()
        for ticket, file in every_file(self._instance.store):
            row = _row(ticket, file, self._instance.tables, _base(request))
            if file.id == request.path_params["id"] and not self._is_hidden(row):
                told = wire.render(row, mode="false", base=_base(request), links=False)
                answer = file_answer(file)
                answer.headers["X-Attachment-Metadata"] = json.dumps(told)
                return answer
        raise refuse(404)

    def _ensure_open(self) -> None:
        if TABLE in self._instance.access.closed_tables:
            raise refuse(403, "User Not Authorized", "Failed API level ACL Validation")

    def _is_hidden(self, row: Row) -> bool:
        """A file is as hidden as what it hangs on."""
        return not self._instance.access.hidden.isdisjoint((row["sys_id"].value, row["table_sys_id"].value))


def _row(ticket: SimTicket, file: SimFile, tables: Tables, base: str) -> Row:
    note = next((one for one in ticket.notes if one.id == file.note_id), None)
    # A picture in the text of a note is no file in the form's list, and hangs under a table of its own name.
    inline = note is not None and file.content_type.startswith("image/")
    return {
        "sys_id": plain(file.id),
        "table_name": plain("ZZ_YYincident" if inline else "incident"),
        "table_sys_id": plain(ticket.id),
        "file_name": plain(file.name),
        "content_type": plain(file.content_type),
        "size_bytes": plain(len(file.content)),
        "state": plain("available"),
        "download_link": plain(f"{base}/api/now/attachment/{file.id}/file"),
        "sys_created_by": plain(tables.user_name(note.author if note else ticket.requester)),
        "sys_created_on": moment(note.created_at if note else ticket.created_at),
    }


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")
