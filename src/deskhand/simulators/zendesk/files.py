"""Files of the simulated account: attachments of comments, and the way from their address to the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from deskhand.simulators.base import SimTicket, TicketStore
from deskhand.simulators.base.files import every_file, file_token, media_path
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.zendesk import wire


class Files:
    """What hangs on comments.

    Args:
        store: Tickets.

    Attributes:
        infected: Ids of files in which the account's scan found malware.
        deleted: Ids of files that were taken away.
    """

    def __init__(self, store: TicketStore) -> None:
        self._store = store
        self.infected: set[str] = set()
        self.deleted: set[str] = set()

    def reset(self) -> None:
        """Nothing was found and nothing taken away."""
        self.infected.clear()
        self.deleted.clear()

    def with_files(
        self, comments: list[dict[str, Any]], ticket: SimTicket, base: str, *, inline: bool
    ) -> list[dict[str, Any]]:
        """A ticket's comments, oldest first, each with what came with it; pictures in its text if ``inline``."""
        rows = []
        for number, comment in enumerate(comments):
            note_id = str(comment["id"]) if number else ""
            files = [
                self._row(file, base)
                for file in ticket.attachments
                if file.note_id == note_id and (inline or not _is_inline(file))
            ]
            rows.append({**comment, "attachments": files})
        return rows

    async def show(self, request: Request) -> Response:
        """One attachment."""
        file = self._find(str(request.path_params["id"]), key=lambda file: file.id)
        return JSONResponse({"attachment": self._row(file, wire.base_of(request))})

    async def content(self, request: Request) -> Response:
        """Where the store has it; whoever was let in is sent there."""
        file = self._find(request.path_params["token"], key=file_token)
        if file.id in self.infected:
            raise wire.RefusedError(wire.failure(403))
        return RedirectResponse(wire.base_of(request) + media_path(file), 302)

    def _find(self, value: str, key: Callable[[SimFile], str]) -> SimFile:
        found = next((file for _, file in every_file(self._store) if key(file) == value), None)
        if found is None:
            raise wire.RefusedError(wire.failure(404))
        return found

    def _row(self, file: SimFile, base: str) -> dict[str, Any]:
        address = f"{base}/attachments/token/{file_token(file)}/?name={quote(file.name)}"
        return {
            "url": f"{base}/api/v2/attachments/{file.id}.json",
            "id": int(file.id),
            "file_name": file.name,
            "content_url": address,
            "mapped_content_url": address,
            "content_type": file.content_type,
            "size": len(file.content),
            "inline": _is_inline(file),
            "deleted": file.id in self.deleted,
            "malware_access_override": False,
            "malware_scan_result": "malware_found" if file.id in self.infected else "malware_not_found",
            "thumbnails": [],
        }


def _is_inline(file: SimFile) -> bool:
    """Pictures that come with a comment stand in its text, as those of a mail do."""
    return bool(file.note_id) and file.content_type.startswith("image/")
