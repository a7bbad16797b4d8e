"""Files of the simulated site: the platform's "Get attachment content"."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskhand.simulators.base.files import every_file, file_answer, media_path
from deskhand.simulators.jira.state import Part
from deskhand.simulators.jira.wire import Table, refuse


class FileApi(Part):
    """What hangs on the issues as files."""

    def table(self) -> Table:
        """Routes: path, verb, handler."""
        return [("/attachment/content/{file}", "GET", self._content)]

    async def _content(self, request: Request) -> Response:
        ident = request.path_params["file"]
        visible = (file for ticket, file in every_file(self._sim.store) if ticket.id not in self._sim.hidden)
        found = next((file for file in visible if file.id == ident), None)
        if found is None:
            raise refuse(request, 404, f"The attachment with id '{ident}' does not exist")
        wish = request.query_params.get("redirect", "true")
        if wish not in {"true", "false"}:
            raise refuse(request, 400, f"The value {wish} is not a boolean.")
        if wish == "false":
            return file_answer(found)
        return RedirectResponse(f"{self._sim.base(request)}{media_path(found)}", 303)
